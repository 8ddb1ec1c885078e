import type { OfferAssessment, Policy } from '../../bandit/policy.ts';
import { explanationOf } from '../../domain/decision.ts';
import type { CompletedEvent, DecidedEvent, StoredEvent } from '../../domain/events.ts';
import { isExplorationKind } from '../../domain/exploration.ts';
import type { ModelChanges } from '../../domain/model-changes.ts';
import { activeRatings, ratedQuality } from '../../domain/ratings.ts';
import { isAsked } from '../../domain/selection.ts';
import type { EventReader } from '../../store/event-store.ts';
import { isWithin, type Period, readEvents } from '../log/decision-records.ts';
import { type LogOutline, outlineOf } from './log-outline.ts';
import type { Sample } from './sample.ts';
import { SupportTally } from './support.ts';
import { hasOwnWeight, type TargetPolicy, targetAssessments, targetWeight, whyNotDrawn } from './target-policy.ts';

/** The gateway's own fold over the log, and the policy that the fold teaches. */
export interface ReplayLearner {
  readonly policy: Policy;
  /**
   * @param history the earlier events of the same decision
   * @throws RangeError for an event that cannot be learned from
   */
  fold(event: StoredEvent, history: readonly StoredEvent[]): void;
}

/** What the learner starts from. */
export interface ReplayStart {
  featureMap: string;
  /** d, including the constant. */
  dimensions: number;
  /** The admins' changes as they stand at the end of the log. */
  modelChanges: ModelChanges;
  /** Ids of all decisions in the log. */
  decisions: ReadonlySet<string>;
  target: TargetPolicy;
}

/** Why a decision is not used. */
export const LEFT_OUT = {
  named: 'the client named the model',
  conversation: 'the conversation stayed with the model of an earlier turn',
  learner_failed: 'the learner failed',
  unknown_propensity: 'made by a version that did not record how probable the choice was',
  unanswered: 'no model answered, or the cost is unknown',
  other_features: 'made with another feature map than the last one',
  unservable: "none of the policy's models was a candidate",
  unknown_exploration: 'made with an exploration that this version does not have; a policy that names one replaces it',
  undecidable: 'the policy could not tell',
};

export type LeftOut = keyof typeof LEFT_OUT;

/** Everything that the log says about the target policy. */
export interface ReplayedLog {
  decisions: number;
  /** The earliest and the latest time of a decision in the period; null when there is none. */
  first: number | null;
  last: number | null;
  featureMap: string | null;
  samples: Sample[];
  /** How many of the samples are decisions in which one model had all of the propensity. */
  certain: number;
  /** How many of the samples continue a conversation that some model had in its prompt cache. */
  continued: number;
  /** How many of the samples had a weight other than `routing.weight`. */
  ownWeights: number;
  tally: SupportTally;
  leftOut: Partial<Record<LeftOut, number>>;
  /** Mean cost in USD of the reference model's answers, averaged over the samples: the unit of cost in the utility. */
  costUnitUsd: number;
  neverOffered: string[];
}

/** The target policy's answer for one decision, computed before anything later is learned. */
interface Question {
  decided: DecidedEvent;
  answer: OfferAssessment[] | LeftOut;
}

/**
 * Goes through the log as the gateway's learner did. At each decision of the period, the target policy says how
 * probable each model is, given what the log had taught until then (including decisions before the period). So the
 * result shows what the target's *settings* would have chosen with the knowledge available then, not what they would
 * have learned. The log is read twice, because the ratings that count must be known before the decisions that they
 * rate.
 */
export async function replayLog(
  log: EventReader,
  period: Period,
  target: TargetPolicy,
  startLearner: (start: ReplayStart) => ReplayLearner,
  onBatch: (share: number) => void = () => {},
): Promise<ReplayedLog> {
  const outline = await outlineOf(log, period, (share) => onBatch(share / 2));
  const replay = new Replay(outline, period, target, startLearner);
  for await (const event of readEvents(log, outline.last, (share) => onBatch(0.5 + share / 2))) replay.take(event);
  return replay.result();
}

class Replay {
  readonly #outline: LogOutline;
  readonly #period: Period;
  readonly #target: TargetPolicy;
  readonly #learner: ReplayLearner | null;
  readonly #histories: Histories;
  readonly #questions = new Map<string, Question>();
  readonly #leftOut: Partial<Record<LeftOut, number>> = {};
  readonly #samples: Sample[] = [];
  readonly #tally = new SupportTally();
  #decisions = 0;
  #certain = 0;
  #continued = 0;
  #ownWeights = 0;
  #unitUsd = 0;
  #first: number | null = null;
  #last: number | null = null;

  constructor(
    outline: LogOutline,
    period: Period,
    target: TargetPolicy,
    startLearner: (start: ReplayStart) => ReplayLearner,
  ) {
    this.#outline = outline;
    this.#period = period;
    this.#target = target;
    this.#histories = new Histories(outline);
    const { featureMap } = outline;
    this.#learner =
      featureMap && startLearner({ ...outline, featureMap: featureMap.id, dimensions: featureMap.dimensions, target });
  }

