import {
  type Launch,
  NothingAffordable,
  type Offer,
  type OfferAssessment,
  type QualityGuard,
} from '../bandit/policy.ts';
import { type Arm, ratesFor } from '../domain/arm.ts';
import type { RequestProfile } from '../domain/context.ts';
import { type ArmExplanation, type Decision, explanationOf } from '../domain/decision.ts';
import { GatewayError, untilRenewed } from '../domain/errors.ts';
import type { ExplorationKind } from '../domain/exploration.ts';
import { messageOf } from '../util/message-of.ts';
import type { Random } from '../util/random.ts';
import { leftOfDayMs } from '../util/utc-day.ts';
import { Candidates, type CandidatesOptions } from './candidates.ts';
import { best, flips } from './explain.ts';
import type { ArmConditions, RouteQuery, RoutingKnowledge } from './route-query.ts';
import type { RoutingBudgetTarget } from './routing-budget-ledger.ts';

export interface RouterOptions extends CandidatesOptions {
  reference: string;
  exploration: ExplorationKind;
  guard: QualityGuard | null;
  budget: RoutingBudgetTarget | null;
}

/** Filters the arms, scores them, chooses one, and explains the choice. */
export class Router {
  readonly #options: RouterOptions;
  readonly #knowledge: () => RoutingKnowledge;
  readonly #candidates: Candidates;
  readonly #random: Random;
  readonly #arms: ReadonlyMap<string, Arm>;

  constructor(options: RouterOptions, knowledge: () => RoutingKnowledge, conditions: ArmConditions, random: Random) {
    this.#options = options;
    this.#knowledge = knowledge;
    this.#candidates = new Candidates(options, knowledge, conditions);
    this.#random = random;
    this.#arms = new Map(options.arms.map((arm) => [arm.id, arm]));
  }

  /**
   * Decides which arm answers.
   * @throws GatewayError 400 when no arm can serve the request, with the reason for each; the key's budget refusal when
   * the only obstacle is money; 429 when too little is left of the daily routing budget
   */
  decide(query: RouteQuery): Decision {
    const context = Float64Array.from(query.context.values);
    const explanations = this.#candidates.explain(query, context);
    const candidates = explanations.filter((explanation) => explanation.excluded === null);
    try {
      return this.#decideByPolicy(query, context, explanations, candidates);
    } catch (error) {
      if (error instanceof NothingAffordable) throw budgetSpent(query.now);
      return this.#decideByReference(query, explanations, candidates, messageOf(error));
    }
  }

