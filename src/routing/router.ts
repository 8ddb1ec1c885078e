import {
  type ExplorationKind,
  type Launch,
  NothingAffordable,
  type Offer,
  type OfferAssessment,
  type Policy,
  type QualityGuard,
} from '../bandit/policy.ts';
import type { Arm } from '../domain/arm.ts';
import type { Context, RequestProfile } from '../domain/context.ts';
import type { ArmExplanation, ChosenBy, Decision } from '../domain/decision.ts';
import { GatewayError, messageOf, untilRenewed } from '../domain/errors.ts';
import type { Random } from '../util/random.ts';
import { type RouteBudget, unaffordableReason, worstCaseUsd } from './affordable.ts';
import type { ArmStatistics } from './arm-statistics.ts';
import type { Breakers } from './breaker.ts';
import { type BudgetLedger, type BudgetTarget, leftOfDayMs } from './budget-ledger.ts';
import { estimatedInputTokens, exclusionReason } from './eligibility.ts';
import { flips, runnerUp } from './explain.ts';
import type { Launches, LaunchLimits } from './launches.ts';
import { expectedWait, type LatencyPenaltyOptions, type Load, latencyPenalty } from './load.ts';
import type { RateLimits } from './rate-limits.ts';

/** What the router knows of the arms: shared with the learner, which keeps it up to date. */
export interface RoutingKnowledge {
  policy: Policy & { ratingsOf(arm: string): number; expectedOutputTokens(arm: string, x: Float64Array): number };
  statistics: ArmStatistics;
  launches: Launches;
  ledger: BudgetLedger;
}

export interface RouterOptions {
  arms: readonly Arm[];
  reference: string;
  exploration: ExplorationKind;
  latency: LatencyPenaltyOptions;
  launch: LaunchLimits;
  guard: QualityGuard | null;
  budget: BudgetTarget | null;
}

/** An arm that answered before, and as what it answers again. */
export interface StayWith {
  arm: string;
  as: Extract<ChosenBy, 'session' | 'tool_calls'>;
}

export interface RouteQuery {
  context: Context;
  profile: RequestProfile;
  /** The kind of query; null when the embedder failed. Explains the decision, and has no part in it. */
  tag: string | null;
  /** The arm that the client named, or null to choose. */
  requested: Arm | null;
  allowed: ReadonlySet<string> | null;
  /** What is left of the key's budget; absent or null: no matter. */
  budget?: RouteBudget | null;
  /** The arm that is to go on answering where it can; null: whichever is best. */
  stayWith: StayWith | null;
  /** By arm: input tokens that its upstream is likely to read from its prompt cache; absent ones: none. */
  cachedTokens?: ReadonlyMap<string, number>;
  weight: number;
  weightFrom: Decision['weightFrom'];
  /** Milliseconds since the epoch. */
  now: number;
}

/** How the arms fare at this moment, counted where they are called. In one process. */
export interface ArmConditions {
  load: Load;
  breakers: Breakers;
  rateLimits: RateLimits;
}

/** Filters the arms, scores them, chooses, and says why. */
export class Router {
  readonly #options: RouterOptions;
  readonly #knowledge: () => RoutingKnowledge;
  readonly #conditions: ArmConditions;
  readonly #random: Random;
  readonly #arms: ReadonlyMap<string, Arm>;

  constructor(options: RouterOptions, knowledge: () => RoutingKnowledge, conditions: ArmConditions, random: Random) {
    this.#options = options;
    this.#knowledge = knowledge;
    this.#conditions = conditions;
    this.#random = random;
    this.#arms = new Map(options.arms.map((arm) => [arm.id, arm]));
  }

  /**
   * @throws GatewayError 400 when no arm can serve the request, with the reason of each; the refusal of the key's budget
   * when only money is missing; 429 when too little is left of the day's budget of routing
   */
  decide(query: RouteQuery): Decision {
    const context = Float64Array.from(query.context.values);
    const explanations = this.#options.arms.map((arm) => this.#explain(arm, query, context));
    this.#leaveOutBroken(explanations);
    const candidates = explanations.filter((explanation) => explanation.excluded === null);
    if (candidates.length === 0) {
      const { budget } = query;
      if (budget && explanations.some(({ worstCaseUsd = 0 }) => worstCaseUsd > budget.leftUsd)) throw budget.refusal();
      throw noCandidate(explanations);
    }
    try {
      return this.#decideByPolicy(query, context, explanations, candidates);
    } catch (error) {
      if (error instanceof NothingAffordable) throw budgetSpent(query.now);
      return this.#decideByReference(query, explanations, candidates, messageOf(error));
    }
  }

