import { SNAPSHOT_REMAINS } from '../../bandit/defaults.ts';
import { type DriftOptions, isTooOld } from '../../bandit/drift-monitor.ts';
import type { GatewayEvent, SnapshotChangedEvent, StoredEvent } from '../../domain/events.ts';
import type { Clock } from '../../util/clock.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { LearnerState } from './learner-state.ts';
import { launchesDue, type NewcomerParts } from './newcomers.ts';

export interface LearnerEventsOptions {
  featureMap: string;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Writes to the log that the learner tails. */
  record(event: GatewayEvent): void;
}

/**
 * When ratings count as drifted, and what then remains of what was learned. A null policy means that drift is not
 * watched.
 */
export interface DriftPolicy extends DriftOptions {
  remains: number;
}

/** The arms of the current config. */
export type OfferedArms = Omit<NewcomerParts, 'featureMap' | 'now'>;

/**
 * Events that the learner itself records: a model is new, its upstream has changed, or its ratings have drifted. They
 * take effect when they come back from the log, so that every process and every replay changes the arm at the same
 * place in the log.
 */
export class LearnerEvents {
  /** From the current config, like `versionRemains`. */
  drift: DriftPolicy | null = null;
  /** What remains of an arm's state when its upstream model changes, in (0, 1]. */
  versionRemains = SNAPSHOT_REMAINS;
  readonly #options: LearnerEventsOptions;
  #offered: OfferedArms | null = null;
  /**
   * Arms whose upstream model has yet to be compared with the learned one: all at the start, and those whose model a
   * config change replaces. Comparing whenever the two differ would be wrong: while the gateways on one log receive a
   * new config one after the other, each would undo the others' change, and less of what was learned would remain each
   * time.
   */
  readonly #toCompare = new Set<string>();
  /** Sequence number of the event that raised each arm's last announced alarm. */
  readonly #alarms = new Map<string, number>();
  /** New upstream models of arms whose change event has been recorded but has not come back from the log yet. */
  readonly #changing = new Map<string, string>();
  /** Arms whose launch event has been recorded but has not come back from the log yet. */
  readonly #launching = new Set<string>();
  #isDue = false;

  constructor(options: LearnerEventsOptions) {
    this.#options = options;
  }

  /** Sets the arms of the config that applies from here on. */
  offer(offered: OfferedArms): void {
    for (const { id, upstreamModel } of offered.arms) {
      if (this.#offeredModel(id) !== upstreamModel) this.#toCompare.add(id);
    }
    this.#offered = offered;
  }

  /** Launches offered arms that are new when others are already known, and tempers those whose upstream has changed. */
  ofModels(state: LearnerState): void {
    if (!this.#offered) return;
    this.#announceSnapshots(state, this.#offered);
    this.#launchNewcomers(state, this.#offered);
  }

  ofRatings(state: LearnerState): void {
    if (!this.drift) return;
    const { metrics, log, clock, record } = this.#options;
    for (const arm of state.drift.alarmed) {
      const alarm = state.drift.alarmOf(arm);
      if (!alarm || isTooOld(alarm, state.sequence) || this.#alarms.get(arm) === alarm.at) continue;
      this.#alarms.set(arm, alarm.at);
      metrics.driftAlarms.inc({ model: arm, direction: alarm.direction });
      log.warn(
        { model: arm, direction: alarm.direction, statistic: alarm.statistic },
        `Drift: the ratings of "${arm}" have become ${alarm.direction} than predicted; what was learned about its level is dropped.`,
      );
      const { threshold, remains } = this.drift;
      record({ type: 'drifted', decisionId: null, time: clock.now(), model: arm, ...alarm, threshold, remains });
    }
  }

  /** Notes an event that has come back from the log. */
  arrived(event: StoredEvent): void {
    if (event.type === 'launched') this.#launching.delete(event.model);
    // Compare again, because the config may have changed once more in the meantime.
    if (event.type === 'snapshot_changed' && this.#changing.get(event.model) === event.to) {
      this.#changing.delete(event.model);
      this.#toCompare.add(event.model);
      this.#isDue = true;
    }
    if (event.type === 'model_reset') this.#toCompare.add(event.model);
    // The first answer establishes the upstream model of an arm's state, and that answer may have been under way when
    // the model changed.
    if (event.type === 'completed' && event.arm !== null) this.#isDue ||= this.#toCompare.has(event.arm);
  }

  /** Checks the models again if an event has arrived that may require it. */
  again(state: LearnerState): void {
    if (!this.#isDue) return;
    this.#isDue = false;
    this.ofModels(state);
  }

  /** Drops the announcements, which refer to places in the old log, because the log has been replaced. */
  forget(): void {
    this.#alarms.clear();
    this.#launching.clear();
    this.#changing.clear();
    for (const { id } of this.#offered?.arms ?? []) this.#toCompare.add(id);
  }

  #announceSnapshots(state: LearnerState, { arms }: OfferedArms): void {
    const comparable = arms.filter(({ id }) => this.#toCompare.has(id) && state.upstreamVersions.isKnown(id));
    for (const { id } of comparable) this.#toCompare.delete(id);
    this.#announceChanges(
      state.upstreamVersions.changesDue(comparable, this.versionRemains, this.#options.clock.now()),
    );
  }

  #offeredModel(arm: string): string | undefined {
    return this.#offered?.arms.find(({ id }) => id === arm)?.upstreamModel;
  }

  /**
   * Announces changes of models whose answers have long borne another name. Unlike config changes, every gateway sees
   * these.
   */
  ofAnswers(state: LearnerState): void {
    this.#announceChanges(state.upstreamVersions.servedChangesDue(this.versionRemains, this.#options.clock.now()));
  }

  #announceChanges(changes: readonly SnapshotChangedEvent[]): void {
    const { log, metrics, record } = this.#options;
    for (const event of changes) {
      const { model, from, to, remains } = event;
      if (this.#changing.get(model) === to) continue;
      this.#changing.set(model, to);
      metrics.snapshotChanges.inc({ model });
      const undone = ': nothing was learned under the other name, and what was learned before counts in full again';
      const effect = remains < 1 ? ': what was learned is trusted less' : remains > 1 ? undone : '';
      log.warn({ model, from, to, remains }, `The upstream model has changed${effect}.`);
      record(event);
    }
  }

  #launchNewcomers(state: LearnerState, offered: OfferedArms): void {
    const { featureMap, clock, log, record } = this.#options;
    for (const event of launchesDue(state, { ...offered, featureMap, now: clock.now() })) {
      if (this.#launching.has(event.model)) continue;
      this.#launching.add(event.model);
      log.info({ model: event.model, like: event.like }, 'A new model is launched.');
      record(event);
    }
  }
}
