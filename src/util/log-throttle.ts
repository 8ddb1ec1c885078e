import type { Clock } from './clock.ts';

const A_MINUTE_MS = 60_000;

/**
 * Limits a log line that every request would repeat while something fails: the first is written, then one per
 * interval.
 */
export class LogThrottle {
  readonly #clock: Clock;
  readonly #milliseconds: number;
  #saidAt = Number.NEGATIVE_INFINITY;
  #suppressed = 0;

  constructor(clock: Clock, milliseconds = A_MINUTE_MS) {
    this.#clock = clock;
    this.#milliseconds = milliseconds;
  }

  /**
   * Calls `say` unless it was called within the interval.
   * @param say receives the number of calls suppressed since its last call
   */
  say(say: (suppressed: number) => void): void {
    const now = this.#clock.monotonic();
    if (now - this.#saidAt < this.#milliseconds) {
      this.#suppressed++;
      return;
    }
    const suppressed = this.#suppressed;
    this.#saidAt = now;
    this.#suppressed = 0;
    say(suppressed);
  }

  /** Call it when what was failing works again: the next failure is then logged at once. */
  over(): void {
    this.#saidAt = Number.NEGATIVE_INFINITY;
    this.#suppressed = 0;
  }
}