  #offer(candidate: ArmExplanation, query: RouteQuery): Offer {
    const arm = this.#arm(candidate.arm);
    const limit = this.#outputLimit(candidate.arm, query.profile);
    const { cachedTokens = 0 } = candidate;
    const inputTokens = candidate.inputTokens ?? 0;
    const rates = ratesFor(arm.price, inputTokens);
    const inputUsd = ((inputTokens - cachedTokens) * rates.input + cachedTokens * rates.cachedInput) / 1e6;
    return {
      arm: arm.id,
      cost: (outputTokens) => inputUsd + (Math.min(outputTokens, limit) * rates.output) / 1e6,
      penalty: candidate.penalty ?? 0,
      launch: launchOf(candidate),
      awaited: candidate.awaited,
    };
  }

  /** The maximum number of output tokens that an answer can have. */
  #outputLimit(arm: string, { maxOutputTokens }: RequestProfile): number {
    return Math.min(maxOutputTokens ?? Infinity, this.#arm(arm).maxOutputTokens ?? Infinity);
  }

  #decideByPolicy(
    query: RouteQuery,
    context: Float64Array,
    explanations: ArmExplanation[],
    candidates: readonly ArmExplanation[],
  ): Decision {
    const { policy, routingSpend } = this.#knowledge();
    const { reference, exploration, guard, budget } = this.#options;
    const alwaysReference = this.#alwaysReference(query, explanations);
    // The guard judges arms by the predicted quality of their answers, which is no reason to give a tool's result to an
    // arm other than the caller.
    const isMidLoop = query.stayWith?.as === 'tool_calls' && candidates.some(({ arm }) => arm === query.stayWith?.arm);
    const made = policy.decide({
      context,
      offers: candidates.map((candidate) => this.#offer(candidate, query)),
      weight: query.weight,
      reference,
      referenceCost: (here) =>
        this.#referenceCost(
          here === null ? null : here - alwaysReference.savedUsd,
          context,
          explanations,
          query.profile,
        ),
      exploration,
      guard: isMidLoop ? null : guard,
      // The prediction is for one choice.
      costLimitUsd: budget ? routingSpend.limitUsd(budget, query.now) / (query.profile.choices ?? 1) : undefined,
      random: this.#random,
    });
    const taking = made.assessments.filter(({ keptOut }) => keptOut === null);
    const referenceCostUsd = made.assessments.find(({ arm }) => arm === reference)?.costUsd ?? null;
    const before = taking.find(({ arm }) => arm === query.stayWith?.arm);
    const chosen = before ?? made.assessments[made.chosen];
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i];
      explainAssessment(candidate, made.assessments[i], this.#outputLimit(candidate.arm, query.profile));
      // An arm that keeps answering is not drawn, so its propensity is 1 and that of the others 0.
      if (before) candidate.propensity = Number(candidate.arm === before.arm);
    }
    return {
      ...this.#common(query, explanations),
      arm: chosen.arm,
      chosenBy: query.requested ? 'request' : before && query.stayWith ? query.stayWith.as : made.chosenBy,
      propensity: before ? 1 : chosen.propensity,
      referenceMeanCostUsd: made.costUnitUsd,
      referenceCostUsd: referenceCostUsd === null ? null : referenceCostUsd - alwaysReference.savedUsd,
      ...(alwaysReference.savedUsd > 0 && { referenceCachedTokens: alwaysReference.cachedTokens }),
      runnerUp: best(taking.filter(({ arm }) => arm !== chosen.arm)),
      // Where the score did not make the choice, no other weight would have changed it.
      ...(before || made.chosenBy !== 'score'
        ? { flipBelow: null, flipAbove: null }
        : flips(taking, query.weight, made.costUnitUsd)),
    };
  }

  /**
   * What the reference's prompt cache would supply if it had answered the conversation so far. Costs and savings are
   * told against using the reference alone: priced as it is, it would read each conversation anew that another arm
   * holds, and routing would seem to save several times what it does.
   * @returns its cached tokens, and the USD by which its answer would be cheaper for them
   */
  #alwaysReference(
    { heldByReference = 0 }: RouteQuery,
    explanations: readonly ArmExplanation[],
  ): { cachedTokens: number; savedUsd: number } {
    const explanation = explanationOf({ arms: explanations }, this.#options.reference);
    const inputTokens = explanation?.inputTokens ?? 0;
    const cachedTokens = explanation?.cachedTokens ?? 0;
    const longest = Math.min(inputTokens, heldByReference);
    if (longest <= cachedTokens) return { cachedTokens, savedUsd: 0 };
    const { input, cachedInput } = ratesFor(this.#arm(this.#options.reference).price, inputTokens);
    return { cachedTokens: longest, savedUsd: ((longest - cachedTokens) * (input - cachedInput)) / 1e6 };
  }

  /**
   * The reference's mean cost. As long as none is known, what it would cost here, even if it may not answer this query.
   * @param here its predicted cost; null when it is not on offer
   */
  #referenceCost(
    here: number | null,
    context: Float64Array,
    explanations: readonly ArmExplanation[],
    profile: RequestProfile,
  ): number {
    const { policy, statistics } = this.#knowledge();
    const reference = this.#arm(this.#options.reference);
    const mean = statistics.referenceCost(reference, here);
    if (mean > 0 || here !== null) return mean;
    const explanation = explanations.find(({ arm }) => arm === reference.id);
    if (!explanation) return mean;
    const outputTokens = Math.min(
      policy.expectedOutputTokens(reference.id, context),
      this.#outputLimit(reference.id, profile),
    );
    const inputTokens = explanation.inputTokens ?? 0;
    const { input, output } = ratesFor(reference.price, inputTokens);
    return (inputTokens * input + outputTokens * output) / 1e6;
  }

  /**
   * Used when the learner gave no usable numbers: the arm that answered before keeps answering; otherwise the reference
   * arm answers, or the first one that can.
   */
  #decideByReference(
    query: RouteQuery,
    explanations: ArmExplanation[],
    candidates: ArmExplanation[],
    reason: string,
  ): Decision {
    const before = candidates.find(({ arm }) => arm === query.stayWith?.arm);
    const chosen = before ?? candidates.find(({ arm }) => arm === this.#options.reference) ?? candidates[0];
    return {
      ...this.#common(query, explanations),
      arm: chosen.arm,
      chosenBy: query.requested ? 'request' : before && query.stayWith ? query.stayWith.as : 'reference',
      degraded: `learner: ${reason}`,
      propensity: 1,
      referenceMeanCostUsd: 0,
      referenceCostUsd: null,
      runnerUp: null,
      flipBelow: null,
      flipAbove: null,
    };
  }

  #common(query: RouteQuery, arms: ArmExplanation[]) {
    const { needs, inputCharacters, inputBytes, inputEastAsianBytes, images, choices, attached } = query.profile;
    return {
      degraded: null,
      weight: query.weight,
      weightFrom: query.weightFrom,
      ...(query.budgetWeight !== undefined && { budgetWeight: query.budgetWeight }),
      budgetUsd: this.#options.budget && this.#knowledge().routingSpend.targetUsd(this.#options.budget, query.now),
      exploration: this.#options.exploration,
      guard: this.#options.guard,
      reference: this.#options.reference,
      featureMap: query.context.featureMap,
      tag: query.tag,
      needs,
      inputCharacters,
      inputBytes,
      ...(inputEastAsianBytes !== undefined && { inputEastAsianBytes }),
      images,
      ...(attached && attached.likely > 0 && { attachedTokens: attached.likely }),
      ...(query.keyBudget?.strict && { strictBudget: true as const }),
      choices,
      arms,
    };
  }

  #arm(id: string): Arm {
    return this.#arms.get(id) as Arm;
  }
}

