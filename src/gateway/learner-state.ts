import { createHash } from 'node:crypto';
import { DRIFT } from '../bandit/defaults.ts';
import { DriftMonitor, type DriftMonitorState, type DriftOptions } from '../bandit/drift-monitor.ts';
import { LinearPolicy, type LinearPolicyState } from '../bandit/linear-policy.ts';
import type { Observation } from '../bandit/policy.ts';
import type { Decision } from '../domain/decision.ts';
import type {
  CompletedEvent,
  DecidedEvent,
  DriftedEvent,
  GatewayEvent,
  LaunchedEvent,
  StoredEvent,
} from '../domain/events.ts';
import { ArmStatistics, type ArmStatisticsState } from '../routing/arm-statistics.ts';
import { BudgetLedger, type BudgetLedgerState } from '../routing/budget-ledger.ts';
import { Launches, type LaunchesState } from '../routing/launches.ts';
import { ForeignContexts, type ForeignContextsState } from './foreign-contexts.ts';
import { observationsOf } from './observations.ts';

const MIN_CHARACTERS = 500;

/** Raise it when the fold changes: older snapshots are then refolded from the log. */
const FOLD_VERSION = 5;

interface SerialisedState {
  policy: LinearPolicyState;
  statistics: ArmStatisticsState;
  foreign: ForeignContextsState;
  launches: LaunchesState;
  ledger: BudgetLedgerState;
  drift: DriftMonitorState;
  resets: Record<string, Reset[]>;
  known: string[];
}

/** A drift alarm's reset of an arm. */
interface Reset {
  /** Number of the event that made it, and of the one that raised the alarm. */
  sequence: number;
  at: number;
  remains: number;
}

/** One lesson and its key in `observationsOf`. */
type Lesson = readonly [key: string, observation: Observation];

/** What the learner knows: a deterministic fold over the event log. */
export class LearnerState {
  readonly policy: LinearPolicy;
  readonly statistics = new ArmStatistics();
  /** What was learned from that another feature map made. */
  readonly foreign = new ForeignContexts();
  readonly launches = new Launches();
  readonly ledger = new BudgetLedger();
  readonly drift = new DriftMonitor();
  /** When an arm's ratings count as drifted: by the config in force. */
  driftOptions: DriftOptions = DRIFT;
  /** Arms that were on offer in a decision. */
  readonly known = new Set<string>();
  #resets = new Map<string, Reset[]>();
  /** Number of the last event folded. */
  sequence = 0;
  readonly #featureMap: string;
  readonly #dimensions: number;

  /** @param dimensions of the contexts that `featureMap` makes */
  constructor(featureMap: string, dimensions: number) {
    this.#featureMap = featureMap;
    this.#dimensions = dimensions;
    this.policy = new LinearPolicy(dimensions);
  }

  /**
   * Takes in one event. @param history the earlier events of the same decision, in order
   * @throws RangeError when a part of what it teaches is not finite; that part has no effect, all the rest has
   */
  fold(event: StoredEvent, history: readonly StoredEvent[]): void {
    this.sequence = event.sequence;
    if (event.type === 'launched') this.#launch(event);
    else if (event.type === 'drifted') this.#reset(event);
    else if (event.type === 'decided') this.#learnDecision(event);
    else this.#learnOutcome(event, history);
  }

