import type { OfferAssessment } from '../bandit/policy.ts';
import type { Flip } from '../domain/decision.ts';

type Scored = Pick<OfferAssessment, 'arm' | 'exploredQuality' | 'costUsd' | 'penalty' | 'score'>;

/** The arm with the best score; null when there is no candidate. */
export function best(assessments: readonly Scored[]): { arm: string; score: number } | null {
  const first = assessments.reduce<Scored | null>((top, each) => (top && top.score >= each.score ? top : each), null);
  return first && { arm: first.arm, score: first.score };
}

/**
 * The nearest weights below and above `weight` at which another arm's score overtakes the best one's. Scores are linear
 * in the weight, w·q − (1 − w)·c/c_ref − p, so two arms change places at most once.
 * @param unit c_ref: USD that costs are divided by, > 0
 */
export function flips(
  assessments: readonly Scored[],
  weight: number,
  unit: number,
): { flipBelow: Flip | null; flipAbove: Flip | null } {
  const best = assessments.reduce((a, b) => (b.score > a.score ? b : a));
  let flipBelow: Flip | null = null;
  let flipAbove: Flip | null = null;
  for (const other of assessments) {
    if (other === best) continue;
    const quality = best.exploredQuality - other.exploredQuality;
    const cost = (best.costUsd - other.costUsd) / unit;
    // The lead is weight · slope − …: a lead that rises with the weight is lost below the current weight, a falling one
    // above it. When the two arms are level at the current weight itself, rounding must not put the crossing on the
    // wrong side.
    const slope = quality + cost;
    const crossing = (cost + best.penalty - other.penalty) / slope;
    const below = Math.min(crossing, weight);
    const above = Math.max(crossing, weight);
    if (slope > 0 && below >= 0 && below > (flipBelow?.weight ?? -1)) flipBelow = { weight: below, arm: other.arm };
    if (slope < 0 && above <= 1 && above < (flipAbove?.weight ?? 2)) flipAbove = { weight: above, arm: other.arm };
  }
  return { flipBelow, flipAbove };
}
