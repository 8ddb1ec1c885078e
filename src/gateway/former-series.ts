import type { Clock } from '../util/clock.ts';
import type { Metrics, NamedIn } from './metrics.ts';

/** Long enough for Prometheus to have read the last of what a model or key did. */
const KEPT_MS = 15 * 60_000;

/**
 * Removes the metric series of models and keys that are gone for a while: a process that lives for months beside a
 * config that is changed every day would otherwise report all that ever were.
 */
export class FormerSeries {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #present: Record<NamedIn, Set<string>> = { model: new Set(), key: new Set() };
  /** Monotonic time since which they are gone. */
  readonly #gone: Record<NamedIn, Map<string, number>> = { model: new Map(), key: new Map() };
  #isWaiting = false;

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** To be called with every change: these are all there are now. */
  present(kind: NamedIn, names: readonly string[]): void {
    const now = new Set(names);
    for (const name of this.#present[kind]) if (!now.has(name)) this.#gone[kind].set(name, this.#clock.monotonic());
    for (const name of now) this.#gone[kind].delete(name);
    this.#present[kind] = now;
    this.#wait();
  }

  #wait(): void {
    if (this.#isWaiting || this.#gone.model.size + this.#gone.key.size === 0) return;
    this.#isWaiting = true;
    const earliest = Math.min(...this.#gone.model.values(), ...this.#gone.key.values());
    this.#clock.after(earliest + KEPT_MS - this.#clock.monotonic(), () => {
      this.#isWaiting = false;
      for (const kind of ['model', 'key'] as const) this.#remove(kind);
      this.#wait();
    });
  }

  #remove(kind: NamedIn): void {
    const until = this.#clock.monotonic() - KEPT_MS;
    const [present, gone] = [this.#present[kind], this.#gone[kind]];
    for (const [name, since] of gone) if (since <= until) gone.delete(name);
    // Names removed earlier are included, in case something late has begun their series again. The empty name stands
    // for requests without a key: it stays.
    void this.#metrics.forget(kind, (name) => name !== '' && !present.has(name) && !gone.has(name));
  }
}
