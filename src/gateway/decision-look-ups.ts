import type { StoredEvent } from '../domain/events.ts';
import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

const RETRY_MS = 10_000;

/** Looks decisions up in the event store, and tells the operator when the store cannot be read. */
export class DecisionLookUps {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #throttle: LogThrottle;
  #cancelRetry: (() => void) | null = null;
  #closed = false;

  constructor(store: EventStore, clock: Clock, metrics: Metrics, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#log = log;
    this.#throttle = new LogThrottle(clock);
  }

  /**
   * Returns all events of the decision that `id` names.
   * @throws Error when the store cannot be read
   */
  async find(id: string, key: string | null): Promise<StoredEvent[]> {
    try {
      const events = await this.#store.findDecision(id, key);
      this.recovered();
      return events;
    } catch (error) {
      this.#failed(error, id);
      throw error;
    }
  }

  /**
   * Assumes that the store works again, whatever failed before. The next look-up shows whether it really can be read.
   */
  recovered(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#metrics.degraded('store', false, 'read');
    this.#throttle.over();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
  }

  #failed(error: unknown, id: string): void {
    this.#metrics.storeErrors.inc();
    this.#metrics.degraded('store', true, 'read');
    this.#throttle.say((suppressed) =>
      this.#log.error(
        { err: error, suppressed },
        'The event store cannot be read. Requests are served; decisions cannot be shown or rated until it works again: check the disk and the database.',
      ),
    );
    this.#cancelRetry?.();
    if (this.#closed) return;
    // Without a retry the store would be reported as broken until the next look-up, perhaps for days.
    this.#cancelRetry = this.#clock.after(RETRY_MS, () => void this.find(id, null).catch(() => {}));
  }
}
