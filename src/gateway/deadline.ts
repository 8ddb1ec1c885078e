import type { Timeouts } from '../domain/arm.ts';
import { UpstreamError, type UpstreamFailure } from '../domain/errors.ts';
import type { Clock } from '../util/clock.ts';

/** A timer that fires this late means that this process was suspended or busy, not that the upstream was silent. */
const STOOD_STILL_MS = 1000;
/** Extra time to read what arrived while the process stood still. */
const READING_MS = 1000;

/**
 * The time limits of one upstream call: until the answer begins, between two signs of life, and in total, up to the
 * last byte. The first limit to be exceeded aborts the call.
 */
export class Deadline {
  /** Aborts the call when a limit is exceeded. Callers may also use it to end the call themselves. */
  readonly limit = new AbortController();
  #expired: AbortController | null = null;
  #expiredBy: Error | null = null;
  #over = false;
  #isPaused = false;
  /** Monotonic time of the last sign of life. */
  #aliveAt = 0;
  #isWatched = false;
  readonly #clock: Clock;
  readonly #timeouts: Timeouts;
  readonly #awaited: 'byte' | 'content';
  readonly #cancelFirst: () => void;
  #cancelWait: () => void = () => {};
  readonly #cancelTotal: () => void;

  /** @param awaited what the first limit waits for: any byte, or content (pings and announcements do not count) */
  constructor(clock: Clock, timeouts: Timeouts, awaited: 'byte' | 'content') {
    this.#clock = clock;
    this.#timeouts = timeouts;
    this.#awaited = awaited;
    const what = awaited === 'byte' ? 'The upstream sent nothing within' : 'The upstream sent no content within';
    this.#cancelFirst = this.#after(timeouts.firstByteMs, what);
    this.#cancelTotal = this.#after(timeouts.totalMs, 'The answer took longer than');
  }

  /**
   * Aborted only when a limit was exceeded or the gateway broke off the answer. Created on first use, because whole
   * answers do not need it.
   */
  get expired(): AbortSignal {
    this.#expired ??= new AbortController();
    if (this.#expiredBy) this.#expired.abort(this.#expiredBy);
    return this.#expired.signal;
  }

  /** Notes a sign of life from the upstream: headers, a chunk or a ping. */
  alive(): void {
    if (this.#over) return;
    if (this.#awaited === 'byte') this.#cancelFirst();
    this.#isPaused = false;
    this.#aliveAt = this.#clock.monotonic();
    if (!this.#isWatched) this.#watch(this.#timeouts.idleMs);
  }

  /** Notes that the answer has begun. */
  begun(): void {
    this.#cancelFirst();
  }

  /**
   * Stops the idle limit until the next sign of life, because the gateway is waiting for a slow client, not for the
   * upstream.
   */
  pause(): void {
    this.#isPaused = true;
  }

  /** True while the gateway is not waiting for the upstream. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Notes that the answer is complete; the connection gets this much longer to close. */
  linger(milliseconds: number): void {
    this.stop();
    this.#cancelWait = this.#clock.after(milliseconds, () => this.limit.abort(new Error('The answer is complete.')));
  }

  /** Ends a running answer on the gateway's behalf; has no effect on a complete one. */
  breakOff(reason: string): void {
    if (!this.#over) this.#expire(reason, 'interrupted', 503);
  }

  stop(): void {
    this.#over = true;
    this.#cancelFirst();
    this.#cancelWait();
    this.#cancelTotal();
  }

  /**
   * Uses one timer for many signs of life: a stream has hundreds, and a timer for each would cost more than everything
   * else in the stream.
   */
  #watch(milliseconds: number): void {
    this.#isWatched = true;
    this.#cancelWait = this.#timer(milliseconds, () => {
      this.#isWatched = false;
      // The next sign of life starts the timer again.
      if (this.#isPaused) return;
      const { idleMs } = this.#timeouts;
      const left = this.#aliveAt + idleMs - this.#clock.monotonic();
      if (left > 0) this.#watch(left);
      else this.#expire(`The upstream sent nothing for ${idleMs / 1000} s.`);
    });
  }

  #after(milliseconds: number, what: string): () => void {
    return this.#timer(milliseconds, () => this.#expire(`${what} ${milliseconds / 1000} s.`));
  }

  /**
   * Starts a timer that gives the process time to read after it stood still. The event loop runs timers before I/O, so
   * otherwise every upstream would then seem silent.
   */
  #timer(milliseconds: number, callback: () => void): () => void {
    const due = this.#clock.monotonic() + milliseconds;
    let cancel = this.#clock.after(milliseconds, () => {
      if (this.#clock.monotonic() - due < STOOD_STILL_MS) callback();
      else cancel = this.#clock.after(READING_MS, callback);
    });
    return () => cancel();
  }

  #expire(message: string, failure: UpstreamFailure = 'timeout', status?: number): void {
    this.stop();
    const error = new UpstreamError(failure, message, { status });
    this.#expiredBy = error;
    this.limit.abort(error);
    this.#expired?.abort(error);
  }
}
