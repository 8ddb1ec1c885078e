import { setImmediate as nextTurn } from 'node:timers/promises';
import { SNAPSHOT_REMAINS } from '../bandit/defaults.ts';
import type { DriftOptions } from '../bandit/drift-monitor.ts';
import { messageOf } from '../domain/errors.ts';
import type { GatewayEvent, StoredEvent } from '../domain/events.ts';
import type { EventStore } from '../store/event-store.ts';
import type { Clock } from '../util/clock.ts';
import { LruMap } from '../util/lru-map.ts';
import { LearnerState } from './learner-state.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { launchesDue, type NewcomerParts } from './newcomers.ts';
import type { WarmStartFile } from './warm-start-file.ts';

const SNAPSHOT = 'learner';
const READ_BATCH = 500;
/** Events just written that are kept for folding; beyond it they are read back like any other. */
const MOST_FRESH = 2000;
/** Folding this long, the learner lets the event loop have its turn. By time, or it would fall behind under load. */
const FOLD_MS_PER_TURN = 3;
/**
 * Decisions whose events are kept at hand; ratings of older ones are looked up. Not many: what lives for some seconds
 * and then dies is the dearest kind of garbage.
 */
const RECENT_DECISIONS = 500;
const SNAPSHOT_EVERY = { events: 500, ms: 60_000 };
const RETRY_MS = 1000;
const REFOLD_AT_MOST_EVERY_MS = 60_000;

/** Events by decision, so that most foldings need no look-up. Each folding of the log keeps its own. */
type RecentDecisions = LruMap<string, StoredEvent[]>;

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

/** When ratings count as drifted, and what then remains of what was learned; null: nothing is watched. */
export interface DriftPolicy extends DriftOptions {
  remains: number;
}

/** The arms of the config in force. */
type OfferedArms = Omit<NewcomerParts, 'featureMap' | 'now'>;

/** Tails the event log and keeps the routing knowledge up to date. Nothing that it does holds up a request. */
export class Learner {
  readonly #options: LearnerOptions;
  #warmStart: WarmStartFile | null;
  #state: LearnerState;
  #priors: ReadonlyMap<string, number> = new Map();
  #drift: DriftPolicy | null = null;
  /** Number of the event that raised each arm's last announced alarm. */
  readonly #announced = new Map<string, number>();
  #offered: OfferedArms | null = null;
  /** Before, any arm would seem new. */
  #logWasRead = false;
  #snapshotRemains = SNAPSHOT_REMAINS;
  /** Upstream models of arms whose change is on its way to the log and back. */
  readonly #changing = new Map<string, string>();
  /** Arms whose launch is on its way to the log and back. */
  readonly #launching = new Set<string>();
  #slopes: ReadonlyMap<string, Float64Array> = new Map();
  #recent = recentDecisions();
  #newestSequence = 0;
  /** What this process has just written, in order: it need not be read back. */
  #fresh: StoredEvent[] = [];
  #running: Promise<void> | null = null;
  #wokenWhileRunning = false;
  #closed = false;
  #snapshot = { sequence: 0, at: 0 };
  /** Decisions failed on this state, and it was not replaced yet. */
  #distrusted = false;
  #refoldedAt = Number.NEGATIVE_INFINITY;
  #listeners: ((event: StoredEvent) => void)[] = [];
  readonly #replacedListeners: (() => void)[] = [];

  constructor(options: LearnerOptions) {
    this.#options = options;
    this.#warmStart = options.warmStart ?? null;
    this.#state = this.#freshState();
  }

  /** The live state: read it, never change it. */
  get knowledge(): LearnerState {
    return this.#state;
  }

  /** Calls the listener with every event once its effects are in `knowledge`. */
  onFold(listener: (event: StoredEvent) => void): void {
    this.#listeners.push(listener);
  }

  /** Calls the listener when `knowledge` was replaced by one that was folded anew, whose events nobody was told of. */
  onReplaced(listener: () => void): void {
    this.#replacedListeners.push(listener);
  }

