import { SNAPSHOT_REMAINS } from '../bandit/defaults.ts';
import type { DriftOptions } from '../bandit/drift-monitor.ts';
import type { GatewayEvent, SnapshotChangedEvent, StoredEvent } from '../domain/events.ts';
import type { Clock } from '../util/clock.ts';
import type { LearnerState } from './learner-state.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { launchesDue, type NewcomerParts } from './newcomers.ts';

export interface AnnouncementsOptions {
  featureMap: string;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Writes to the log that the learner tails. */
  record(event: GatewayEvent): void;
}

/** When ratings count as drifted, and what then remains of what was learned; null: nothing is watched. */
export interface DriftPolicy extends DriftOptions {
  remains: number;
}

/** The arms of the config in force. */
export type OfferedArms = Omit<NewcomerParts, 'featureMap' | 'now'>;

/**
 * What the learner itself has to say: models that are new, that have changed upstream, or whose ratings have drifted. Each
 * is an event and takes effect with it, so that every process and every replay changes the arm at the same place.
 */
export class Announcements {
  /** By the config in force, as are the next two. */
  drift: DriftPolicy | null = null;
  offered: OfferedArms | null = null;
  /** What remains of an arm's state when its upstream model changes, in (0, 1]. */
  snapshotRemains = SNAPSHOT_REMAINS;
  readonly #options: AnnouncementsOptions;
  /** Number of the event that raised each arm's last announced alarm. */
  readonly #alarms = new Map<string, number>();
  /** Upstream models of arms whose change is on its way to the log and back. */
  readonly #changing = new Map<string, string>();
  /** Arms whose launch is on its way to the log and back. */
  readonly #launching = new Set<string>();
  #isDue = false;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  /** Launches those of the arms on offer that are new among known ones, and tempers those whose upstream has changed. */
  ofModels(state: LearnerState): void {
    if (!this.offered) return;
    this.#announceSnapshots(state, this.offered);
    this.#launchNewcomers(state, this.offered);
  }

  ofRatings(state: LearnerState): void {
    if (!this.drift) return;
    const { metrics, log, clock, record } = this.#options;
    for (const arm of state.drift.alarmed) {
      const alarm = state.drift.alarmOf(arm);
      if (!alarm || this.#alarms.get(arm) === alarm.at) continue;
      this.#alarms.set(arm, alarm.at);
      metrics.driftAlarms.inc({ model: arm, direction: alarm.direction });
      log.warn(
        { model: arm, direction: alarm.direction, statistic: alarm.statistic },
        `Drift: the ratings of "${arm}" have become ${alarm.direction} than predicted; most of what was learned of it is let go.`,
      );
      const { threshold, remains } = this.drift;
      record({ type: 'drifted', decisionId: null, time: clock.now(), model: arm, ...alarm, threshold, remains });
    }
  }

  /** An event has come back from the log. */
  arrived(event: StoredEvent): void {
    if (event.type === 'launched') this.#launching.delete(event.model);
    if (event.type === 'snapshot_changed') {
      this.#changing.delete(event.model);
      this.#isDue = true;
    }
    // The first answer tells of which upstream model an arm's state is: it may have been under way at a change.
    if (event.type === 'completed' && event.arm !== null)
      this.#isDue ||= this.#isOfAnother(event.arm, event.upstreamModel);
  }

  /** Looks at the models again where something has come that may call for it. */
  again(state: LearnerState): void {
    if (!this.#isDue) return;
    this.#isDue = false;
    this.ofModels(state);
  }

  #isOfAnother(arm: string, upstreamModel: string | null | undefined): boolean {
    const offered = this.offered?.arms.find(({ id }) => id === arm);
    return offered !== undefined && upstreamModel != null && offered.upstreamModel !== upstreamModel;
  }

  /** The log is another one than before: what was said names places in the old one. */
  forget(): void {
    this.#alarms.clear();
    this.#launching.clear();
    this.#changing.clear();
  }

  #announceSnapshots(state: LearnerState, { arms }: OfferedArms): void {
    this.#announceChanges(state.snapshots.changesDue(arms, this.snapshotRemains, this.#options.clock.now()));
  }

  /** Of models whose answers have come under another name for long: unlike by the config, every gateway sees the same. */
  ofAnswers(state: LearnerState): void {
    this.#announceChanges(state.snapshots.servedChangesDue(this.snapshotRemains, this.#options.clock.now()));
  }

  #announceChanges(changes: readonly SnapshotChangedEvent[]): void {
    const { log, metrics, record } = this.#options;
    for (const event of changes) {
      const { model, from, to, remains } = event;
      if (this.#changing.get(model) === to) continue;
      this.#changing.set(model, to);
      metrics.snapshotChanges.inc({ model });
      log.warn({ model, from, to, remains }, 'The upstream model has changed: what was learned is trusted less.');
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