  #learnOutcome(event: StoredEvent, history: readonly StoredEvent[]): void {
    if (event.type === 'completed') {
      this.#learnStatistics(event, history);
      this.#learnSpending(event, history);
    }
    const before = this.#observations(history);
    const after = this.#observations([...history, event]);
    const gone = [...before].filter(([key]) => !after.has(key));
    const come = [...after].filter(([key]) => !before.has(key));
    // A changed rating says little of drift: its first version was counted.
    if (gone.length === 0) this.#watch(come, event.sequence);
    this.#learn([
      ...gone.map((lesson) => this.#takenBack(lesson, history)),
      ...come.map(([, observation]) => observation),
    ]);
  }

  #launch({ arm, featureMap, priorMean }: StoredEvent<LaunchedEvent>): void {
    if (!this.launches.begin(arm)) return;
    const mean = Float64Array.from(priorMean);
    // Coefficients for other features say no more than the arm's level.
    if (featureMap !== this.#featureMap || mean.length !== this.#dimensions) {
      const level = new Float64Array(this.#dimensions);
      level[0] = mean[0];
      this.policy.launch(arm, level);
    } else this.policy.launch(arm, mean);
  }

  /** The second of two processes that saw the same drift changes nothing. */
  #reset({ arm, at, remains, sequence }: StoredEvent<DriftedEvent>): void {
    const resets = this.#resets.get(arm) ?? [];
    if (resets.some((earlier) => earlier.sequence > at)) return;
    this.policy.temper(arm, remains);
    this.#resets.set(arm, [...resets, { sequence, at, remains }]);
    this.drift.reset(arm);
  }

  #learnDecision({ decision, context, time }: DecidedEvent): void {
    this.foreign.count(context, this.#featureMap, this.#dimensions);
    const { reference, referenceCostUsd } = decision;
    if (referenceCostUsd !== null && Number.isFinite(referenceCostUsd)) {
      this.statistics.learnReferenceCost(reference, referenceCostUsd);
    }
    this.ledger.asked(time);
    for (const { arm } of decision.arms) this.known.add(arm);
    if (decision.chosenBy === 'launch') this.launches.tried(decision.arm, predictedCost(decision));
  }

  #learnSpending(event: CompletedEvent, history: readonly StoredEvent[]): void {
    const decision = history.find((earlier) => earlier.type === 'decided')?.decision;
    const costUsd = Number.isFinite(event.costUsd) ? (event.costUsd as number) : 0;
    const weight = decision?.weightFrom === 'budget' ? decision.weight : null;
    // Decisions of earlier versions have no budget.
    this.ledger.spent(event.decisionId, event.time, costUsd, decision?.budgetUsd ?? null, weight);
    if (decision?.chosenBy === 'launch') this.launches.settled(decision.arm, costUsd - predictedCost(decision));
    if (event.arm !== null && event.outcome === 'ok') this.launches.answered(event.arm);
  }

  #watch(lessons: readonly Lesson[], sequence: number): void {
    for (const [, lesson] of lessons) {
      if (lesson.kind !== 'quality') continue;
      const residual = this.policy.standardisedResidual(lesson.arm, lesson.context, lesson.reward);
      if (Number.isFinite(residual)) this.drift.observe(lesson.arm, residual, sequence, this.driftOptions);
    }
  }

  /** The lesson with the weight that is left of it: resets since it was learned have tempered it. */
  #takenBack([key, observation]: Lesson, history: readonly StoredEvent[]): Observation {
    const resets = observation.kind === 'quality' ? (this.#resets.get(observation.arm) ?? []) : [];
    if (resets.length === 0) return { ...observation, weight: -observation.weight };
    const learnedAt = this.#learnedAt(key, history);
    const left = resets
      .filter(({ sequence }) => sequence > learnedAt)
      .reduce((share, { remains }) => share * remains, 1);
    return { ...observation, weight: -observation.weight * left };
  }

  /** Number of the event with which the lesson came last. */
  #learnedAt(key: string, history: readonly StoredEvent[]): number {
    let count = history.length;
    while (count > 1 && this.#observations(history.slice(0, count - 1)).has(key)) count--;
    return history[count - 1].sequence;
  }

  /** What the policy refuses when it comes it refuses again when it is taken back, so the others stay in balance. */
  #learn(lessons: readonly Observation[]): void {
    let refusal: unknown = null;
    for (const lesson of lessons) {
      try {
        this.policy.learn(lesson);
      } catch (error) {
        refusal ??= error;
      }
    }
    if (refusal) throw refusal;
  }

  #observations(events: readonly GatewayEvent[]) {
    return observationsOf(events, this.#featureMap, this.#dimensions);
  }

  #learnStatistics(event: Extract<GatewayEvent, { type: 'completed' }>, history: readonly StoredEvent[]): void {
    if (event.arm === null || event.outcome !== 'ok') return;
    if (event.serviceMs !== null && Number.isFinite(event.serviceMs)) {
      this.statistics.learnService(event.arm, event.serviceMs / 1000);
    }
    const decided = history.find((earlier) => earlier.type === 'decided');
    if (!event.usage || !Number.isFinite(event.usage.inputTokens) || !decided) return;
    if (!tellsOfTokeniser(decided.decision)) return;
    this.statistics.learnInput(event.arm, decided.decision.inputCharacters, event.usage.inputTokens);
  }

  /** The whole state as text; `deserialise` gives it back to the bit. */
  serialise(): string {
    const state: SerialisedState = {
      policy: this.policy.state(),
      statistics: this.statistics.state(),
      foreign: this.foreign.state(),
      launches: this.launches.state(),
      ledger: this.ledger.state(),
      drift: this.drift.state(),
      resets: Object.fromEntries(this.#resets),
      known: [...this.known],
    };
    const body = JSON.stringify(state, floatsToBase64);
    return JSON.stringify({ key: this.#foldKey(), checksum: checksum(body), body });
  }

  /**
   * @returns false when the text was written for another feature map or version, so that the log must be refolded
   * @throws Error when it is damaged; the state is then unusable
   */
  deserialise(text: string, sequence: number): boolean {
    const { key, checksum: expected, body } = JSON.parse(text);
    if (key !== this.#foldKey()) return false;
    if (checksum(body) !== expected) throw new Error('its checksum does not match');
    const state: SerialisedState = JSON.parse(body, floatsFromBase64);
    this.policy.restore(state.policy);
    this.statistics.restore(state.statistics);
    this.foreign.restore(state.foreign);
    this.launches.restore(state.launches);
    this.ledger.restore(state.ledger);
    this.drift.restore(state.drift);
    this.#resets = new Map(Object.entries(state.resets));
    for (const arm of state.known) this.known.add(arm);
    this.sequence = sequence;
    return true;
  }

  #foldKey(): string {
    return `${FOLD_VERSION}/${this.#featureMap}/${this.#dimensions}`;
  }
}

function predictedCost({ arm, arms }: Decision): number {
  return arms.find((candidate) => candidate.arm === arm)?.costUsd ?? 0;
}

/**
 * Images, files and sound have tokens but no characters, and in a short prompt the tokens of the chat template count
 * for more than the text.
 */
function tellsOfTokeniser({ images, needs, inputCharacters }: Decision): boolean {
  return images === 0 && !needs.includes('files') && !needs.includes('audio') && inputCharacters >= MIN_CHARACTERS;
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function floatsToBase64(_: string, value: unknown): unknown {
  if (!(value instanceof Float64Array)) return value;
  return { float64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
}

function floatsFromBase64(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('float64' in value)) return value;
  return new Float64Array(Uint8Array.from(Buffer.from(String(value.float64), 'base64')).buffer);
}
