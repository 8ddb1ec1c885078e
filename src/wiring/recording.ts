import type { Config } from '../config/schema.ts';
import type { Featurizer } from '../features/featurizer.ts';
import { EventLog } from '../gateway/event-log.ts';
import { Learner } from '../gateway/learning/learner.ts';
import { LogWatch } from '../gateway/log-watch.ts';
import type { Logger } from '../gateway/logger.ts';
import type { Metrics } from '../gateway/metrics.ts';
import { Retention } from '../gateway/retention.ts';
import { type EventStore, UnusableStorageError } from '../store/event-store.ts';
import { SqliteEventStore } from '../store/sqlite/sqlite-event-store.ts';
import { TimeLimitedStore } from '../store/time-limited-store.ts';
import { type Clock, isDoneWithin } from '../util/clock.ts';
import { closeInOrder } from '../util/close-in-order.ts';
import { databasePath } from './event-reader.ts';
import { openWarmStart } from './features.ts';
import { StartError } from './start-error.ts';

export interface RecordingParts {
  featurizer: Featurizer;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Used instead of the store that the config names. */
  store?: EventStore;
}

/** Longer than SQLite waits for another process's lock. After this time a rating is refused (503). */
const STORE_LIMIT_MS = 10_000;
/**
 * The port opens after this time even if the log has not been read to its end. It is long because, until then, it is
 * unknown which models were retired and what was spent of budgets in the unread part.
 */
const START_MS = 600_000;

/** Records events and learns from them: the event log on its store, and everything that follows the log. */
export class Recording {
  readonly store: EventStore;
  readonly eventLog: EventLog;
  readonly learner: Learner;
  readonly #logWatch: LogWatch;
  readonly #retention: Retention | null;
  readonly #parts: RecordingParts;

  constructor(config: Config, parts: RecordingParts) {
    const { clock, metrics, log, featurizer } = parts;
    this.#parts = parts;
    const store = parts.store ?? new SqliteEventStore(databasePath(config));
    this.store = new TimeLimitedStore(store, clock, STORE_LIMIT_MS);
    this.eventLog = new EventLog(this.store, clock, metrics, log);
    this.learner = new Learner({
      clock,
      metrics,
      log,
      featureMap: featurizer.featureMap,
      dimensions: featurizer.dimensions,
      store: this.store,
      warmStart: openWarmStart(config, featurizer),
      record: (event) => this.eventLog.record(event),
    });
    this.eventLog.onCommit((events) => this.learner.written(events));
    this.eventLog.onRecovery(() => this.learner.compareWithLog());
    this.#logWatch = new LogWatch({
      // Without the time limit, because nobody waits for this check, and a slow one must not cause ratings to be
      // refused.
      store,
      clock,
      learnedUpTo: () => this.learner.knowledge.sequence,
      onMore: (lastSequence) => this.learner.wake(lastSequence),
    });
    this.#retention = this.#retentionOf(config);
  }

  /**
   * Reads the log until requests have waited long enough (`START_MS`), then follows it.
   * @throws StartError for a log written by a newer version or by another application: serving without it would
   * permanently forget budgets and retired models
   */
  async start(): Promise<void> {
    await this.#read();
    this.#logWatch.start();
    this.#retention?.start();
  }

  /** Stops watching what other processes write, and stops deleting old events. */
  stopFollowing(): void {
    this.#logWatch.stop();
    this.#retention?.stop();
  }

  /** Writes out everything, then closes the store. */
  async close(): Promise<void> {
    await closeInOrder(
      () => this.eventLog.close(),
      () => this.learner.close(),
      () =>
        this.store
          .close()
          .catch((error: unknown) => this.#parts.log.error({ err: error }, 'The event store did not close.')),
    );
  }

  async #read(): Promise<void> {
    const { clock, metrics, log } = this.#parts;
    const reading = this.learner.start();
    try {
      if (await isDoneWithin(clock, START_MS, reading)) return;
      log.warn(
        { toRead: this.learner.lag },
        'The event log is long: routing starts with the part that has been read, and the rest is learned meanwhile. storage.keep_days keeps a log short.',
      );
      void reading.then(
        () => metrics.degraded('learner', false),
        () => {},
      );
    } catch (error) {
      if (error instanceof UnusableStorageError) {
        throw new StartError(`The event log cannot be used: ${error.message}`);
      }
      log.error(
        { err: error },
        'The event log cannot be read: routing starts from the priors alone. Check the disk and the database.',
      );
    }
    metrics.degraded('learner', true);
  }

  #retentionOf({ storage }: Config): Retention | null {
    if (storage.keep_days === undefined) return null;
    const { clock, metrics, log } = this.#parts;
    return new Retention({
      ...{ store: this.store, clock, metrics, log, keepDays: storage.keep_days },
      save: () => this.learner.save(),
      savedUpTo: () => this.learner.savedUpTo,
      newestAt: () => this.learner.knowledge.lastFolded?.time ?? null,
    });
  }
}
