import type { GatewayEvent, RatedEvent } from './events.ts';
import { weighedRating } from './reliability.ts';
import { selectionWeight } from './selection.ts';

/** Per source the latest rating that was not withdrawn. */
export function activeRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const withdrawn = new Set(events.filter((event) => event.type === 'withdrawn').map((event) => event.feedbackId));
  const bySource = new Map<string, RatedEvent>();
  for (const event of events) {
    if (event.type === 'rated' && !withdrawn.has(event.feedbackId)) bySource.set(event.source, event);
  }
  return [...bySource.values()];
}

export interface RatedQuality {
  quality: number;
  /** What it counts for how the ratings were selected, in (0, 1]: that of the one that counts most. */
  weight: number;
}

/**
 * The quality that ratings of one answer speak for: their mean, each corrected for how its source errs and weighed by the
 * inverse of the variance that this brings, and by how it was selected. One of a source that errs may lie beyond 0 or 1;
 * only their expectation is the quality.
 * @param asked whether the ratings were asked for
 * @returns null where nobody rated whose rating counts: what behaviour hints at is no rating
 */
export function ratedQuality(ratings: readonly RatedEvent[], asked: boolean): RatedQuality | null {
  const given = ratings.filter((rating) => !isImplicit(rating));
  const weighed = given.map(({ score, reliability = null, volunteered = null }) => {
    const { reward, weight } = weighedRating(score, reliability);
    const selection = selectionWeight(score, asked, volunteered);
    return { reward, selection, weight: weight * selection };
  });
  const total = weighed.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) return null;
  return {
    quality: weighed.reduce((sum, { reward, weight }) => sum + weight * reward, 0) / total,
    weight: Math.max(...weighed.map(({ selection }) => selection)),
  };
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