  #explain(arm: Arm, query: RouteQuery, context: Float64Array): ArmExplanation {
    const { policy, statistics, launches } = this.#knowledge();
    const { launch: limits } = this.#options;
    const progress = launches.progressOf(arm.id);
    const inputTokens = estimatedInputTokens(query.profile, statistics.tokensPerCharacter(arm.id));
    const { load, rateLimits } = this.#conditions;
    const queueS = expectedWait(load.inFlight(arm.id), arm.maxConcurrency, statistics.serviceSeconds(arm.id));
    const waitS = Math.max(queueS, rateLimits.waitSeconds(arm.id));
    const { excluded, worstCaseUsd } = this.#eligibility(arm, query, inputTokens, context);
    const explanation: ArmExplanation = {
      arm: arm.id,
      provider: arm.provider,
      excluded,
      keptOut: null,
      quality: null,
      qualitySd: null,
      exploredQuality: null,
      ratings: policy.ratingsOf(arm.id),
      inputTokens,
      cachedTokens: Math.min(inputTokens, query.cachedTokens?.get(arm.id) ?? 0),
      outputTokens: null,
      modelOutputTokens: null,
      costUsd: null,
      launch: progress && { tries: progress.tries, of: limits.tries, ...launches.launchOf(arm.id, limits) },
      waitS,
      penalty: latencyPenalty(waitS, this.#options.latency),
      score: null,
      propensity: null,
    };
    if (worstCaseUsd !== undefined) explanation.worstCaseUsd = worstCaseUsd;
    return explanation;
  }

