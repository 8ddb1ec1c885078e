import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';
import { DAY_MS } from '../util/utc-day.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

const EVERY_MS = 3_600_000;
/** Not at once: a gateway that is just starting has better things to do. */
const FIRST_AFTER_MS = 60_000;
/** Some milliseconds of the store's time, after which what waits for it has its turn. */
const DECISIONS_AT_ONCE = 200;
const PAUSE_MS = 50;

export interface RetentionParts {
  store: Pick<EventStore, 'prune'>;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Decisions are kept for so many days after the last thing that happened to them. */
  keepDays: number;
  /** What is above this number is not in the learner's snapshot yet: it stays, however old. */
  savedUpTo(): number;
  /** Time of the newest event in the log; null when it is empty. */
  newestAt(): number | null;
}

/**
 * Deletes old decisions from the event log, every hour. What they taught is in the snapshot, and stays; a learner that
 * is folded anew has only what the log still holds.
 */
export class Retention {
  readonly #parts: RetentionParts;
  #cancel: () => void = () => {};
  #stopped = false;
  /** Both clocks when the last round began; null before the first. */
  #lastRound: { at: number; monotonic: number } | null = null;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#after(FIRST_AFTER_MS, () => this.#begin());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #after(milliseconds: number, work: () => Promise<void>): void {
    if (!this.#stopped) this.#cancel = this.#parts.clock.after(milliseconds, () => void work());
  }

  async #begin(): Promise<void> {
    const now = this.#now();
    if (now === null) this.#after(EVERY_MS, () => this.#begin());
    else await this.#prune(now - this.#parts.keepDays * DAY_MS, 0);
  }

  /** @param time what is older goes @param before events of this round that are gone */
  async #prune(time: number, before: number): Promise<void> {
    const { store, metrics, log, keepDays, savedUpTo } = this.#parts;
    try {
      const deleted = await store.prune({ time, sequence: savedUpTo() }, DECISIONS_AT_ONCE);
      metrics.eventsPruned.inc(deleted);
      if (deleted > 0) return this.#after(PAUSE_MS, () => this.#prune(time, before + deleted));
      if (before > 0) log.info({ events: before }, `Events of decisions older than ${keepDays} days were deleted.`);
    } catch (error) {
      log.warn({ err: error }, 'Old events could not be deleted from the event log; it is tried again in an hour.');
    }
    this.#after(EVERY_MS, () => this.#begin());
  }

  /**
   * Deletion cannot be undone, so a wall clock that jumped ahead is trusted only if it is still ahead one round later. One
   * that was ahead at the start has not jumped: there the log's own time is believed at first. Null: nothing was read yet.
   */
  #now(): number | null {
    const { clock, newestAt } = this.#parts;
    const last = this.#lastRound;
    const newest = newestAt();
    if (newest === null) return null;
    this.#lastRound = { at: clock.now(), monotonic: clock.monotonic() };
    return Math.min(clock.now(), last ? last.at + this.#lastRound.monotonic - last.monotonic : newest);
  }
}
