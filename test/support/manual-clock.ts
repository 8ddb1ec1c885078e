import type { Clock } from '../../src/util/clock.ts';

/** A clock that moves only when told to. While it advances, timers fire in the order of their due times. */
export class ManualClock implements Clock {
  #now: number;
  readonly #origin: number;
  #timers: { due: number; callback: () => void }[] = [];

  constructor(startMilliseconds = 1_700_000_000_000) {
    this.#now = startMilliseconds;
    this.#origin = startMilliseconds;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#origin;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { due: this.#now + milliseconds, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Timers that have neither fired nor been cancelled. */
  get waiting(): number {
    return this.#timers.length;
  }

  advance(milliseconds: number): void {
    const target = this.#now + milliseconds;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.due <= target).sort((a, b) => a.due - b.due)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.due);
      next.callback();
    }
    this.#now = target;
  }
}
