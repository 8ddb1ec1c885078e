import type { EventStore } from '../../store/event-store.ts';
import type { Clock } from '../../util/clock.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { Folding } from './folding.ts';
import type { LogTail, PlaceInLog } from './log-tail.ts';

const RETRY_MS = 1000;
const AT_MOST_EVERY_MS = 60_000;

/** What `Refolding` needs from the learner whose state it replaces. */
export interface Refolded {
  /** True once the state may no longer be replaced. */
  isClosed(): boolean;
  /** The last event folded into the state in use; null before the first. */
  lastFolded(): PlaceInLog | null;
  /** Folds the whole log into a new state while the old one stays in use. Rejects when the store cannot be read. */
  foldAnew(): Promise<Folding>;
  /** Makes the folding's state the one in use. */
  replaceBy(folding: Folding): void;
  /**
   * Drops everything that refers to places in the log, because the log has been replaced.
   * @param lastSequence last sequence number of the new log
   */
  logWasReplaced(lastSequence: number): void;
  /** Notes that the log is the same, and may have grown up to that number. */
  wake(lastSequence: number): void;
}

interface RefoldingOptions {
  store: EventStore;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
}

/** Rebuilds the learner when its state cannot be used, or comes from a log other than the current one. */
export class Refolding {
  readonly #options: RefoldingOptions;
  readonly #tail: LogTail;
  readonly #learner: Refolded;
  /** True while the state in use must be replaced and has not been yet. */
  #due = false;
  #begunAt = Number.NEGATIVE_INFINITY;
  #begun = 0;
  /** The last event folded when the store failed, until it is known whether the log still contains it. */
  #unchecked: PlaceInLog | null = null;

  constructor(options: RefoldingOptions, tail: LogTail, learner: Refolded) {
    this.#options = options;
    this.#tail = tail;
    this.#learner = learner;
  }

  /** True while the state in use must be replaced and has not been yet. */
  get isDue(): boolean {
    return this.#due;
  }

  /** False while the state may come from a log other than the one that it would be saved in. */
  get mayBeSaved(): boolean {
    return !this.#due && this.#unchecked === null;
  }

  /** Called when the state in use could not make a decision. Folds the whole log anew, at most once a minute. */
  async requestRefold(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now - this.#begunAt < AT_MOST_EVERY_MS || this.#learner.isClosed()) return;
    this.#begunAt = now;
    await this.#refold();
  }

  /** Called after the store was unavailable: an operator may have put an older or an empty log in its place. */
  async compareWithLog(): Promise<void> {
    if (this.#learner.isClosed()) return;
    // Read this before any event of the other log is folded.
    const known = this.#unchecked ?? this.#learner.lastFolded();
    this.#unchecked = known;
    // Events that wait to be folded may come from either log, so they must be read back instead.
    this.#tail.forgetFresh();
    try {
      const last = await this.#options.store.lastSequence();
      const isSame = last >= (known?.sequence ?? 0) && (known === null || (await this.#tail.holds(known)));
      this.#unchecked = null;
      if (isSame) return this.#learner.wake(last);
      this.#options.log.warn('The event log is a different one than before: the learner is rebuilt from it.');
      this.#learner.logWasReplaced(last);
      await this.#refold();
    } catch (error) {
      this.#options.log.error(
        { err: error },
        'The event log could not be compared with what was learned; the comparison is retried.',
      );
      this.#options.clock.after(RETRY_MS, () => void (this.#unchecked && this.compareWithLog()));
    }
  }

  async #refold(): Promise<void> {
    if (this.#learner.isClosed()) return;
    this.#due = true;
    this.#options.metrics.degraded('learner', true);
    const refold = ++this.#begun;
    try {
      const folding = await this.#learner.foldAnew();
      // The log was replaced in the meantime, so what was read mixes two logs.
      if (refold !== this.#begun) return;
      this.#due = false;
      this.#learner.replaceBy(folding);
      this.#options.metrics.degraded('learner', false);
      this.#options.log.info('The learner was rebuilt from the event log.');
    } catch (error) {
      this.#options.log.error({ err: error }, 'The learner could not be rebuilt; the next attempt is in a minute.');
      this.#options.clock.after(AT_MOST_EVERY_MS, () => void (refold === this.#begun && this.#refold()));
    }
  }
}
