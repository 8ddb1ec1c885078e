import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';
import { DAY_MS } from '../util/utc-day.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

const EVERY_MS = 3_600_000;
/** The first round waits, because a gateway that has only just started has more urgent work. */
const FIRST_AFTER_MS = 60_000;
/** Deleting this many takes the store some milliseconds, after which other calls to it get their turn. */
const DECISIONS_AT_ONCE = 40;
const PAUSE_MS = 50;

export interface RetentionParts {
  store: Pick<EventStore, 'prune'>;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Days that a decision is kept after the last event about it. */
  keepDays: number;
  /** Saves a snapshot of what the learner knows, unless the last one holds all of it. */
  save(): Promise<void>;
  /** Returns the last sequence number in the learner's snapshot. Later events are kept, however old. */
  savedUpTo(): number;
  /** Returns the time of the newest event in the log; null when the log is empty. */
  newestAt(): number | null;
}

/**
 * Deletes old decisions from the event log, every hour. What they taught stays in the snapshot, but a learner that is
 * rebuilt has only what the log still holds.
 */
export class Retention {
  readonly #parts: RetentionParts;
  #cancel: () => void = () => {};
  #stopped = false;
  /** Time of the newest event that was in the log before this process wrote any; null when there was none. */
  #newestAtStart: number | null = null;
  /** Both clocks at the start of the last round; null before the first. */
  #lastRound: { at: number; monotonic: number } | null = null;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#newestAtStart = this.#parts.newestAt();
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

  /**
   * @param time everything older is deleted
   * @param before number of events that this round has deleted so far
   */
  async #prune(time: number, before: number): Promise<void> {
    const { store, metrics, log, keepDays, save, savedUpTo } = this.#parts;
    try {
      // Snapshots are otherwise saved after so many events: with little traffic, decisions would be kept for months more.
      if (before === 0) await save();
      const deleted = await store.prune(
        { time, sequence: savedUpTo(), now: time + keepDays * DAY_MS },
        DECISIONS_AT_ONCE,
      );
      metrics.eventsPruned.inc(deleted);
      if (deleted > 0) return this.#after(PAUSE_MS, () => this.#prune(time, before + deleted));
      if (before > 0) log.info({ events: before }, `Events of decisions older than ${keepDays} days were deleted.`);
    } catch (error) {
      log.warn({ err: error }, 'Old events could not be deleted from the event log; the next attempt is in an hour.');
    }
    this.#after(EVERY_MS, () => this.#begin());
  }

  /**
   * The time that ages are counted from; null while nothing has been read yet, or no time can be trusted. Deletion
   * cannot be undone, so a wall clock that jumped ahead is trusted only if it is still ahead one round later. A clock
   * that was ahead from the start shows no jump, so in the first round no time later than the newest event that the
   * start found is trusted: events written since then have their times from the same clock.
   */
  #now(): number | null {
    const { clock, newestAt } = this.#parts;
    const last = this.#lastRound;
    if (newestAt() === null) return null;
    this.#lastRound = { at: clock.now(), monotonic: clock.monotonic() };
    const trusted = last ? last.at + this.#lastRound.monotonic - last.monotonic : this.#newestAtStart;
    return trusted === null ? null : Math.min(clock.now(), trusted);
  }
}
