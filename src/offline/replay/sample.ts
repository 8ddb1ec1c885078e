/**
 * One decision that the logging policy drew, as the estimators see it. The action is the choice; its outcome is what
 * the client got, from another model where that one failed.
 */
export interface Sample {
  /** The model that was chosen. */
  arm: string;
  /** Probability of that choice under the target policy over that under the logging one; ≥ 0. */
  ratio: number;
  /** By `ratedQuality`; null where nobody rated. */
  quality: number | null;
  costUsd: number;
  /** What quality counts against cost in the utility, 0..1. */
  weight: number;
  /** What was predicted before the outcome was learned: of the chosen model, and as expected under the target. */
  predicted: { quality: number; costUsd: number };
  expected: { quality: number; costUsd: number };
}
