import { type Arm, upstreamOf } from '../domain/arm.ts';
import type { ArmExplanation } from '../domain/decision.ts';
import { GatewayError } from '../domain/errors.ts';
import { unaffordableReason, worstCaseUsd } from './affordable.ts';
import { usualTokensPerByte } from './arm-statistics.ts';
import { estimatedInputTokens, exclusionReason, isTooLong } from './eligibility.ts';
import type { LaunchLimits } from './launches.ts';
import { expectedWait, type LatencyPenaltyOptions, latencyPenalty } from './load.ts';
import type { ArmConditions, RouteQuery, RoutingKnowledge } from './route-query.ts';
import { overdueSeconds } from './silence.ts';

export interface CandidatesOptions {
  arms: readonly Arm[];
  latency: LatencyPenaltyOptions;
  launch: LaunchLimits;
  /** The longest pause, in seconds, that an upstream may ask for without its arm being left out. */
  patienceS: number;
}

/**
 * Assesses the arms before the policy scores them: which may answer, why others may not, and how long a request would
 * have to wait for each.
 */
export class Candidates {
  readonly #options: CandidatesOptions;
  readonly #knowledge: () => RoutingKnowledge;
  readonly #conditions: ArmConditions;

  constructor(options: CandidatesOptions, knowledge: () => RoutingKnowledge, conditions: ArmConditions) {
    this.#options = options;
    this.#knowledge = knowledge;
    this.#conditions = conditions;
  }

  /**
   * Explains every arm.
   * @param context the query's context, as the policy takes it
   * @returns every arm in the config's order, at least one of them not excluded; fields that need a score are null
   * @throws GatewayError 400 when no arm can serve the request, with the reason for each; the key's budget refusal when
   * the only obstacle is money
   */
  explain(query: RouteQuery, context: Float64Array): ArmExplanation[] {
    const explanations = this.#options.arms.map((arm) => this.#explain(arm, query, context));
    if (explanations.every(({ excluded }) => excluded !== null)) this.#admitMisjudged(explanations, query, context);
    this.#leaveOutLacking(explanations, query);
    this.#leaveOutUnavailable(explanations);
    if (explanations.some(({ excluded }) => excluded === null)) return explanations;
    const { keyBudget } = query;
    if (keyBudget && explanations.some(({ worstCaseUsd = 0 }) => !(worstCaseUsd <= keyBudget.leftUsd)))
      throw keyBudget.refusal();
    throw noCandidate(explanations);
  }

