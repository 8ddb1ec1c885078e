import type { GatewayEvent, StoredEvent } from '../domain/events.ts';
import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';
import { messageOf } from '../util/message-of.ts';
import { DecisionLookUps } from './decision-look-ups.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** The maximum number of events in one commit. */
const BATCH = 256;
/**
 * The maximum number of events that may wait while the store is down. Beyond it the oldest ones are dropped, and
 * counted.
 */
const MAX_WAITING = 50_000;
const RETRY_MS = { first: 200, most: 10_000 };
/** How long to gather events that no caller waits for: a commit costs more than the events in it. */
const GATHER_MS = 10;

interface Waiting {
  event: GatewayEvent;
  /** Set for events that a caller waits for: when the store fails, they are rejected rather than retried. */
  settle: { resolve(stored: StoredEvent): void; reject(error: Error): void } | null;
}

/**
 * Writes to the event store without delaying any request. Events that arrive during a commit are written by the next
 * one, in order. While the store fails they are kept and retried.
 */
export class EventLog {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | null = null;
  /** Ends the gathering of events for the next commit. */
  #hurry: () => void = () => {};
  #failures = 0;
  /** Attempts made by the timer. Attempts triggered by ratings in between do not lengthen the timer's interval. */
  #retries = 0;
  /** Needed because every rating tries the store, and a full disk must not log a stack trace for each attempt. */
  readonly #failureThrottle: LogThrottle;
  readonly #lookUps: DecisionLookUps;
  #cancelRetry: (() => void) | null = null;
  #listeners: ((events: readonly StoredEvent[]) => void)[] = [];
  #recoveryListeners: (() => void)[] = [];

  constructor(store: EventStore, clock: Clock, metrics: Metrics, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#log = log;
    this.#failureThrottle = new LogThrottle(clock);
    this.#lookUps = new DecisionLookUps(store, clock, metrics, log);
  }

  /** True when the last commit failed. */
  get degraded(): boolean {
    return this.#failures > 0;
  }

