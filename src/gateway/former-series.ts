import type { Clock } from '../util/clock.ts';
import type { Metrics, SeriesSubject } from './metrics.ts';

/** Long enough for Prometheus to have scraped the last values of a model or key. */
const KEPT_MS = 15 * 60_000;

/**
 * Removes the metric series of models and keys some time after they are gone. Otherwise a process that runs for months
 * with a config that changes daily would keep reporting every model and key that ever existed.
 */
export class FormerSeries {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #present: Record<SeriesSubject, Set<string>> = { model: new Set(), key: new Set() };
  /** When each of them was removed (monotonic time). */
  readonly #gone: Record<SeriesSubject, Map<string, number>> = { model: new Map(), key: new Map() };
  #isWaiting = false;

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Must be called after every change, with all names that exist now. */
  present(kind: SeriesSubject, names: readonly string[]): void {
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

  #remove(kind: SeriesSubject): void {
    const until = this.#clock.monotonic() - KEPT_MS;
    const [present, gone] = [this.#present[kind], this.#gone[kind]];
    for (const [name, since] of gone) if (since <= until) gone.delete(name);
    // Includes names removed earlier, because a late event may have recreated their series. The empty name is kept: it
    // stands for requests without a key.
    void this.#metrics.forget(kind, (name) => name !== '' && !present.has(name) && !gone.has(name));
  }
}
