import type { Clock } from './clock.ts';

const A_MINUTE_MS = 60_000;

/** For what every request would have the log say while a part fails: the first time is said, then one in a while. */
export class AtMostEvery {
  readonly #clock: Clock;
  readonly #milliseconds: number;
  #saidAt = Number.NEGATIVE_INFINITY;
  #unsaid = 0;

  constructor(clock: Clock, milliseconds = A_MINUTE_MS) {
    this.#clock = clock;
    this.#milliseconds = milliseconds;
  }

  /** Calls `say` unless it was called within that time. `unsaid`: how many times since then it was not. */
  say(say: (unsaid: number) => void): void {
    const now = this.#clock.monotonic();
    if (now - this.#saidAt < this.#milliseconds) {
      this.#unsaid++;
      return;
    }
    const unsaid = this.#unsaid;
    this.#saidAt = now;
    this.#unsaid = 0;
    say(unsaid);
  }

  /** What was failing works again: the next failure is said at once. */
  over(): void {
    this.#saidAt = Number.NEGATIVE_INFINITY;
    this.#unsaid = 0;
  }
}
