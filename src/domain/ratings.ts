import type { GatewayEvent, RatedEvent } from './events.ts';
import { weighedRating } from './reliability.ts';

/** The latest rating per source that was not withdrawn. */
export function activeRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const withdrawn = new Set(events.filter((event) => event.type === 'withdrawn').map((event) => event.feedbackId));
  const bySource = new Map<string, RatedEvent>();
  for (const event of events) {
    if (event.type === 'rated' && !withdrawn.has(event.feedbackId)) bySource.set(event.source, event);
  }
  return [...bySource.values()];
}

/**
 * The quality that the ratings of one answer indicate: their mean, each corrected for how its source errs and
 * weighted by the inverse of the variance that this brings. The corrected rating of a source that errs may lie
 * outside [0, 1]; only its expectation is the quality. Null when nobody rated: implicit signals are not ratings.
 *
 * For a source with an audit, only ratings that were asked for count. Volunteered ones could be weighted as the
 * learner does, but those weights are estimates, and intervals that take them as known cover the truth in 70 to 85 %
 * of logs.
 * @param asked whether the ratings were asked for
 */
export function ratedQuality(ratings: readonly RatedEvent[], asked: boolean): number | null {
  const given = ratings.filter((rating) => !isImplicit(rating) && (asked || !rating.volunteered));
  const weighed = given.map(({ score, reliability = null }) => weighedRating(score, reliability));
  const total = weighed.reduce((sum, { weight }) => sum + weight, 0);
  return total > 0 ? weighed.reduce((sum, { reward, weight }) => sum + weight * reward, 0) / total : null;
}

/**
 * Weights of several sources' ratings of one answer. They are samples of the same quality: together they count as
 * their mean would, and no more than a single whole rating or the heaviest of them.
 * @param weights of each alone, ≥ 0
 */
export function sharedWeights(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const most = Math.max(1, ...weights);
  return total <= most ? [...weights] : weights.map((weight) => (weight * most) / total);
}

/** Prefix of the sources that are read from the client's behaviour; no client may rate under it. */
export const IMPLICIT = 'implicit:';
export type ImplicitSignal = 'regenerate' | 'abort';

export function isImplicit({ source }: Pick<RatedEvent, 'source'>): boolean {
  return source.startsWith(IMPLICIT);
}

/** The ratings that say what the quality was: implicit signals give way to any explicit rating. */
export function countingRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const active = activeRatings(events);
  const explicit = active.filter((rating) => !isImplicit(rating));
  return explicit.length > 0 ? explicit : active;
}
