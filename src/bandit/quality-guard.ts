import { inverseNormalCdf } from '../util/normal-distribution.ts';
import type { QualityGuard } from './policy.ts';

interface Predicted {
  quality: number;
  sd: number;
}

/**
 * Returns the positions of the candidates that are, at the guard's confidence, at least `share` as good as the one with
 * the best prediction: q̂_a − s q̂_best ≥ z √(v_a + s² v_best), treating the two as independent. The best itself always
 * qualifies.
 * @param candidates positions in `arms`, at least one
 */
export function goodEnough(
  arms: readonly Predicted[],
  candidates: readonly number[],
  { share, confidence }: QualityGuard,
): number[] {
  const best = candidates.map((i) => arms[i]).reduce((winner, arm) => (arm.quality > winner.quality ? arm : winner));
  const z = inverseNormalCdf(confidence);
  return candidates.filter((i) => {
    const lead = arms[i].quality - share * best.quality;
    return arms[i] === best || lead >= z * Math.hypot(arms[i].sd, share * best.sd);
  });
}
