import { lengthBeyond } from '../../bandit/length-model.ts';
import type { Observation } from '../../bandit/policy.ts';
import type { CompletedEvent, DecidedEvent, GatewayEvent } from '../../domain/events.ts';
import { countingRatings, isImplicit, sharedWeights } from '../../domain/ratings.ts';
import { type Reliability, weighedRating } from '../../domain/reliability.ts';
import { isAsked, selectionWeight } from '../../domain/selection.ts';
import { contextUnder } from '../../features/feature-map.ts';

/** What one event of a decision teaches. */
export type Lesson = Observation & {
  /** What a rating's residual counts in the drift monitor; absent: as a whole one. */
  driftWeight?: number;
  /** A rating that nobody asked for, of a source whose ratings are not missing at random: it counts by its score. */
  isVolunteered?: boolean;
  /** How a rating's source errs, by which its reward was corrected; absent: it was not. */
  reliability?: Reliability;
};

/**
 * All that the events of one decision teach, by a key that names each lesson. Pure, and the only place that says
 * what an event means to the learner: folding an event is the difference between what the decision teaches with it
 * and without it. So the order of arrival does not matter, and taking a rating back is exact.
 */
export function observationsOf(
  events: readonly GatewayEvent[],
  featureMap: string,
  dimensions: number,
): Map<string, Lesson> {
  const lessons = new Map<string, Lesson>();
  const decided = events.find((event): event is DecidedEvent => event.type === 'decided');
  const completed = events.find((event): event is CompletedEvent => event.type === 'completed');
  // The model that answered is the one that is taught, whichever was chosen first.
  const arm = completed?.arm;
  if (!decided || !completed || !arm) return lessons;

  const context = contextUnder(decided.context, featureMap, dimensions);
  // An estimate would teach what was assumed.
  const usage = completed.usageEstimated ? null : completed.usage;
  // Of several answers at once only their sum is told, and a prediction is of one.
  const single = (decided.decision.choices ?? 1) === 1;
  if (completed.outcome === 'ok' && single && usage && usage.outputTokens > 0) {
    const explanation = decided.decision.arms.find((candidate) => candidate.arm === arm);
    const predictedTokens = explanation?.modelOutputTokens ?? null;
    const { outputTokens } = usage;
    // A monitor that asks for one token does not make short answers.
    const isCut = completed.finishReason === 'length' && predictedTokens !== null && predictedTokens > 0;
    const length = isCut ? lengthBeyond(outputTokens, predictedTokens) : { outputTokens, weight: 1 };
    lessons.set('length', { kind: 'length', arm, context, predictedTokens, ...length });
  }
  for (const rating of countingRatings(events)) {
    const selection = selectionWeight(rating.score, isAsked(decided.decision.ask), rating.volunteered ?? null);
    if (selection === 0) continue;
    const { reliability = null } = rating;
    const { reward, weight } = weighedRating(rating.score, reliability);
    const lesson: Lesson = { kind: 'quality', arm, context, reward, weight: weight * selection * (rating.weight ?? 1) };
    if (reliability) lesson.reliability = reliability;
    if (rating.volunteered && !isAsked(decided.decision.ask)) lesson.isVolunteered = true;
    // Residuals of volunteers have a mean of 0 only with their weights.
    if (selection !== 1) lesson.driftWeight = selection;
    // What is taken for a low score by rule is no sample of the quality.
    if (isImplicit(rating)) lesson.driftWeight = 0;
    lessons.set(rating.feedbackId, lesson);
  }
  // What the policy will refuse takes nothing from the others. Volunteers' weights go by the score, to make up for who rates:
  // with a share that goes by their sum, bad answers would count otherwise than good ones.
  const ratings = [...lessons].filter(
    ([, lesson]) =>
      lesson.kind === 'quality' && Number.isFinite(lesson.weight * lesson.reward) && !lesson.isVolunteered,
  );
  const weights = sharedWeights(ratings.map(([, { weight }]) => weight));
  for (const [i, [key, lesson]] of ratings.entries()) lessons.set(key, { ...lesson, weight: weights[i] });
  return lessons;
}