/**
 * Assigns field by field: spreading objects of twenty fields for every arm of every request takes longer than
 * predicting.
 */
function explainAssessment(explanation: ArmExplanation, made: OfferAssessment, outputLimit: number): void {
  explanation.excluded = made.keptOut && KEPT_OUT[made.keptOut];
  explanation.keptOut = made.keptOut;
  explanation.quality = made.quality;
  explanation.qualitySd = made.qualitySd;
  explanation.exploredQuality = made.exploredQuality;
  explanation.outputTokens = Math.min(made.outputTokens, outputLimit);
  explanation.modelOutputTokens = made.modelOutputTokens;
  explanation.costUsd = made.costUsd;
  explanation.score = made.score;
  explanation.propensity = made.propensity;
}

/**
 * What the policy needs to know about the arm's launch; null for an arm without one, and for events that do not record
 * it.
 */
export function launchOf({ launch }: Pick<ArmExplanation, 'launch'>): Launch | null {
  if (launch?.wide === undefined || launch.forced === undefined) return null;
  return { wide: launch.wide, forced: launch.forced };
}

/** Error code of the refusal when too little is left of the daily routing budget. */
export const BUDGET_SPENT = 'budget_spent';

const KEPT_OUT = {
  quality: "its predicted quality is below the quality target's share of the best",
  cost: "it would cost more than half of what is left of the day's budget",
};

/** @param now milliseconds since the epoch */
function budgetSpent(now: number): GatewayError {
  return new GatewayError(
    429,
    "Every model that could answer would cost more than half of what is left of today's budget; the day ends at midnight UTC.",
    {
      type: 'insufficient_quota',
      code: BUDGET_SPENT,
      responseHeaders: untilRenewed(leftOfDayMs(now)),
    },
  );
}
