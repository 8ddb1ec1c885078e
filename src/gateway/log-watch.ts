import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';

/** Ratings written by another process are learned at most this late, at the cost of one short query each time. */
const EVERY_MS = 1000;

export interface LogWatchParts {
  store: Pick<EventStore, 'lastSequence'>;
  clock: Clock;
  /** Sequence number of the last event that was learned from. */
  learnedUpTo(): number;
  /** Called with the log's last sequence number when that is higher. */
  onMore(lastSequence: number): void;
}

/**
 * Checks every second whether other processes have written to the log. What this process writes wakes the learner at
 * once, and earlier events of others are read with it; but a gateway that writes nothing would never notice theirs.
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