  #explain(arm: Arm, query: RouteQuery, context: Float64Array): ArmExplanation {
    const { policy, statistics, launches, awaitedRatings } = this.#knowledge();
    const { launch: limits } = this.#options;
    const launch = launches.launchOf(arm.id, limits, query.now);
    const counted = query.countedInput?.get(upstreamOf(arm));
    const tokensPerByte = statistics.tokensPerByte(arm.id, query.profile);
    const inputTokens = estimatedInputTokens(query.profile, tokensPerByte, counted);
    const { load, rateLimits, silence } = this.#conditions;
    const serviceS = statistics.serviceSeconds(arm.id);
    const queueS = expectedWait(load.inFlight(arm.id), arm.maxConcurrency, serviceS);
    const overdueS = overdueSeconds(silence.secondsOf(arm.id), serviceS);
    const waitS = Math.max(queueS, overdueS, rateLimits.waitSeconds(arm.id));
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
      awaited: awaitedRatings.of(arm.id),
      inputTokens,
      cachedTokens: Math.min(inputTokens, query.cachedTokens?.get(upstreamOf(arm)) ?? 0),
      outputTokens: null,
      modelOutputTokens: null,
      costUsd: null,
      launch: launch && { ...launch, of: limits.tries },
      waitS,
      penalty: latencyPenalty(waitS, this.#options.latency),
      score: null,
      propensity: null,
    };
    if (worstCaseUsd !== undefined) explanation.worstCaseUsd = worstCaseUsd;
    return explanation;
  }

  /**
   * Admits arms into whose context window the request fits by the usual number of tokens per byte. Their own number may
   * come from denser traffic (minified JSON, say), or from none, which must not be the only reason to refuse a request: if
   * it is too long, the upstream will say so, and otherwise its count is learned from.
   */
  #admitMisjudged(explanations: readonly ArmExplanation[], query: RouteQuery, context: Float64Array): void {
    for (const [i, explanation] of explanations.entries()) {
      if (!isTooLong(explanation.excluded)) continue;
      const arm = this.#options.arms[i];
      const counted = query.countedInput?.get(upstreamOf(arm));
      const usualTokens = estimatedInputTokens(query.profile, usualTokensPerByte(query.profile), counted);
      const inputTokens = explanation.inputTokens ?? usualTokens;
      Object.assign(explanation, this.#eligibility(arm, query, inputTokens, context, usualTokens));
    }
  }

  /**
   * @param inputTokens that the request is expected to cost
   * @param fittingTokens that must fit into the context window
   */
  #eligibility(
    arm: Arm,
    query: RouteQuery,
    inputTokens: number,
    context: Float64Array,
    fittingTokens = inputTokens,
  ): Pick<ArmExplanation, 'excluded' | 'worstCaseUsd'> {
    const excluded = this.#exclusion(arm, query, fittingTokens);
    const { keyBudget, profile } = query;
    if (!keyBudget) return { excluded };
    if (excluded !== null) return { excluded, worstCaseUsd: 0 };
    const expected = this.#knowledge().policy.expectedOutputTokens(arm.id, context);
    const worst = worstCaseUsd(arm, profile, inputTokens, expected, keyBudget);
    return {
      // Written this way round so that NaN does not pass.
      excluded: worst <= keyBudget.leftUsd ? null : unaffordableReason(worst, keyBudget.leftUsd),
      worstCaseUsd: worst,
    };
  }

  /**
   * Leaves out arms whose provider cannot answer in the requested form (`n`, log probabilities, …) or take a video,
   * unless no candidate can; the answer then names what was dropped. A tool's result always goes back to the arm that
   * called the tool.
   */
  #leaveOutLacking(explanations: readonly ArmExplanation[], { profile, stayWith }: RouteQuery): void {
    const { forms = [] } = profile;
    if (forms.length === 0 || stayWith?.as === 'tool_calls') return;
    const lacking = this.#options.arms.map(({ unsupportedForms }) =>
      forms.filter((form) => unsupportedForms.includes(form)),
    );
    const canServe = explanations.map(({ excluded }) => excluded === null);
    if (!canServe.some((can, i) => can && lacking[i].length === 0)) return;
    for (const [i, explanation] of explanations.entries()) {
      if (!canServe[i] || lacking[i].length === 0) continue;
      explanation.excluded = `its provider's API does not support ${lacking[i].join(', ')}, and another candidate's does`;
    }
  }

  /**
   * Leaves out arms whose breaker is open, or whose upstream asked for a long pause, unless no other candidate is left:
   * a poor chance is better than none.
   */
  #leaveOutUnavailable(explanations: readonly ArmExplanation[]): void {
    const { breakers, rateLimits } = this.#conditions;
    if (!breakers.allClosed) leaveOut(explanations, ({ arm }) => breakers.reason(arm));
    if (rateLimits.none) return;
    const paused = leaveOut(explanations, ({ arm }) => rateLimits.reason(arm, this.#options.patienceS));
    for (const explanation of paused) explanation.paused = true;
  }

  /** A client that names an arm knows what it can do, so only the permission to use it is checked. */
  #exclusion(arm: Arm, query: RouteQuery, inputTokens: number): string | null {
    if (!query.requested) return exclusionReason(arm, query.profile, inputTokens, query.allowed);
    return query.requested.id === arm.id ? null : 'the request names another model';
  }
}

/**
 * Excludes the candidates for which there is a reason, unless there is one for all of them.
 * @returns the candidates that were excluded
 */
function leaveOut(
  explanations: readonly ArmExplanation[],
  reasonOf: (candidate: ArmExplanation) => string | null,
): readonly ArmExplanation[] {
  const candidates = explanations.filter(({ excluded }) => excluded === null);
  const reasons = new Map(candidates.map((candidate) => [candidate, reasonOf(candidate)]));
  const out = candidates.filter((candidate) => reasons.get(candidate) !== null);
  if (out.length === candidates.length) return [];
  for (const candidate of out) candidate.excluded = reasons.get(candidate) ?? null;
  return out;
}

function noCandidate(explanations: readonly ArmExplanation[]): GatewayError {
  const reasons = explanations.map(({ arm, excluded }) => `${arm}: ${excluded}`).join('; ');
  // Use OpenAI's own code if a shorter request would help, because agents shorten the conversation when they see it.
  const codes = explanations.some(({ excluded }) => isTooLong(excluded))
    ? { param: 'messages', code: 'context_length_exceeded' }
    : { param: 'model', code: 'no_eligible_model' };
  return new GatewayError(400, `No model can serve this request. ${reasons}.`, codes);
}
