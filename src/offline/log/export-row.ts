import type { Decision } from '../../domain/decision.ts';
import type { RatedEvent } from '../../domain/events.ts';
import { isImplicit } from '../../domain/ratings.ts';
import { weighedRating } from '../../domain/reliability.ts';
import { type FeedbackRequest, inclusionWeight, isAsked, selectionWeight } from '../../domain/selection.ts';
import type { RecordedRow } from '../../recorded/recorded-row.ts';
import { mean } from '../../util/statistics.ts';
import type { DecisionRecord } from './decision-records.ts';

/**
 * A decision as a line of recorded outcomes with one model: the one that answered. The log contains no prompts, so the
 * line has the features instead. Comments of ratings are not exported, because they may contain anything.
 * @returns null when no model answered
 */
export function exportRow({ decided, completed, ratings }: DecisionRecord): RecordedRow | null {
  const { decision, context } = decided;
  const { choices = 1 } = decision;
  if (!completed || completed.arm === null) return null;
  return {
    id: decided.decisionId,
    task: decision.tag,
    prompt: null,
    models: {
      [completed.arm]: {
        quality: meanScore(ratings),
        cost: completed.costUsd,
        inTokens: completed.usage?.inputTokens ?? null,
        outTokens: completed.usage?.outputTokens ?? null,
        latencyS: completed.serviceMs === null ? null : completed.serviceMs / 1000,
      },
    },
    time: isoTime(decided.time),
    ...(decided.key !== null && { key: decided.key }),
    context: { featureMap: context.featureMap, values: Array.from(context.values) },
    weight: decision.weight,
    chosenBy: decision.chosenBy,
    // After a fallback, the answering model's own propensity does not say how probable its answer was.
    propensity: completed.arm === decision.arm ? decision.propensity : null,
    choice: choiceOf(decision),
    outcome: completed.outcome,
    ...(choices > 1 && { choices }),
    ...(completed.usageEstimated && { estimated: true }),
    ...(completed.finishReason === 'length' && { cut: true }),
    ratings: given(ratings).map((rating) => exportRating(rating, decision.ask)),
  };
}

/** What other policies can be estimated from: the answering model alone does not say what could have been chosen. */
function choiceOf({ arm: model, referenceMeanCostUsd, arms }: Decision): NonNullable<RecordedRow['choice']> {
  const candidates = arms.flatMap(({ arm, excluded, propensity, quality, costUsd: cost, penalty }) =>
    excluded === null && propensity !== null ? [[arm, { propensity, quality, cost, ...(penalty && { penalty }) }]] : [],
  );
  return { model, costUnit: referenceMeanCostUsd, candidates: Object.fromEntries(candidates) };
}

/** Adds the learner's interpretation of the rating when that differs from the plain score. */
function exportRating(rating: RatedEvent, ask?: FeedbackRequest): NonNullable<RecordedRow['ratings']>[number] {
  const { source, score, time, reliability = null, volunteered = null } = rating;
  const { reward, weight } = weighedRating(score, reliability);
  const counts = weight * selectionWeight(score, isAsked(ask), volunteered);
  const inclusion = inclusionWeight(ask);
  return {
    source,
    score,
    time: isoTime(time),
    ...(reward !== score && { reward }),
    ...(counts !== 1 && { weight: counts }),
    ...(volunteered && !isAsked(ask) && { volunteered: true }),
    ...(inclusion !== null && { inclusionWeight: inclusion }),
  };
}

/** Leaves out implicit ratings, because a hint from behaviour is not a rating. */
function given(ratings: readonly RatedEvent[]): RatedEvent[] {
  return ratings.filter((rating) => !isImplicit(rating));
}

/** Mean score, 0..1, or null without a rating. */
export function meanScore(ratings: readonly RatedEvent[]): number | null {
  const scores = given(ratings).map(({ score }) => score);
  return scores.length === 0 ? null : mean(scores);
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