  /** Events in the log that are yet to be learned from. */
  get lag(): number {
    return Math.max(0, this.#newestSequence - this.#state.sequence);
  }

  /** Prior mean quality per arm, and prior mean slopes of some, by the config in force. */
  setPriors(priors: ReadonlyMap<string, number>, slopes: ReadonlyMap<string, Float64Array> = new Map()): void {
    this.#priors = priors;
    this.#slopes = slopes;
    this.#state.policy.setPriorQualities(priors, slopes);
  }

  /** By the config in force. */
  setDrift(drift: DriftPolicy | null): void {
    this.#drift = drift;
    this.#state.driftOptions = driftOptions(drift);
  }

  /** What remains of an arm's state when its upstream model changes, by the config in force. @param remains in (0, 1] */
  setSnapshotRemains(remains: number): void {
    this.#snapshotRemains = remains;
  }

  /**
   * Launches those of the arms on offer that are new among known ones, and tempers those whose upstream model has
   * changed, once the log has been read.
   */
  introduce(offered: OfferedArms): void {
    this.#offered = offered;
    if (this.#logWasRead) this.#compare(offered);
  }

  #compare(offered: OfferedArms): void {
    this.#announceSnapshots(offered);
    this.#launchNewcomers(offered);
  }

  /** Like a drift alarm, a change takes effect with its event. */
  #announceSnapshots({ arms }: OfferedArms): void {
    const { clock, log, metrics, record } = this.#options;
    for (const event of this.#state.snapshots.changesDue(arms, this.#snapshotRemains, clock.now())) {
      const { model, from, to, remains } = event;
      if (this.#changing.get(model) === to) continue;
      this.#changing.set(model, to);
      metrics.snapshotChanges.inc({ model });
      log.warn({ model, from, to, remains }, 'The upstream model has changed: what was learned is trusted less.');
      record(event);
    }
  }

  #launchNewcomers(offered: OfferedArms): void {
    const { featureMap, clock, log } = this.#options;
    const due = launchesDue(this.#state, { ...offered, featureMap, now: clock.now() });
    for (const event of due) {
      if (this.#launching.has(event.model)) continue;
      this.#launching.add(event.model);
      log.info({ model: event.model, like: event.like }, 'A new model is launched.');
      this.#options.record(event);
    }
  }

  /** Snapshot, then the rest of the log. Rejects when the store cannot be read; it is then tried again by itself. */
  start(): Promise<void> {
    const reading = this.#startUp();
    // Whoever gives up waiting leaves it running: what is woken meanwhile waits its turn, or events would count twice.
    this.#occupy(reading.catch(() => void this.#options.clock.after(RETRY_MS, () => this.#run())));
    return reading;
  }

  async #startUp(): Promise<void> {
    this.#snapshot.at = this.#options.clock.monotonic();
    await this.#refuseOwnDecisions();
    this.#newestSequence = await this.#options.store.lastSequence();
    await this.#loadSnapshot();
    await this.#catchUp(this.#state, this.#recent);
    this.#sayWhatWasCarriedOver();
  }

  /** These events are now in the log, perhaps with those of other processes between them. At least one. */
  written(events: readonly StoredEvent[]): void {
    if (this.#fresh.length + events.length <= MOST_FRESH) this.#fresh.push(...events);
    this.wake(events[events.length - 1].sequence);
  }

  /** There is something new in the log, up to this number. */
  wake(lastSequence: number): void {
    this.#newestSequence = Math.max(this.#newestSequence, lastSequence);
    this.#options.metrics.learnerLag.set(this.lag);
    this.#run();
  }

  /** Resolves once the event of that number is learned, or after `withinMs`: whichever comes first. */
  async learned(sequence: number, withinMs: number): Promise<void> {
    let late = false;
    let cancel = () => {};
    const patience = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(withinMs, () => {
        late = true;
        resolve();
      });
    });
    while (this.#state.sequence < sequence && this.#running && !late) await Promise.race([this.#running, patience]);
    cancel();
  }

  /** Resolves when everything that was in the log at the call has been learned. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /**
   * A decision could not be made from this state. It is folded anew from the whole log, beside the running one, at
   * most once a minute.
   */
  async distrust(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now - this.#refoldedAt < REFOLD_AT_MOST_EVERY_MS || this.#closed) return;
    this.#refoldedAt = now;
    await this.#refold();
  }

  /** The store was away: an operator may have put an older or an empty log in its place. */
  async recheck(): Promise<void> {
    // Taken before anything of the other log is folded.
    const known = this.#state.lastFolded;
    try {
      const last = await this.#options.store.lastSequence();
      if (last >= this.#state.sequence && (await this.#isInLog(known))) return this.wake(last);
      this.#options.log.warn('The event log is another one than before: the learner is folded from it anew.');
      this.#newestSequence = last;
      this.#fresh = [];
      // They name places in the other log.
      this.#announced.clear();
      this.#launching.clear();
      this.#changing.clear();
      await this.#refold();
    } catch (error) {
      this.#options.log.error({ err: error }, 'The event log could not be compared with what was learned.');
    }
  }

  async #isInLog(event: StoredEvent | null): Promise<boolean> {
    if (!event) return true;
    const [stored] = await this.#options.store.readAfter(event.sequence - 1, 1);
    return stored?.sequence === event.sequence && stored.decisionId === event.decisionId && stored.type === event.type;
  }

  async #refold(): Promise<void> {
    this.#distrusted = true;
    this.#options.metrics.degraded('learner', true);
    try {
      const state = this.#freshState();
      const recent = recentDecisions();
      await this.#catchUp(state, recent);
      await this.idle();
      // The config may have changed while the log was read.
      state.policy.setPriorQualities(this.#priors, this.#slopes);
      state.driftOptions = driftOptions(this.#drift);
      state.ledger.takeOver(this.#state.ledger);
      this.#state = state;
      this.#recent = recent;
      this.#distrusted = false;
      // What was saved is of the state that is gone, perhaps of another log.
      this.#snapshot = { sequence: 0, at: this.#options.clock.monotonic() };
      for (const listener of this.#replacedListeners) listener();
      this.#run();
      this.#options.metrics.degraded('learner', false);
      this.#options.log.info('The learner was folded anew from the event log.');
      this.#sayWhatWasCarriedOver();
    } catch (error) {
      this.#options.log.error({ err: error }, 'The learner could not be folded anew; it is tried again in a minute.');
      this.#options.clock.after(REFOLD_AT_MOST_EVERY_MS, () => void (this.#distrusted && this.#refold()));
    }
  }

  async close(): Promise<void> {
    await this.idle();
    this.#closed = true;
    if (this.#state.sequence > this.#snapshot.sequence && !this.#distrusted) await this.#saveSnapshot();
  }

  #freshState(): LearnerState {
    const state = new LearnerState(this.#options.featureMap, this.#options.dimensions, this.#warmStart);
    state.policy.setPriorQualities(this.#priors, this.#slopes);
    state.driftOptions = driftOptions(this.#drift);
    return state;
  }

  #run(): void {
    if (this.#closed) return;
    if (this.#running) {
      this.#wokenWhileRunning = true;
      return;
    }
    this.#occupy(
      this.#catchUp(this.#state, this.#recent)
        .then(() => {
          if (!this.#distrusted) this.#options.metrics.degraded('learner', false);
        })
        .catch((error: unknown) => {
          this.#options.metrics.degraded('learner', true);
          this.#options.log.error({ err: error }, 'The learner cannot read the event log; it tries again.');
          this.#options.clock.after(RETRY_MS, () => this.#run());
        }),
    );
  }

  /** One reader of the log at a time: what is woken meanwhile begins when this work ends. @param work never rejects */
  #occupy(work: Promise<void>): void {
    this.#running = work.finally(() => {
      this.#running = null;
      if (this.#wokenWhileRunning) {
        this.#wokenWhileRunning = false;
        this.#run();
      }
    });
  }

  async #catchUp(state: LearnerState, recent: RecentDecisions): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      const events = await this.#next(state);
      let turnBegan = clock.monotonic();
      for (const event of events) {
        await this.#fold(state, recent, event);
        if (clock.monotonic() - turnBegan < FOLD_MS_PER_TURN) continue;
        await nextTurn();
        turnBegan = clock.monotonic();
      }
      this.#options.metrics.learnerLag.set(this.lag);
      if (events.length === 0) break;
    }
    if (state !== this.#state) return;
    this.#showForeignContexts();
    this.#announceDrift();
    if (!this.#logWasRead) {
      this.#logWasRead = true;
      if (this.#offered) this.#compare(this.#offered);
    }
    if (this.#snapshotIsDue() && !this.#distrusted) await this.#saveSnapshot();
  }

  /** The next events of the log, in order; none at its end. */
  async #next(state: LearnerState): Promise<readonly StoredEvent[]> {
    if (state === this.#state) {
      const fresh = this.#takeFresh(state.sequence);
      if (fresh.length > 0) return fresh;
      if (this.#logWasRead && state.sequence >= this.#newestSequence) return [];
    }
    return this.#options.store.readAfter(state.sequence, READ_BATCH);
  }

  /** Those that follow the given number without a gap; where there is one, another process has written. */
  #takeFresh(sequence: number): StoredEvent[] {
    // A rating that was there before comes back under its old number.
    const fresh = this.#fresh.filter((event) => event.sequence > sequence);
    let length = 0;
    while (length < fresh.length && fresh[length].sequence === sequence + length + 1) length++;
    this.#fresh = fresh.slice(length);
    return fresh.slice(0, length);
  }

  /** An alarm takes effect with its event, so that every process and every replay resets the arm at the same place. */
  #announceDrift(): void {
    if (!this.#drift) return;
    const { metrics, log, clock } = this.#options;
    for (const arm of this.#state.drift.alarmed) {
      const alarm = this.#state.drift.alarmOf(arm);
      if (!alarm || this.#announced.get(arm) === alarm.at) continue;
      this.#announced.set(arm, alarm.at);
      metrics.driftAlarms.inc({ model: arm, direction: alarm.direction });
      log.warn(
        { model: arm, direction: alarm.direction, statistic: alarm.statistic },
        `The ratings of "${arm}" have become ${alarm.direction} than predicted; most of what was learned of it is let go.`,
      );
      const { threshold, remains } = this.#drift;
      const fields = { model: arm, ...alarm, threshold, remains };
      this.#options.record({ type: 'drifted', decisionId: null, time: clock.now(), ...fields });
    }
  }

  async #fold(state: LearnerState, recent: RecentDecisions, event: StoredEvent): Promise<void> {
    const history = await this.#historyOf(event, recent);
    try {
      state.fold(event, history);
    } catch (error) {
      this.#options.metrics.learnerSkipped.inc();
      this.#options.log.warn(
        { sequence: event.sequence, decision: event.decisionId, reason: messageOf(error) },
        'An event could not be learned from and is skipped.',
      );
    }
    if (event.decisionId !== null) recent.set(event.decisionId, [...history, event]);
    if (state !== this.#state) return;
    if (event.type === 'launched') this.#launching.delete(event.model);
    if (event.type === 'snapshot_changed') this.#changing.delete(event.model);
    for (const listener of this.#listeners) listener(event);
  }

  async #historyOf(event: StoredEvent, recent: RecentDecisions): Promise<StoredEvent[]> {
    if (event.type === 'decided' || event.decisionId === null) return [];
    const events = recent.get(event.decisionId) ?? (await this.#options.store.findDecision(event.decisionId));
    return events.filter(({ sequence }) => sequence < event.sequence);
  }

  /** A warm start made from this very log would teach everything twice. */
  async #refuseOwnDecisions(): Promise<void> {
    const { store, log } = this.#options;
    for (const decision of this.#warmStart?.decisions ?? []) {
      if ((await store.findDecision(decision)).length === 0) continue;
      log.warn(
        { decision },
        'The warm start is not used: it was made from this event log, which teaches the same itself. Take learning.warm_start out of the config.',
      );
      this.#warmStart = null;
      this.#state = this.#freshState();
      return;
    }
  }

  async #loadSnapshot(): Promise<void> {
    const { store, log, metrics } = this.#options;
    const snapshot = await store.loadSnapshot(SNAPSHOT);
    if (snapshot && snapshot.sequence > this.#newestSequence) {
      log.warn("The learner's snapshot is of another event log than this one; the log is folded anew.");
      return;
    }
    if (!snapshot) return;
    try {
      if (this.#state.deserialise(snapshot.body, snapshot.sequence)) {
        this.#state.policy.setPriorQualities(this.#priors, this.#slopes);
        this.#snapshot.sequence = snapshot.sequence;
        return;
      }
      log.info(
        "The learner's snapshot was made with other features, another warm start or by another version; the log is folded anew.",
      );
    } catch (error) {
      metrics.snapshotsRejected.inc();
      log.error(
        { reason: messageOf(error) },
        "The learner's snapshot is damaged and was put aside. Nothing is lost: the log is folded anew, and the next snapshot replaces it. If it happens again, check the disk.",
      );
    }
    this.#state = this.#freshState();
  }

  #sayWhatWasCarriedOver(): void {
    const carriedOver = this.#state.foreign.describe();
    if (carriedOver) this.#options.log.info(carriedOver);
  }

  #showForeignContexts(): void {
    for (const kept of ['structure', 'intercept'] as const) {
      this.#options.metrics.foreignContexts.set({ kept }, this.#state.foreign.total(kept));
    }
  }

  #snapshotIsDue(): boolean {
    const events = this.#state.sequence - this.#snapshot.sequence;
    const elapsed = this.#options.clock.monotonic() - this.#snapshot.at;
    return events >= SNAPSHOT_EVERY.events && elapsed >= SNAPSHOT_EVERY.ms;
  }

  async #saveSnapshot(): Promise<void> {
    const { store, clock, log } = this.#options;
    const snapshot = { sequence: this.#state.sequence, body: this.#state.serialise() };
    this.#snapshot = { sequence: snapshot.sequence, at: clock.monotonic() };
    await store.saveSnapshot(SNAPSHOT, snapshot).catch((error: unknown) => {
      log.warn({ reason: messageOf(error) }, 'The snapshot could not be saved; a restart folds more of the log.');
    });
  }
}

function driftOptions(drift: DriftPolicy | null): DriftOptions {
  return drift ?? { slack: 0, threshold: Number.POSITIVE_INFINITY };
}

function recentDecisions(): RecentDecisions {
  return new LruMap(RECENT_DECISIONS);
}
