import type { GatewayEvent, StoredEvent } from '../domain/events.ts';
import type { Clock } from '../util/clock.ts';
import type { EventStore, PruneBefore, Snapshot } from './event-store.ts';

/**
 * Makes calls to a store that hangs (a stalled disk or mount) fail, so that nobody waits longer than the limit. The
 * call may still succeed later, so its outcome is unknown, as after a lost connection. While a call hangs, further ones
 * are rejected at once, because they would otherwise pile up.
 */
export class TimeLimitedStore implements EventStore {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #limitMs: number;
  #hanging = 0;

  constructor(store: EventStore, clock: Clock, limitMs: number) {
    this.#store = store;
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  append(events: readonly GatewayEvent[]): Promise<StoredEvent[]> {
    return this.#limited(() => this.#store.append(events));
  }

  readAfter(sequence: number, limit: number): Promise<StoredEvent[]> {
    return this.#limited(() => this.#store.readAfter(sequence, limit));
  }

  findDecision(id: string, key: string | null = null): Promise<StoredEvent[]> {
    return this.#limited(() => this.#store.findDecision(id, key));
  }

  lastSequence(): Promise<number> {
    return this.#limited(() => this.#store.lastSequence());
  }

  prune(before: PruneBefore, limit: number): Promise<number> {
    return this.#limited(() => this.#store.prune(before, limit));
  }

  saveSnapshot(name: string, snapshot: Snapshot): Promise<void> {
    return this.#limited(() => this.#store.saveSnapshot(name, snapshot));
  }

  loadSnapshot(name: string): Promise<Snapshot | null> {
    return this.#limited(() => this.#store.loadSnapshot(name));
  }

  /** Rejects when the store does not close in time; whatever holds it up is then left to the operating system. */
  close(): Promise<void> {
    return this.#limited(() => this.#store.close());
  }

  #limited<T>(call: () => Promise<T>): Promise<T> {
    if (this.#hanging > 0) return Promise.reject(new Error('The event store has not answered an earlier call yet.'));
    return new Promise<T>((resolve, reject) => {
      let late = false;
      const cancel = this.#clock.after(this.#limitMs, () => {
        late = true;
        this.#hanging++;
        reject(new Error(`The event store did not answer within ${this.#limitMs / 1000} s.`));
      });
      // Called within the chain, because a call that throws before it returns a promise must not leave the timer
      // running.
      Promise.resolve()
        .then(call)
        .then(resolve, reject)
        .finally(() => {
          cancel();
          if (late) this.#hanging--;
        });
    });
  }
}
