import type { OfferAssessment } from '../bandit/policy.ts';
import type { Flip } from '../domain/decision.ts';

type Scored = Pick<OfferAssessment, 'arm' | 'exploredQuality' | 'costUsd' | 'penalty' | 'score'>;

/** Second-best score, or null where there is one candidate. */
export function runnerUp(assessments: readonly Scored[]): { arm: string; score: number } | null {
  const second = [...assessments].sort((a, b) => b.score - a.score)[1];
  return second ? { arm: second.arm, score: second.score } : null;
}

/**
 * The nearest weights below and above `weight` at which another arm's score overtakes the best one's. Scores are
 * linear in the weight, w·q − (1 − w)·c/c_ref − p, so two arms change places at most once.
 * @param unit USD that costs are divided by (c_ref), > 0
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
    const at = (cost + best.penalty - other.penalty) / (quality + cost);
    if (!(at >= 0 && at <= 1)) continue;
    // The lead is weight·(quality + cost) − …: where that slope is positive it is lost below, otherwise above.
    if (quality + cost > 0 && at <= weight && at > (flipBelow?.weight ?? -1))
      flipBelow = { weight: at, arm: other.arm };
    if (quality + cost < 0 && at >= weight && at < (flipAbove?.weight ?? 2)) flipAbove = { weight: at, arm: other.arm };
  }
  return { flipBelow, flipAbove };
}
