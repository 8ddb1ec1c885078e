/**
 * One decision drawn by the logging policy, as the estimators see it. The action is the choice. The outcome is what the
 * client got, possibly from another model if the chosen one failed.
 */
export interface Sample {
  /** The model that was chosen. */
  arm: string;
  /** Probability of that choice under the target policy divided by that under the logging policy; ≥ 0. */
  ratio: number;
  /** From `ratedQuality`; null without a rating. */
  quality: number | null;
  costUsd: number;
  /**
   * True when the chosen model failed and one answered that the target does not have. What the target would have got
   * is then unknown; quality and cost are what the log got.
   */
  isOutcomeUnknown: boolean;
  /** Weight of quality against cost in the utility, 0..1. */
  weight: number;
  /** Predictions from before the outcome was learned: for the chosen model, and in expectation under the target. */
  predicted: { quality: number; costUsd: number };
  expected: { quality: number; costUsd: number };
}