  /** Calls the listener after every commit, with the committed events as stored in the log. */
  onCommit(listener: (events: readonly StoredEvent[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Calls the listener when the store works again after a failure. It may be a different store than before. */
  onRecovery(listener: () => void): void {
    this.#recoveryListeners.push(listener);
  }

  /** Queues the event to be appended soon. Never throws and never waits. */
  record(event: GatewayEvent): void {
    this.#waiting.push({ event, settle: null });
    if (this.#waiting.length > MAX_WAITING) {
      const kept = this.#waiting.findIndex(({ settle }) => settle === null);
      this.#waiting.splice(kept, 1);
      this.#metrics.eventsLost.inc();
    }
    if (this.#failures > 0) {
      this.#metrics.eventsWaiting.set(this.#waiting.length);
      return;
    }
    this.#startFlush();
    if (this.#waiting.length >= BATCH) this.#hurry();
  }

  /** Resolves once the event is durable; rejects when the store cannot accept it now. */
  recordDurably(event: GatewayEvent): Promise<StoredEvent> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, settle: { resolve, reject } });
      this.#startFlush();
      this.#hurry();
    });
  }

  /**
   * Returns all events of the decision that `id` names, including those not written yet (with sequence number 0).
   * @param key as in `EventStore.findDecision`
   */
  async findDecision(id: string, key: string | null = null): Promise<StoredEvent[]> {
    await this.flush();
    const waiting = this.#waiting.map(({ event }) => event);
    const named = waiting.findLast((event) => event.decisionId === id || isCompletionWithId(event, id));
    const stored = await this.#lookUps.find(named?.decisionId ?? id, key);
    const decisionId = stored[0]?.decisionId ?? named?.decisionId;
    const late = waiting.filter(
      // An event may have been written while the store was being read.
      (event) => event.decisionId === decisionId && !stored.some((other) => isSameOfDecision(event, other)),
    );
    return [...stored, ...late.map((event) => ({ ...event, sequence: 0 }) as StoredEvent)];
  }

  /** Tries once to write everything that is waiting now, but not what arrives in the meantime. Never rejects. */
  async flush(): Promise<void> {
    const commits = Number(this.#flushing !== null) + Math.ceil(this.#waiting.length / BATCH);
    for (let commit = 0; commit < commits; commit++) {
      const failuresBefore = this.#failures;
      this.#startFlush();
      this.#hurry();
      await this.#flushing;
      if (this.#failures > failuresBefore) return;
    }
  }

  /** Writes the waiting events. Does not close the store, which others may still read. */
  async close(): Promise<void> {
    await this.flush();
    // Flush twice: the last commits may have made the learner record events, and a commit under way may have failed.
    await this.flush();
    this.#cancelRetry?.();
    this.#lookUps.close();
    if (this.#waiting.length > 0) {
      this.#log.error({ events: this.#waiting.length }, 'The store did not accept the last events; they are lost.');
    }
  }

  #startFlush(): void {
    // A failed store is probed with an empty commit; otherwise it might count as broken for hours, until the next
    // event.
    if (this.#flushing || (this.#waiting.length === 0 && this.#failures === 0)) return;
    this.#cancelRetry?.();
    this.#flushing = this.#gather()
      .then(() => this.#commit(this.#waiting.splice(0, BATCH)))
      .finally(() => {
        this.#flushing = null;
        // While the store fails, a timer retries. But a caller whose event was rejected may already be trying again.
        if (this.#failures === 0 || this.#isAwaited) this.#startFlush();
      });
  }

  /** Waits a moment so that the events of one request, and of concurrent requests, share a commit. */
  #gather(): Promise<void> {
    return new Promise<void>((resolve) => {
      const cancel = this.#clock.after(GATHER_MS, resolve);
      this.#hurry = () => {
        this.#hurry = () => {};
        cancel();
        setImmediate(resolve);
      };
      if (this.#waiting.length >= BATCH || this.#isAwaited) this.#hurry();
    });
  }

  get #isAwaited(): boolean {
    return this.#waiting.some(({ settle }) => settle !== null);
  }

  async #commit(batch: Waiting[]): Promise<void> {
    let stored: StoredEvent[];
    try {
      stored = await this.#store.append(batch.map(({ event }) => event));
    } catch (error) {
      this.#failed(batch, error instanceof Error ? error : new Error(messageOf(error)));
      return;
    }
    batch.forEach(({ settle }, i) => {
      settle?.resolve(stored[i]);
    });
    this.#recovered();
    this.#metrics.eventsWaiting.set(this.#waiting.length);
    if (stored.length > 0) this.#tell(this.#listeners, stored);
  }

  /**
   * Catches errors of listeners, because they must not cause events that are already in the log to be written again.
   */
  #tell<E extends unknown[]>(listeners: readonly ((...event: E) => void)[], ...event: E): void {
    for (const listener of listeners) {
      try {
        listener(...event);
      } catch (error) {
        this.#log.error(
          { err: error },
          'A listener of the event log failed on a commit. The commit itself was written.',
        );
      }
    }
  }

  #failed(batch: Waiting[], error: Error): void {
    this.#failures++;
    this.#metrics.storeErrors.inc();
    this.#metrics.degraded('store', true);
    this.#failureThrottle.say((suppressed) =>
      this.#log.error(
        { err: error, suppressed },
        'The event store failed. Requests are served; ratings are refused until it works again: check the disk and the database.',
      ),
    );
    const all = [...batch, ...this.#waiting];
    for (const { settle } of all) settle?.reject(error);
    this.#waiting = all.filter(({ settle }) => settle === null);
    this.#metrics.eventsWaiting.set(this.#waiting.length);
    const delay = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** this.#retries);
    this.#cancelRetry?.();
    this.#cancelRetry = this.#clock.after(delay, () => {
      this.#retries++;
      this.#startFlush();
      this.#hurry();
    });
  }

  #recovered(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#retries = 0;
    // The end of each outage is logged, so the beginning of the next one must be logged too.
    this.#failureThrottle.over();
    this.#metrics.degraded('store', false);
    this.#log.info('The event store works again.');
    // After an outage the store is often a different file.
    this.#lookUps.recovered();
    this.#tell(this.#recoveryListeners);
  }
}

function isCompletionWithId(event: GatewayEvent, id: string): boolean {
  return event.type === 'completed' && event.completionId === id;
}

/**
 * Whether two events of one decision are the same. A decision has only one `decided` and one `completed` event; rating
 * events carry the rating's id.
 */
function isSameOfDecision(event: GatewayEvent, other: GatewayEvent): boolean {
  const feedbackOf = (each: GatewayEvent) => ('feedbackId' in each ? each.feedbackId : null);
  return event.type === other.type && feedbackOf(event) === feedbackOf(other);
}
