import type { Config } from '../config/schema.ts';
import type { Featurizer } from '../features/featurizer.ts';
import { EventLog } from '../gateway/event-log.ts';
import { Learner } from '../gateway/learning/learner.ts';
import { LogWatch } from '../gateway/log-watch.ts';
import type { Logger } from '../gateway/logger.ts';
import type { Metrics } from '../gateway/metrics.ts';
import { Retention } from '../gateway/retention.ts';
import { type EventStore, NewerSchemaError } from '../store/event-store.ts';
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
  /** In place of the one that the config names. */
  store?: EventStore;
}

/** Longer than SQLite waits for another process's lock; a rating is refused (503) after it. */
const STORE_LIMIT_MS = 10_000;
/** Requests wait no longer for a log to be read. */
const START_MS = 120_000;

/** What is written down and what is learned from it: the event log on its store, and all that follow the log. */
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
      // Without the limit: nobody waits for a look, and one that takes long must not have ratings refused.
      store,
      clock,
      learnedUpTo: () => this.learner.knowledge.sequence,
      onMore: (lastSequence) => this.learner.wake(lastSequence),
    });
    this.#retention = this.#retentionOf(config);
  }

  /**
   * Reads the log, as far as that goes before requests have waited long enough; then follows it.
   * @throws StartError for a log of a newer version: to serve without it would forget budgets and retired models for good
   */
  async start(): Promise<void> {
    await this.#read();
    this.#logWatch.start();
    this.#retention?.start();
  }

  /** Looks no more at what others write, and deletes nothing more. */
  stopFollowing(): void {
    this.#logWatch.stop();
    this.#retention?.stop();
  }

  /** Writes everything down. */
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
        'The event log is long: routing starts on what has been read of it, and the rest is learned meanwhile. storage.keep_days keeps a log short.',
      );
      void reading.then(
        () => metrics.degraded('learner', false),
        () => {},
      );
    } catch (error) {
      if (error instanceof NewerSchemaError) {
        const message = `The event log cannot be read: ${error.message}. Start that version again, or name another file in storage.url.`;
        throw new StartError(message);
      }
      log.error(
        { err: error },
        'The event log cannot be read: routing starts on the priors alone. Check the disk and the database.',
      );
    }
    metrics.degraded('learner', true);
  }

  #retentionOf({ storage }: Config): Retention | null {
    if (storage.keep_days === undefined) return null;
    const { clock, metrics, log } = this.#parts;
    return new Retention({
      ...{ store: this.store, clock, metrics, log, keepDays: storage.keep_days },
      savedUpTo: () => this.learner.savedUpTo,
      newestAt: () => this.learner.knowledge.lastFolded?.time ?? null,
    });
  }
}
