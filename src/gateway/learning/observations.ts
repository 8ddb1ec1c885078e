import { lengthBeyond } from '../../bandit/length-model.ts';
import type { Observation } from '../../bandit/policy.ts';
import { explanationOf } from '../../domain/decision.ts';
import { completedIn, decidedIn, type GatewayEvent } from '../../domain/events.ts';
import { countingRatings, isImplicit, sharedWeights } from '../../domain/ratings.ts';
import { type Reliability, weighedRating } from '../../domain/reliability.ts';
import { isAsked, selectionWeight } from '../../domain/selection.ts';
import { contextUnder } from '../../features/feature-map.ts';

/** What one event of a decision teaches. */
export type Lesson = Observation & {
  /** The weight of the rating's residual in the drift monitor; absent: 1. */
  driftWeight?: number;
  /**
   * True if nobody requested the rating and its source's ratings are not missing at random, so that it is weighted by
   * its score.
   */
  isVolunteered?: boolean;
  /** The error rates of the rating's source that the reward was corrected for; absent if it was not corrected. */
  reliability?: Reliability;
};

/**
 * Everything that the events of one decision teach, by a key that identifies each lesson. A pure function, and the only
 * place that says what an event means to the learner: folding an event applies the difference between what the decision
 * teaches with it and without it. So the order of arrival does not matter, and taking a rating back is exact.
 */
export function observationsOf(
  events: readonly GatewayEvent[],
  featureMap: string,
  dimensions: number,
): Map<string, Lesson> {
  const lessons = new Map<string, Lesson>();
  const decided = decidedIn(events);
  const completed = completedIn(events);
  // The lesson is for the model that answered, whichever was chosen first.
  const arm = completed?.arm;
  if (!decided || !completed || !arm) return lessons;

  const context = contextUnder(decided.context, featureMap, dimensions);
  // An estimate would only teach back the assumption it was made from.
  const usage = completed.usageEstimated ? null : completed.usage;
  // For several choices only the sum is reported, but the prediction is for one.
  const single = (decided.decision.choices ?? 1) === 1;
  if (completed.outcome === 'ok' && single && usage && usage.outputTokens > 0) {
    const explanation = explanationOf(decided.decision, arm);
    const predictedTokens = explanation?.modelOutputTokens ?? null;
    const { outputTokens } = usage;
    // A model whose answers are cut off, e.g. by a monitor that asks for one token, does not write short answers. Where
    // nothing was predicted, a cut answer says nothing about the length.
    const isCut = completed.finishReason === 'length';
    const isPredicted = predictedTokens !== null && predictedTokens > 0;
    const length = isCut && isPredicted ? lengthBeyond(outputTokens, predictedTokens) : { outputTokens, weight: 1 };
    if (isPredicted || !isCut) lessons.set('length', { kind: 'length', arm, context, predictedTokens, ...length });
  }
  for (const rating of countingRatings(events)) {
    const selection = selectionWeight(rating.score, isAsked(decided.decision.ask), rating.volunteered ?? null);
    if (selection === 0) continue;
    const { reliability = null } = rating;
    const { reward, weight } = weighedRating(rating.score, reliability);
    const lesson: Lesson = { kind: 'quality', arm, context, reward, weight: weight * selection * (rating.weight ?? 1) };
    if (reliability) lesson.reliability = reliability;
    if (rating.volunteered && !isAsked(decided.decision.ask)) lesson.isVolunteered = true;
    // The residuals of volunteers have a mean of 0 only if they are weighted by `selection`.
    if (selection !== 1) lesson.driftWeight = selection;
    // A low score assumed by rule is not a sample of the quality.
    if (isImplicit(rating)) lesson.driftWeight = 0;
    lessons.set(rating.feedbackId, lesson);
  }
  // A rating that the policy will refuse must not take weight from the others. Volunteers' ratings are weighted by
  // score, to correct for who rates; if they shared weights by their sum, bad answers would count differently from good
  // ones.
  const ratings = [...lessons].filter(
    ([, lesson]) =>
      lesson.kind === 'quality' && Number.isFinite(lesson.weight * lesson.reward) && !lesson.isVolunteered,
  );
  const weights = sharedWeights(ratings.map(([, { weight }]) => weight));
  for (const [i, [key, lesson]] of ratings.entries()) lessons.set(key, { ...lesson, weight: weights[i] });
  return lessons;
}
