import type { LinearPolicy } from '../../bandit/linear-policy.ts';
import type { GatewayEvent, StoredEvent } from '../../domain/events.ts';
import type { EventStore } from '../../store/event-store.ts';
import { type Clock, isDoneWithin } from '../../util/clock.ts';
import { LogThrottle } from '../../util/log-throttle.ts';
import { OneAtATime } from '../../util/one-at-a-time.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { Folding } from './folding.ts';
import { FoldingReport } from './folding-report.ts';
import { type DriftPolicy, LearnerEvents, type OfferedArms } from './learner-events.ts';
import { LearnerState } from './learner-state.ts';
import { LogTail } from './log-tail.ts';
import { Refolding } from './refolding.ts';
import { Snapshots } from './snapshots.ts';
import type { WarmStartFile } from './warm-start-file.ts';

const RETRY_MS = 1000;
/** When the learner closes, it still learns the remaining events if there are no more than this. */
const MAX_EVENTS_AT_END = 2000;
/** How often the learner logs its progress and saves a snapshot while it reads a long log. */
const PROGRESS_EVERY_MS = 5000;

export interface LearnerOptions {
  featureMap: string;
  dimensions: number;
  store: EventStore;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Writes to the log that the learner tails. */
  record(event: GatewayEvent): void;
  /** What is known before the first event of the log. */
  warmStart?: WarmStartFile | null;
}

/** Tails the event log and keeps the routing knowledge up to date, without ever delaying a request. */
export class Learner {
  readonly #options: LearnerOptions;
  #warmStart: WarmStartFile | null;
  /** The state that routing uses. */
  #live: Folding;
  #priors: Parameters<LinearPolicy['setPriorQualities']> = [new Map()];
  readonly #ownEvents: LearnerEvents;
  readonly #tail: LogTail;
  /** Nothing is folded before the snapshot has been read: the log may have lost events that the snapshot contains. */
  #snapshotWasRead = false;
  /** Launches wait for this, because every arm looks new until the log has been read. */
  #logWasRead = false;
  #newestSequence = 0;
  readonly #reading = new OneAtATime(() => this.#readAndSay());
  #closing = false;
  #closed = false;
  readonly #snapshots: Snapshots;
  readonly #refolding: Refolding;
  readonly #failures: LogThrottle;
  readonly #report: FoldingReport;
  #listeners: ((event: StoredEvent) => void)[] = [];
  readonly #replacedListeners: (() => void)[] = [];

  constructor(options: LearnerOptions) {
    this.#options = options;
    this.#warmStart = options.warmStart ?? null;
    this.#ownEvents = new LearnerEvents(options);
    this.#tail = new LogTail(options.store);
    this.#snapshots = new Snapshots(options);
    this.#failures = new LogThrottle(options.clock);
    this.#report = new FoldingReport(options);
    this.#live = this.#fresh();
    this.#refolding = this.#refoldingOf();
  }

  /**
   * The live state, which callers may read but must never change. The reservations in `routingSpend` for running
   * requests, and in `launches` for tries that are not folded yet, belong to this process and are not part of the state.
   */
  get knowledge(): LearnerState {
    return this.#live.state;
  }

