import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';

/** The longest delay with which ratings written by another process are learned; each check costs one short query. */
const EVERY_MS = 1000;

export interface LogWatchParts {
  store: Pick<EventStore, 'lastSequence'>;
  clock: Clock;
  /** Returns the sequence number of the last event learned. */
  learnedUpTo(): number;
  /** Called with the log's last sequence number when that is higher. */
  onMore(lastSequence: number): void;
}

/**
 * Checks every second whether other processes have written to the log. Events written by this process wake the learner
 * at once, and earlier events of other processes are read along with them; but without this check, a gateway that
 * writes nothing would never notice the others' events.
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
      // Whoever needs the store will notice and report the failure. Missing one check does no harm.
    }
    this.start();
  }
}
