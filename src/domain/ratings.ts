import type { GatewayEvent, RatedEvent } from './events.ts';
import { weighedRating } from './reliability.ts';

/** The latest rating of each source, without withdrawn ones. */
export function activeRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const withdrawn = new Set(events.filter((event) => event.type === 'withdrawn').map((event) => event.feedbackId));
  const bySource = new Map<string, RatedEvent>();
  for (const event of events) {
    if (event.type === 'rated' && !withdrawn.has(event.feedbackId)) bySource.set(event.source, event);
  }
  return [...bySource.values()];
}

/**
 * The quality that the ratings of one answer indicate: their mean, with each rating corrected for its source's error
 * rates and weighted by the inverse of the variance that the correction introduces. The corrected rating of an
 * imperfect source may lie outside [0, 1]; only its expectation is the quality. Null when nobody rated: implicit
 * signals are not ratings.
 *
 * For a source with an audit, only requested ratings count. Volunteered ones could be weighted as the learner does, but
 * those weights are estimates, and intervals that treat them as known cover the truth in only 70 to 85 % of logs.
 * @param asked whether the ratings were requested
 */
export function ratedQuality(ratings: readonly RatedEvent[], asked: boolean): number | null {
  const given = ratings.filter((rating) => !isImplicit(rating) && (asked || !rating.volunteered));
  const weighed = given.map(({ score, reliability = null }) => weighedRating(score, reliability));
  const total = weighed.reduce((sum, { weight }) => sum + weight, 0);
  return total > 0 ? weighed.reduce((sum, { reward, weight }) => sum + weight * reward, 0) / total : null;
}

/**
 * Weights of several sources' ratings of one answer. They are samples of the same quality: together they count as much
 * as their mean would, and no more than a single whole rating or the heaviest of them.
 * @param weights the weight of each rating on its own, ≥ 0
 */
export function sharedWeights(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const most = Math.max(1, ...weights);
  return total <= most ? [...weights] : weights.map((weight) => (weight * most) / total);
}

/** Prefix of the sources that are derived from the client's behaviour; no client may rate under it. */
export const IMPLICIT = 'implicit:';
export type ImplicitSignal = 'regenerate' | 'abort';

export function isImplicit({ source }: Pick<RatedEvent, 'source'>): boolean {
  return source.startsWith(IMPLICIT);
}

/** The ratings that determine the quality: implicit signals count only if there is no explicit rating. */
export function countingRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const active = activeRatings(events);
  const explicit = active.filter((rating) => !isImplicit(rating));
  return explicit.length > 0 ? explicit : active;
}