  /** Calls the listener with every event once its effects are in `knowledge`. */
  onFold(listener: (event: StoredEvent) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Calls the listener when `knowledge` was read from a snapshot or rebuilt, so that `onFold` did not report its
   * events.
   */
  onReplaced(listener: () => void): void {
    this.#replacedListeners.push(listener);
  }

  /** The number of events in the log that have not been learned yet. */
  get lag(): number {
    return Math.max(0, this.#newestSequence - this.knowledge.sequence);
  }

  /** Sequence number of the last event that a restart would not have to read from the log. */
  get savedUpTo(): number {
    return this.#snapshots.savedUpTo;
  }

  /** Saves what is not in the last snapshot, unless it may come from another log. */
  async save(): Promise<void> {
    if (!this.#closed && this.#refolding.mayBeSaved) await this.#snapshots.saveLast(this.knowledge);
  }

  /** Sets the priors of the current config, in the form that the policy takes. */
  setPriors(...priors: Parameters<LinearPolicy['setPriorQualities']>): void {
    this.#priors = priors;
    this.#configure(this.knowledge);
  }

  /** Sets the drift policy of the current config. */
  setDrift(drift: DriftPolicy | null): void {
    this.#ownEvents.drift = drift;
    this.#configure(this.knowledge);
  }

  /**
   * Sets how much of an arm's state remains when its upstream model changes, from the current config.
   * @param remains in (0, 1]
   */
  setVersionRemains(remains: number): void {
    this.#ownEvents.versionRemains = remains;
  }

  /**
   * Once the log has been read: launches offered arms that are new when others are already known, and tempers those
   * whose upstream model has changed.
   */
  introduce(offered: OfferedArms): void {
    this.#ownEvents.offer(offered);
    if (this.#logWasRead) this.#ownEvents.ofModels(this.knowledge);
  }

  /** Reads the snapshot, then the rest of the log. Rejects when the store cannot be read, and retries on its own. */
  start(): Promise<void> {
    this.#snapshots.begin();
    const reading = this.#read();
    // The caller may stop waiting before this ends. No other reading may begin before then, or events would count
    // twice.
    this.#reading.occupy(reading.catch(() => void this.#options.clock.after(RETRY_MS, () => this.#run())));
    return reading;
  }

  async #read(): Promise<void> {
    if (this.#snapshotWasRead) return this.#catchUp(this.#live);
    await this.#readSnapshot();
    await this.#catchUp(this.#live);
    this.#report.carriedOver(this.knowledge);
  }

  async #readSnapshot(): Promise<void> {
    await this.#refuseOwnDecisions();
    this.#newestSequence = Math.max(this.#newestSequence, await this.#options.store.lastSequence());
    if (!(await this.#snapshots.load(this.knowledge))) this.#live = this.#freshBeside(this.knowledge);
    this.#snapshotWasRead = true;
    this.knowledge.routingSpend.bookedUpTo(this.knowledge.lastFolded?.time ?? 0);
    // Listeners may set other priors because of the admins' changes that the snapshot contains.
    for (const listener of this.#replacedListeners) listener();
    this.#configure(this.knowledge);
  }

  /**
   * Notes that these events are now in the log, perhaps with events of other processes in between.
   * @param events at least one
   */
  written(events: readonly StoredEvent[]): void {
    this.#tail.written(events);
    // The maximum, not the last: a rating that was already there is returned with its old number.
    this.wake(Math.max(...events.map(({ sequence }) => sequence)));
  }

  /** Notes that the log has new events, up to this sequence number. */
  wake(lastSequence: number): void {
    this.#newestSequence = Math.max(this.#newestSequence, lastSequence);
    this.#options.metrics.learnerLag.set(this.lag);
    this.#run();
  }

  /** Resolves once the event with that number has been learned, or after `withinMs`, whichever comes first. */
  async learned(sequence: number, withinMs: number): Promise<void> {
    let late = false;
    const reached = async () => {
      while (this.knowledge.sequence < sequence && this.#reading.running && !late) await this.#reading.running;
    };
    await isDoneWithin(this.#options.clock, withinMs, reached());
    late = true;
  }

  /** Resolves when everything that was in the log at the time of the call has been learned. */
  async idle(): Promise<void> {
    await this.#reading.idle();
  }

  /**
   * Called when the live state could not make a decision. Rebuilds the state from the whole log, at most once a minute,
   * while the old one stays in use.
   */
  requestRefold(): Promise<void> {
    return this.#refolding.requestRefold();
  }

  /** Called after the store was unavailable: an operator may have put an older or an empty log in its place. */
  compareWithLog(): Promise<void> {
    return this.#refolding.compareWithLog();
  }

  #refoldingOf(): Refolding {
    return new Refolding(this.#options, this.#tail, {
      isClosed: () => this.#closed,
      lastFolded: () => this.knowledge.lastFolded,
      foldAnew: () => this.#foldAnew(),
      replaceBy: (folding) => this.#replaceBy(folding),
      logWasReplaced: (lastSequence) => {
        this.#newestSequence = lastSequence;
        this.#ownEvents.forget();
      },
      wake: (lastSequence) => this.wake(lastSequence),
    });
  }

  async #foldAnew(): Promise<Folding> {
    const folding = this.#freshBeside(this.knowledge);
    await this.#catchUp(folding);
    await this.idle();
    return folding;
  }

  #replaceBy(folding: Folding): void {
    // The config may have changed while the log was being read.
    this.#configure(folding.state);
    this.#live = folding;
    // The saved snapshot comes from the replaced state, perhaps from another log.
    this.#snapshots.forget();
    for (const listener of this.#replacedListeners) listener();
    this.#run();
    this.#report.carriedOver(this.knowledge);
  }

  /** Stops learning. The rest of a long log is left to the next start, because shutdown should not wait for it. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.idle();
    this.#closed = true;
    if (this.#refolding.mayBeSaved) await this.#snapshots.saveLast(this.knowledge);
  }

  /** Returns a folding at the beginning of the log. */
  #fresh(): Folding {
    const state = new LearnerState(this.#options.featureMap, this.#options.dimensions, this.#warmStart);
    this.#configure(state);
    return new Folding(state, { ...this.#options, tail: this.#tail });
  }

  /** Applies the config's settings to a state. */
  #configure(state: LearnerState): void {
    state.policy.setPriorQualities(...this.#priors);
    state.driftOptions = this.#ownEvents.drift;
  }

  /** Like `#fresh`, but for a state that will replace another while requests continue. */
  #freshBeside(state: LearnerState): Folding {
    const folding = this.#fresh();
    folding.state.routingSpend.shareUnlogged(state.routingSpend);
    folding.state.launches.shareUnfolded(state.launches);
    return folding;
  }

  #run(): void {
    if (!this.#closed) this.#reading.ask();
  }

  async #readAndSay(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#read();
      this.#failures.over();
      if (!this.#refolding.isDue) this.#options.metrics.degraded('learner', false);
    } catch (error) {
      this.#options.metrics.degraded('learner', true);
      this.#failures.say(() =>
        this.#options.log.error({ err: error }, 'The learner cannot read the event log; it retries every second.'),
      );
      this.#options.clock.after(RETRY_MS, () => this.#run());
    }
  }

  async #catchUp(folding: Folding): Promise<void> {
    const { clock } = this.#options;
    const isLive = () => folding === this.#live;
    const { state } = folding;
    let read = 0;
    let saidAt = clock.monotonic();
    for (;;) {
      const events = await this.#next(folding);
      if (clock.monotonic() - saidAt >= PROGRESS_EVERY_MS) {
        saidAt = clock.monotonic();
        const toRead = Math.max(0, this.#newestSequence - state.sequence);
        this.#options.log.info({ read, toRead }, 'The event log is being read.');
      }
      read += events.length;
      await folding.takeIn(events, isLive() && this.#logWasRead, (event) => isLive() && this.#tell(event));
      this.#options.metrics.learnerLag.set(this.lag);
      if (events.length === 0) break;
      if (this.#closing && this.lag > MAX_EVENTS_AT_END) return;
      // A platform may kill a gateway that takes long to start; the next start then continues from this snapshot.
      if (isLive() && !this.#logWasRead) await this.#snapshots.saveWhenDue(state, PROGRESS_EVERY_MS);
    }
    this.#report.missing(folding);
    if (!isLive()) return;
    this.#report.foreignContexts(this.knowledge);
    this.#ownEvents.ofRatings(state);
    this.#ownEvents.ofAnswers(state);
    if (this.#logWasRead) this.#ownEvents.again(state);
    else this.#ownEvents.ofModels(state);
    this.#logWasRead = true;
    if (this.#refolding.mayBeSaved) await this.#snapshots.saveWhenDue(state);
  }

  /** The next events of the log, in order; empty at its end. */
  #next(folding: Folding): Promise<readonly StoredEvent[]> | readonly StoredEvent[] {
    const { sequence } = folding.state;
    if (folding !== this.#live) return this.#tail.read(sequence);
    const fresh = this.#tail.takeFresh(sequence);
    if (fresh.length > 0 || (this.#logWasRead && sequence >= this.#newestSequence)) return fresh;
    return this.#tail.read(sequence);
  }

  #tell(event: StoredEvent): void {
    this.#ownEvents.arrived(event);
    for (const listener of this.#listeners) listener(event);
  }

  /** Drops a warm start that was made from this very log, because it would teach everything twice. */
  async #refuseOwnDecisions(): Promise<void> {
    const { store, log } = this.#options;
    for (const decision of this.#warmStart?.decisions ?? []) {
      if ((await store.findDecision(decision)).length === 0) continue;
      log.warn(
        { decision },
        'The warm start is not used: it was made from this event log, which teaches the same by itself. Remove learning.warm_start from the config.',
      );
      this.#warmStart = null;
      this.#live = this.#freshBeside(this.knowledge);
      return;
    }
  }
}
