import type { Clock } from '../util/clock.ts';

/** An answer that has not begun after this many times the arm's mean service time is overdue … */
const USUAL_MOST = 3;
/** … but not within this many seconds, even if the arm is fast. */
const LEAST_S = 3;

/** A call whose answer has not begun. */
export interface WaitingCall {
  /** Notes that the upstream has sent something, if only a ping. */
  hears(): void;
  /**
   * Whether it counts against the upstream that the client leaves now: this call has not been sent anything for
   * unusually long, and no other call to the arm has been answered since it began. Clients that leave at about the same
   * time, as when a batch is stopped, count once.
   * @param serviceSeconds the arm's mean service time, with the queue in front of this call
   */
  isAbandoned(serviceSeconds: number): boolean;
  /**
   * Notes that the call no longer waits. Calling it again has no effect.
   * @param heard whether the upstream has sent anything: the beginning of the answer, or an error
   */
  ends(heard: boolean): void;
}

interface Waiting {
  /** Monotonic times at which the waiting calls began, the oldest first. */
  calls: Set<{ since: number }>;
  /** Monotonic times at which a call last heard from the upstream, and was last answered; −∞ before the first time. */
  heardAt: number;
  answeredAt: number;
  /** Monotonic time of the last client's departure that counted against the upstream; −∞ before the first one. */
  blamedAt: number;
}

/**
 * How long upstreams have been silent while calls wait for them. An upstream that hangs ends no call, so neither the
 * service times nor the breaker would know of it before the first time limit passes, or ever if clients leave earlier.
 * Each process knows only its own calls.
 */
export class Silence {
  readonly #clock: Clock;
  readonly #arms = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes that a call to the arm begins. */
  enter(arm: string): WaitingCall {
    const call = { since: this.#clock.monotonic() };
    const waiting = this.#arms.get(arm) ?? {
      calls: new Set(),
      heardAt: -Infinity,
      answeredAt: -Infinity,
      blamedAt: -Infinity,
    };
    this.#arms.set(arm, waiting);
    waiting.calls.add(call);
    let ownSign = call.since;
    return {
      hears: () => {
        if (waiting.calls.has(call)) waiting.heardAt = ownSign = this.#clock.monotonic();
      },
      isAbandoned: (serviceSeconds) => {
        const now = this.#clock.monotonic();
        const isSilent = waiting.answeredAt < call.since && overdueSeconds((now - ownSign) / 1000, serviceSeconds) > 0;
        if (!isSilent || now - waiting.blamedAt < 1000 * usualMostSeconds(serviceSeconds)) return false;
        waiting.blamedAt = now;
        return true;
      },
      ends: (heard) => {
        if (!waiting.calls.delete(call)) return;
        if (heard) waiting.heardAt = waiting.answeredAt = this.#clock.monotonic();
        // Models come and go, so those without calls must not take up memory.
        if (waiting.calls.size === 0 && this.#arms.get(arm) === waiting) this.forget(arm);
      },
    };
  }

  /** Seconds since the arm's upstream was last heard, for as long as at least two calls wait: one may just be long. */
  secondsOf(arm: string): number {
    const waiting = this.#arms.get(arm);
    if (!waiting || waiting.calls.size < 2) return 0;
    const [, second] = waiting.calls;
    return (this.#clock.monotonic() - Math.max(second.since, waiting.heardAt)) / 1000;
  }

  /** Forgets an arm that is gone or has another upstream: calls that began before no longer say anything about it. */
  forget(arm: string): void {
    this.#arms.delete(arm);
  }
}

/**
 * By how many seconds a silence exceeds what is usual; 0 if it does not. It is also the expected rest of the silence:
 * what has lasted longer than usual is as likely as not to last as long again.
 */
export function overdueSeconds(silentS: number, serviceSeconds: number): number {
  return Math.max(0, silentS - usualMostSeconds(serviceSeconds));
}

function usualMostSeconds(serviceSeconds: number): number {
  return Math.max(LEAST_S, USUAL_MOST * serviceSeconds);
}
