import { DriftMonitor, type DriftMonitorState } from '../../bandit/drift-monitor.ts';
import { LinearPolicy, type LinearPolicyState } from '../../bandit/linear-policy.ts';
import type { ModelChange, ModelChanges } from '../../domain/model-changes.ts';
import { ArmStatistics, type ArmStatisticsState } from '../../routing/arm-statistics.ts';
import { AwaitedRatings, type AwaitedRatingsState } from '../../routing/awaited-ratings.ts';
import { Launches, type LaunchesState } from '../../routing/launches.ts';
import { RoutingBudgetLedger, type RoutingBudgetLedgerState } from '../../routing/routing-budget-ledger.ts';
import { KeySpendLedger, type KeySpendLedgerState } from '../key-spend-ledger.ts';
import { ArmResets, type ArmResetsState } from './arm-resets.ts';
import { ForeignContexts, type ForeignContextsState } from './foreign-contexts.ts';
import type { PlaceInLog } from './log-tail.ts';
import { UpstreamVersions, type UpstreamVersionsState } from './upstream-versions.ts';
import { VolunteerCalibration, type VolunteerCalibrationState } from './volunteer-calibration.ts';

/**
 * The saved form of the parts, as plain values. `ledger`, `spend` and `snapshots` are the former names of
 * `routingSpend`, `keySpend` and `upstreamVersions`, kept so that saved states stay readable.
 */
export interface LearnerPartsState extends ArmResetsState {
  lastFolded: PlaceInLog | null;
  policy: LinearPolicyState;
  statistics: ArmStatisticsState;
  foreign: ForeignContextsState;
  launches: LaunchesState;
  awaitedRatings: AwaitedRatingsState;
  ledger: RoutingBudgetLedgerState;
  drift: DriftMonitorState;
  known: string[];
  spend: KeySpendLedgerState;
  volunteers: VolunteerCalibrationState;
  snapshots: UpstreamVersionsState;
  modelChanges: [string, ModelChange][];
}

/** The parts of the learner's knowledge. Each has its own sums; all are saved and restored together. */
export class LearnerParts {
  readonly policy: LinearPolicy;
  readonly statistics = new ArmStatistics();
  /** Counts the learned decisions whose contexts were made by another feature map. */
  readonly foreign = new ForeignContexts();
  readonly launches = new Launches();
  readonly awaitedRatings = new AwaitedRatings();
  /** What routing has spent of its budget. */
  readonly routingSpend = new RoutingBudgetLedger();
  readonly drift = new DriftMonitor();
  /** Arms that were on offer in some decision since their last reset. */
  readonly known = new Set<string>();
  /** What each key has spent, and what admins changed: not learned, but folded from the same log. */
  readonly keySpend = new KeySpendLedger();
  modelChanges: ModelChanges = new Map();
  /** The upstream models that the arms' states were learned from. */
  readonly upstreamVersions = new UpstreamVersions();
  /** The weights of ratings that nobody requested. */
  readonly volunteers = new VolunteerCalibration();
  readonly resets = new ArmResets();
  /** Sequence number of the last event folded. */
  sequence = 0;
  /** The place of that event, used to recognise the log. */
  lastFolded: PlaceInLog | null = null;

  /** @param dimensions length of the contexts */
  constructor(dimensions: number) {
    this.policy = new LinearPolicy(dimensions);
  }

  /** Everything except the number of the last event, which is saved alongside. */
  state(): LearnerPartsState {
    const { driftResets, resets } = this.resets.state();
    return {
      lastFolded: this.lastFolded && placeOf(this.lastFolded),
      policy: this.policy.state(),
      statistics: this.statistics.state(),
      foreign: this.foreign.state(),
      launches: this.launches.state(),
      awaitedRatings: this.awaitedRatings.state(),
      ledger: this.routingSpend.state(),
      drift: this.drift.state(),
      driftResets,
      known: [...this.known],
      spend: this.keySpend.state(),
      volunteers: this.volunteers.state(),
      snapshots: this.upstreamVersions.state(),
      modelChanges: [...this.modelChanges],
      resets,
    };
  }

  /**
   * Restores the parts.
   * @param sequence number of the last event in the state
   * @throws when the state is damaged; the parts are then unusable
   */
  restore(state: LearnerPartsState, sequence: number): void {
    this.policy.restore(state.policy);
    this.statistics.restore(state.statistics);
    this.foreign.restore(state.foreign);
    this.launches.restore(state.launches);
    this.awaitedRatings.restore(state.awaitedRatings);
    this.routingSpend.restore(state.ledger);
    this.drift.restore(state.drift);
    this.resets.restore(state);
    for (const arm of state.known) this.known.add(arm);
    this.keySpend.restore(state.spend);
    this.volunteers.restore(state.volunteers);
    this.upstreamVersions.restore(state.snapshots);
    this.modelChanges = new Map(state.modelChanges);
    this.lastFolded = state.lastFolded;
    this.sequence = sequence;
  }
}

function placeOf({ sequence, decisionId, type, time }: PlaceInLog): PlaceInLog {
  return { sequence, decisionId, type, time };
}
