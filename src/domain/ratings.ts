import type { GatewayEvent, RatedEvent } from './events.ts';
import { weighedRating } from './reliability.ts';

/** Per source the latest rating that was not withdrawn. */
export function activeRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const withdrawn = new Set(events.filter((event) => event.type === 'withdrawn').map((event) => event.feedbackId));
  const bySource = new Map<string, RatedEvent>();
  for (const event of events) {
    if (event.type === 'rated' && !withdrawn.has(event.feedbackId)) bySource.set(event.source, event);
  }
  return [...bySource.values()];
}

/**
 * The quality that ratings of one answer speak for: their mean, each corrected for how its source errs and weighed by the
 * inverse of the variance that this brings. One of a source that errs may lie beyond 0 or 1; only their expectation is
 * the quality. Null where nobody rated: what behaviour hints at is no rating.
 *
 * Of a source with an audit only what was asked for is taken. Its volunteers could be weighed as the learner weighs them,
 * but those weights are estimates, and intervals that take them as known cover the truth in 70 to 85 % of logs.
 * @param asked whether the ratings were asked for
 */
export function ratedQuality(ratings: readonly RatedEvent[], asked: boolean): number | null {
  const given = ratings.filter((rating) => !isImplicit(rating) && (asked || !rating.volunteered));
  const weighed = given.map(({ score, reliability = null }) => weighedRating(score, reliability));
  const total = weighed.reduce((sum, { weight }) => sum + weight, 0);
  return total > 0 ? weighed.reduce((sum, { reward, weight }) => sum + weight * reward, 0) / total : null;
}

/**
 * Ratings of one answer, by several sources, are samples of one and the same quality: together they count as their mean
 * would, and no more than a single whole rating or the weightiest of them. @param weights of each alone, ≥ 0
 */
export function sharedWeights(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const most = Math.max(1, ...weights);
  return total <= most ? [...weights] : weights.map((weight) => (weight * most) / total);
}

/** Sources of what is read from the client's behaviour begin so; no client may rate as one. */
export const IMPLICIT = 'implicit:';
export type ImplicitSignal = 'regenerate' | 'abort';

export function isImplicit({ source }: Pick<RatedEvent, 'source'>): boolean {
  return source.startsWith(IMPLICIT);
}

/** Those that say what the quality was: what the client's behaviour hints at gives way to any rating. */
export function countingRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const active = activeRatings(events);
  const explicit = active.filter((rating) => !isImplicit(rating));
  return explicit.length > 0 ? explicit : active;
}
