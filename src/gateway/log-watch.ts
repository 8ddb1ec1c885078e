import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';

/** Ratings written by another process are learned at most this late, for one short query each time. */
const EVERY_MS = 1000;

export interface LogWatchParts {
  store: Pick<EventStore, 'lastSequence'>;
  clock: Clock;
  /** Number of the last event that was learned from. */
  learnedUpTo(): number;
  /** Told of the log's last number when it is beyond that. */
  onMore(lastSequence: number): void;
}

/**
 * Looks every second whether other processes have written to the log. What this one writes wakes the learner at once,
 * and what others wrote before it is read with it; but a gateway that has nothing to write would never hear of it.
 */
export class LogWatch {
  readonly #parts: LogWatchParts;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(parts: LogWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    if (!this.#stopped) this.#cancel = this.#parts.clock.after(EVERY_MS, () => void this.#look());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    const { store, learnedUpTo, onMore } = this.#parts;
    try {
      const last = await store.lastSequence();
      if (!this.#stopped && last > learnedUpTo()) onMore(last);
    } catch {
      // Whoever needs the store finds out, and says so. A look less does no harm.
    }
    this.start();
  }
}