  #eligibility(
    arm: Arm,
    query: RouteQuery,
    inputTokens: number,
    context: Float64Array,
  ): Pick<ArmExplanation, 'excluded' | 'worstCaseUsd'> {
    const excluded = this.#exclusion(arm, query, inputTokens);
    const { budget, profile } = query;
    if (!budget) return { excluded };
    if (excluded !== null) return { excluded, worstCaseUsd: 0 };
    const expected = this.#knowledge().policy.expectedOutputTokens(arm.id, context);
    const worst = worstCaseUsd(arm, profile, inputTokens, expected, budget.choices);
    return { excluded: worst > budget.leftUsd ? unaffordableReason(worst, budget.leftUsd) : null, worstCaseUsd: worst };
  }

  /** Leaves out arms whose breaker is open, unless no other candidate is left: a poor chance is better than none. */
  #leaveOutBroken(explanations: readonly ArmExplanation[]): void {
    const { breakers } = this.#conditions;
    if (breakers.allClosed) return;
    const candidates = explanations.filter(({ excluded }) => excluded === null);
    const reasons = candidates.map(({ arm }) => breakers.reason(arm));
    if (!reasons.includes(null)) return;
    for (const [i, candidate] of candidates.entries()) candidate.excluded = reasons[i];
  }

  /** A client that names an arm knows what it can do; only what it may use is checked. */
  #exclusion(arm: Arm, query: RouteQuery, inputTokens: number): string | null {
    if (!query.requested) return exclusionReason(arm, query.profile, inputTokens, query.allowed);
    return query.requested.id === arm.id ? null : 'the request names another model';
  }

  #offer(candidate: ArmExplanation, query: RouteQuery): Offer {
    const arm = this.#arm(candidate.arm);
    const limit = this.#outputLimit(candidate.arm, query.profile);
    const { inputTokens, cachedTokens = 0 } = candidate;
    const inputUsd =
      (((inputTokens ?? 0) - cachedTokens) * arm.price.input + cachedTokens * arm.price.cachedInput) / 1e6;
    return {
      arm: arm.id,
      cost: (outputTokens) => inputUsd + (Math.min(outputTokens, limit) * arm.price.output) / 1e6,
      penalty: candidate.penalty ?? 0,
      launch: launchOf(candidate),
    };
  }

  /** Output tokens that an answer can have at the most. */
  #outputLimit(arm: string, { maxOutputTokens }: RequestProfile): number {
    return Math.min(maxOutputTokens ?? Infinity, this.#arm(arm).maxOutputTokens ?? Infinity);
  }

  #decideByPolicy(
    query: RouteQuery,
    context: Float64Array,
    explanations: ArmExplanation[],
    candidates: readonly ArmExplanation[],
  ): Decision {
    const { policy, statistics, ledger } = this.#knowledge();
    const { reference, exploration, guard, budget } = this.#options;
    // The guard judges answers by prediction: no reason to hand a tool's result to another arm than the one that asked.
    const isMidLoop = query.stayWith?.as === 'tool_calls' && candidates.some(({ arm }) => arm === query.stayWith?.arm);
    const made = policy.decide({
      context,
      offers: candidates.map((candidate) => this.#offer(candidate, query)),
      weight: query.weight,
      reference,
      referenceCost: (here) => statistics.referenceCost(reference, here),
      exploration,
      guard: isMidLoop ? null : guard,
      // A prediction is of one answer.
      costLimitUsd: budget ? ledger.limitUsd(budget, query.now) / (query.profile.choices ?? 1) : undefined,
      random: this.#random,
    });
    const taking = made.assessments.filter(({ keptOut }) => keptOut === null);
    const referenceCostUsd = made.assessments.find(({ arm }) => arm === reference)?.costUsd ?? null;
    const before = taking.find(({ arm }) => arm === query.stayWith?.arm);
    const chosen = before ?? made.assessments[made.chosen];
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i];
      explainAssessment(candidate, made.assessments[i], this.#outputLimit(candidate.arm, query.profile));
    }
    return {
      ...this.#common(query, explanations),
      arm: chosen.arm,
      chosenBy: query.requested ? 'request' : before && query.stayWith ? query.stayWith.as : made.chosenBy,
      propensity: before ? 1 : chosen.propensity,
      referenceMeanCostUsd: made.costUnitUsd,
      referenceCostUsd,
      runnerUp: runnerUp(taking),
      ...flips(taking, query.weight, made.costUnitUsd),
    };
  }

  /** The learner gave no usable numbers: who answered before goes on, else the reference arm answers, or the first that can. */
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
    const { needs, inputCharacters, images, choices } = query.profile;
    return {
      degraded: null,
      weight: query.weight,
      weightFrom: query.weightFrom,
      budgetUsd: this.#options.budget && this.#knowledge().ledger.targetUsd(this.#options.budget, query.now),
      exploration: this.#options.exploration,
      guard: this.#options.guard,
      reference: this.#options.reference,
      featureMap: query.context.featureMap,
      tag: query.tag,
      needs,
      inputCharacters,
      images,
      choices,
      arms,
    };
  }

  #arm(id: string): Arm {
    return this.#arms.get(id) as Arm;
  }
}

/** Field by field: spreading objects of twenty fields for every arm of every request takes longer than predicting. */
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

/** What the policy is to know of the arm's launch. Null for an arm without one, and in events that do not tell. */
export function launchOf({ launch }: Pick<ArmExplanation, 'launch'>): Launch | null {
  if (launch?.wide === undefined || launch.forced === undefined) return null;
  return { wide: launch.wide, forced: launch.forced };
}

const KEPT_OUT = {
  quality: "its predicted quality is below the quality target's share of the best",
  cost: "it would cost more than is left of the day's budget",
};

/** @param now milliseconds since the epoch */
function budgetSpent(now: number): GatewayError {
  return new GatewayError(429, "What is left of today's budget pays for no model; the day ends at midnight UTC.", {
    type: 'insufficient_quota',
    code: 'budget_spent',
    responseHeaders: untilRenewed(leftOfDayMs(now)),
  });
}

function noCandidate(explanations: readonly ArmExplanation[]): GatewayError {
  const reasons = explanations.map(({ arm, excluded }) => `${arm}: ${excluded}`).join('; ');
  return new GatewayError(400, `No model can serve this request. ${reasons}.`, {
    param: 'model',
    code: 'no_eligible_model',
  });
}