  take(event: StoredEvent): void {
    if (!this.#learner) return;
    if (event.type === 'decided' && isWithin(event.time, this.#period)) this.#ask(event, this.#learner.policy);
    if (event.type === 'completed') this.#settle(event);
    const history = this.#histories.before(event);
    try {
      this.#learner.fold(event, history);
    } catch {
      // The gateway skipped this event in the same way.
    }
    this.#histories.keep(event, history);
  }

  #ask(decided: DecidedEvent, policy: Policy): void {
    this.#decisions++;
    // A clock that was set back wrote later decisions with earlier times.
    this.#first = Math.min(this.#first ?? decided.time, decided.time);
    this.#last = Math.max(this.#last ?? decided.time, decided.time);
    this.#questions.set(decided.decisionId, { decided, answer: this.#answer(decided, policy) });
  }

  #answer(decided: DecidedEvent, policy: Policy): OfferAssessment[] | LeftOut {
    const { decision, context } = decided;
    const notDrawn = whyNotDrawn(decision);
    if (notDrawn) return notDrawn;
    const { id, dimensions } = this.#outline.featureMap ?? { id: '', dimensions: 0 };
    if (context.featureMap !== id || context.values.length !== dimensions) return 'other_features';
    if (!this.#target.exploration && !isExplorationKind(decision.exploration)) return 'unknown_exploration';
    try {
      const assessments = targetAssessments(decided, Float64Array.from(context.values), policy, this.#target);
      return assessments.length > 0 ? assessments : 'unservable';
    } catch {
      return 'undecidable';
    }
  }

  #settle(completed: CompletedEvent): void {
    const question = this.#questions.get(completed.decisionId);
    if (!question) return;
    this.#questions.delete(completed.decisionId);
    const { decided, answer } = question;
    const { arm, costUsd } = completed;
    if (typeof answer === 'string') this.#leaveOut(answer);
    else if (arm === null || costUsd === null || !Number.isFinite(costUsd)) this.#leaveOut('unanswered');
    else this.#use(decided, answer, { arm, costUsd });
  }

  #use(decided: DecidedEvent, assessments: OfferAssessment[], answered: { arm: string; costUsd: number }): void {
    const { decision, decisionId } = decided;
    const { models = null } = this.#target;
    const chosen = assessments.find(({ arm }) => arm === decision.arm);
    const explained = explanationOf(decision, decision.arm);
    const expected = (of: (assessment: OfferAssessment) => number) =>
      assessments.reduce((sum, assessment) => sum + assessment.propensity * of(assessment), 0);
    const sample: Sample = {
      arm: decision.arm,
      ratio: (chosen?.propensity ?? 0) / decision.propensity,
      quality: ratedQuality(activeRatings(this.#outline.ratingEvents.get(decisionId) ?? []), isAsked(decision.ask)),
      costUsd: answered.costUsd,
      isOutcomeUnknown: models !== null && answered.arm !== decision.arm && !models.includes(answered.arm),
      weight: targetWeight(decision, this.#target),
      // For a model that the target does not have, the prediction does not matter, because its ratio is 0.
      predicted: { quality: chosen?.quality ?? 0, costUsd: chosen?.costUsd ?? explained?.costUsd ?? 0 },
      expected: { quality: expected(({ quality }) => quality), costUsd: expected((assessment) => assessment.costUsd) },
    };
    this.#samples.push(sample);
    this.#unitUsd += decision.referenceMeanCostUsd;
    if (decision.propensity >= 1) this.#certain++;
    if (decision.arms.some(({ cachedTokens = 0 }) => cachedTokens > 0)) this.#continued++;
    if (hasOwnWeight(decision)) this.#ownWeights++;
    this.#tally.add(sample, new Map(decision.arms.map(({ arm, propensity }) => [arm, propensity ?? 0])), assessments);
  }

  #leaveOut(reason: LeftOut): void {
    this.#leftOut[reason] = (this.#leftOut[reason] ?? 0) + 1;
    if (reason === 'unservable') this.#tally.unservable++;
  }

  result(): ReplayedLog {
    for (const { answer } of this.#questions.values())
      this.#leaveOut(typeof answer === 'string' ? answer : 'unanswered');
    this.#questions.clear();
    const { featureMap, candidates } = this.#outline;
    return {
      decisions: this.#decisions,
      first: this.#first,
      last: this.#last,
      featureMap: featureMap?.id ?? null,
      samples: this.#samples,
      certain: this.#certain,
      continued: this.#continued,
      ownWeights: this.#ownWeights,
      tally: this.#tally,
      leftOut: this.#leftOut,
      // When the reference costs nothing on average there is nothing to divide by, so costs count as they are.
      costUnitUsd: this.#unitUsd / Math.max(1, this.#samples.length) || 1,
      neverOffered: (this.#target.models ?? []).filter((model) => !candidates.has(model)),
    };
  }
}

/** Keeps the events of each decision as long as more of them are still to come. */
class Histories {
  readonly #open = new Map<string, { events: StoredEvent[]; completed: boolean; ratingsLeft: number }>();
  readonly #ratingEvents: LogOutline['ratingEvents'];

  constructor({ ratingEvents }: LogOutline) {
    this.#ratingEvents = ratingEvents;
  }

  before({ decisionId }: StoredEvent): readonly StoredEvent[] {
    return decisionId === null ? [] : (this.#open.get(decisionId)?.events ?? []);
  }

  keep(event: StoredEvent, history: readonly StoredEvent[]): void {
    const { decisionId, type } = event;
    if (decisionId === null) return;
    const before = this.#open.get(decisionId);
    const completed = (before?.completed ?? false) || type === 'completed';
    const rating = type === 'rated' || type === 'withdrawn';
    const ratingsLeft = (before?.ratingsLeft ?? this.#ratingEvents.get(decisionId)?.length ?? 0) - Number(rating);
    if (completed && ratingsLeft <= 0) this.#open.delete(decisionId);
    else this.#open.set(decisionId, { events: [...history, event], completed, ratingsLeft });
  }
}
