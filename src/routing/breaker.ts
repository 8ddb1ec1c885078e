import type { Clock } from '../util/clock.ts';

export interface BreakerOptions {
  /** The number of consecutive failed calls that opens the breaker. */
  failures: number;
  /** How many milliseconds the breaker stays open before one call may probe the arm. */
  cooldownMs: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/** What a call's end says about the arm's availability. `unknown`: nothing, e.g. because the client left. */
export type CallEnd = 'ok' | 'failed' | 'unknown';

interface Breaker {
  state: BreakerState;
  /** Consecutive failures, including those before an opening. */
  failures: number;
  /** Monotonic time at which an open breaker lets a probe through. */
  probeAt: number;
  /** Cancels the timer for `probeAt`. */
  cancelWait: () => void;
  /** Whether a probe of a half-open breaker is under way whose answer has not begun. */
  probing: boolean;
  /**
   * How often the breaker has opened. Distinguishes calls that began before an opening from those that began after it.
   */
  openings: number;
}

export interface BreakerChange {
  state: BreakerState;
  /** Number of consecutive failures. */
  failures: number;
  /** Describes the last of these failures; set when the breaker opens. */
  failure?: string;
}

/**
 * One circuit breaker per arm (M. Nygard, Release It!, "Circuit Breaker"). After a number of consecutive failed calls
 * an arm is left out for a while. Then one call may probe it, and the outcome of that call closes or reopens the
 * breaker. Each process has its own breakers, so each gateway finds out for itself.
 *
 * Written here because the libraries (cockatiel, opossum) wrap one promise per call and read the system's clock. But a
 * stream ends long after the promise that opened it, the router must be able to query a breaker without making a call,
 * and tests of timing need the injected clock.
 */
export class Breakers {
  readonly #clock: Clock;
  readonly #onChange: (arm: string, change: BreakerChange) => void;
  #options: BreakerOptions;
  readonly #breakers = new Map<string, Breaker>();
  #notClosed = 0;

  /** @param onChange called at every change of state */
  constructor(
    clock: Clock,
    options: BreakerOptions,
    onChange: (arm: string, change: BreakerChange) => void = () => {},
  ) {
    this.#clock = clock;
    this.#options = options;
    this.#onChange = onChange;
  }

  /** Sets the options for calls that end from now on. An open breaker keeps the cooldown that it opened with. */
  configure(options: BreakerOptions): void {
    this.#options = options;
  }

  /** True when no breaker is open or half-open. */
  get allClosed(): boolean {
    return this.#notClosed === 0;
  }

  state(arm: string): BreakerState {
    return this.#breakers.get(arm)?.state ?? 'closed';
  }

  /** Why the arm should not be called now, phrased for the client; null when it may be called. */
  reason(arm: string): string | null {
    const breaker = this.#breakers.get(arm);
    if (!breaker || breaker.state === 'closed') return null;
    if (breaker.state === 'half-open') {
      return breaker.probing ? `breaker half-open after ${breaker.failures} failures, a probe is under way` : null;
    }
    const seconds = Math.max(1, Math.ceil((breaker.probeAt - this.#clock.monotonic()) / 1000));
    return `breaker open for ${seconds} s after ${breaker.failures} failures`;
  }

  /**
   * Notes that a call to the arm begins.
   * @returns a function to call once with the call's end and, if the call failed, a description of the failure for the
   * operator; further calls have no effect
   */
  enter(arm: string): (end: CallEnd, failure?: string) => void {
    const breaker = this.#of(arm);
    const { openings } = breaker;
    const isProbe = breaker.state === 'half-open' && !breaker.probing;
    if (isProbe) breaker.probing = true;
    let ended = false;
    return (end, failure) => {
      if (ended) return;
      ended = true;
      if (isProbe && breaker.openings === openings) breaker.probing = false;
      // A call that began before the breaker opened says nothing new about the arm.
      if (breaker.openings !== openings) return;
      if (end === 'ok') this.#close(arm, breaker);
      if (end === 'failed') this.#fail(arm, breaker, failure);
    };
  }

  /**
   * Notes that an answer of the arm has begun. Only its end closes the breaker, but it may take minutes, if the client
   * reads slowly, for example: until then one more call may probe the arm.
   */
  answers(arm: string): void {
    const breaker = this.#breakers.get(arm);
    if (breaker?.state === 'half-open') breaker.probing = false;
  }

  /** Forgets an arm that is gone or has another upstream: calls that began before no longer say anything about it. */
  forget(arm: string): void {
    const breaker = this.#breakers.get(arm);
    if (!breaker) return;
    breaker.openings++;
    this.#close(arm, breaker);
    this.#breakers.delete(arm);
  }

  #close(arm: string, breaker: Breaker): void {
    breaker.cancelWait();
    breaker.failures = 0;
    this.#change(arm, breaker, 'closed');
  }

  #fail(arm: string, breaker: Breaker, failure?: string): void {
    breaker.failures++;
    // When no other arm is left, an open breaker is ignored; failures of such calls must not keep it open forever.
    if (breaker.state === 'open') return;
    if (breaker.state === 'closed' && breaker.failures < this.#options.failures) return;
    const { cooldownMs } = this.#options;
    breaker.openings++;
    breaker.probing = false;
    breaker.probeAt = this.#clock.monotonic() + cooldownMs;
    breaker.cancelWait = this.#clock.after(cooldownMs, () => this.#change(arm, breaker, 'half-open'));
    this.#change(arm, breaker, 'open', failure);
  }

  #change(arm: string, breaker: Breaker, state: BreakerState, failure?: string): void {
    if (breaker.state === state) return;
    if (breaker.state === 'closed') this.#notClosed++;
    if (state === 'closed') this.#notClosed--;
    breaker.state = state;
    this.#onChange(arm, { state, failures: breaker.failures, failure });
  }

  #of(arm: string): Breaker {
    let breaker = this.#breakers.get(arm);
    if (!breaker) {
      breaker = { state: 'closed', failures: 0, probeAt: 0, cancelWait: () => {}, probing: false, openings: 0 };
      this.#breakers.set(arm, breaker);
    }
    return breaker;
  }
}
