import { type ArmExplanation, type Decision, explanationOf, type Flip } from '../domain/decision.ts';
import { type CompletedEvent, completedIn, decidedIn, type RatedEvent, type StoredEvent } from '../domain/events.ts';
import { inclusionWeight, isAsked } from '../domain/selection.ts';
import { rounded } from './rounded.ts';

/**
 * Renders a decision as JSON for people and programs: what was predicted and chosen, and what would change the choice.
 */
export function renderDecision(decision: Decision) {
  return {
    object: 'mixllm.decision',
    model: decision.arm,
    provider: explanationOf(decision, decision.arm)?.provider ?? null,
    chosen_by: decision.chosenBy,
    degraded: decision.degraded,
    weight: decision.weight,
    weight_from: decision.weightFrom,
    budget_usd: decision.budgetUsd ?? null,
    exploration: decision.exploration,
    propensity: decision.propensity,
    reference: {
      model: decision.reference,
      mean_cost_usd: decision.referenceMeanCostUsd,
      cost_usd: decision.referenceCostUsd,
      // Where it differs from what the reference itself has cached.
      ...(decision.referenceCachedTokens !== undefined && { cached_tokens: decision.referenceCachedTokens }),
    },
    query: {
      tag: decision.tag,
      needs: decision.needs,
      input_characters: decision.inputCharacters,
      input_bytes: decision.inputBytes ?? null,
      images: decision.images,
      // The costs below are per choice.
      n: decision.choices ?? 1,
      feature_map: decision.featureMap,
    },
    runner_up: decision.runnerUp && { model: decision.runnerUp.arm, score: decision.runnerUp.score },
    // With a weight above `above` or below `below`, another model would have been best.
    flip_weight: { below: renderFlip(decision.flipBelow), above: renderFlip(decision.flipAbove) },
    models: decision.arms.map(renderArm),
  };
}

function renderFlip(flip: Flip | null) {
  return flip && { weight: flip.weight, model: flip.arm };
}

function renderArm(arm: ArmExplanation) {
  return {
    model: arm.arm,
    provider: arm.provider,
    eligible: arm.excluded === null,
    excluded: arm.excluded,
    quality: arm.quality,
    quality_sd: arm.qualitySd,
    explored_quality: arm.exploredQuality,
    ratings: rounded(arm.ratings),
    awaited_ratings: arm.awaited ?? null,
    input_tokens: arm.inputTokens,
    cached_tokens: arm.cachedTokens ?? 0,
    output_tokens: arm.outputTokens,
    cost_usd: arm.costUsd,
    // Present only when the key has a budget.
    worst_case_cost_usd: arm.worstCaseUsd,
    launch: renderLaunch(arm.launch),
    expected_wait_s: arm.waitS,
    penalty: arm.penalty,
    score: arm.score,
    propensity: arm.propensity,
  };
}

/** Null once the launch is over, and for old events, which do not say whether it was over. */
function renderLaunch(launch: ArmExplanation['launch']): string | null {
  if (!launch || (launch.wide === false && launch.forced === false)) return null;
  return `new, ${launch.tries} of ${launch.of}`;
}

/** Renders everything known about a decision: how it was made, how it went, and how it was rated. */
export function renderDecisionRecord(events: readonly StoredEvent[], activeRatings: readonly RatedEvent[]) {
  const decided = decidedIn(events);
  const completed = completedIn(events);
  const active = new Set(activeRatings.map(({ feedbackId }) => feedbackId));
  const ratings = events.filter((event) => event.type === 'rated');
  return {
    id: events[0].decisionId,
    ...(decided && {
      ...renderDecision(decided.decision),
      created: Math.floor(decided.time / 1000),
      requested_model: decided.requestedModel,
      request_id: decided.requestId,
      key: decided.key,
      stream: decided.stream,
      // A request that failed cannot be rated.
      ask_feedback: isAsked(decided.decision.ask) && completed?.arm !== null,
    }),
    outcome: completed ? renderOutcome(completed) : null,
    ratings: ratings.map((rating) => ({
      feedback_id: rating.feedbackId,
      score: rating.score,
      source: rating.source,
      comment: rating.comment,
      created: Math.floor(rating.time / 1000),
      // For an audited answer: the inverse of the fraction that is audited.
      inclusion_weight: decided ? inclusionWeight(decided.decision.ask) : null,
      // False once the rating was withdrawn or replaced by a later rating from the same source.
      active: active.has(rating.feedbackId),
    })),
  };
}

function renderOutcome(completed: CompletedEvent) {
  const { usage } = completed;
  return {
    result: completed.outcome,
    status: completed.status,
    answered_by: completed.arm,
    completion_id: completed.completionId,
    served_model: completed.servedModel,
    finish_reason: completed.finishReason,
    usage: usage && {
      prompt_tokens: usage.inputTokens,
      cached_prompt_tokens: usage.cachedInputTokens,
      cache_write_tokens: usage.cacheWriteTokens,
      // Omitted from the JSON when undefined. They cost more than other writes.
      hour_cache_write_tokens: usage.hourCacheWriteTokens,
      completion_tokens: usage.outputTokens,
      estimated: completed.usageEstimated,
    },
    cost_usd: completed.costUsd,
    time_to_first_token_ms: completed.timeToFirstTokenMs,
    latency_ms: completed.latencyMs,
    overhead_ms: completed.overheadMs,
    attempts: completed.attempts.map(({ arm, result, status, code, durationMs }) => ({
      model: arm,
      result,
      status,
      // Omitted from the JSON when undefined.
      code,
      duration_ms: durationMs,
    })),
  };
}
