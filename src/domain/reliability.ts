/** How a source of ratings errs: the shares of good and of bad answers that it calls good. */
export interface Reliability {
  /** In (0, 1], above the false positives. */
  truePositive: number;
  /** In [0, 1). */
  falsePositive: number;
}

/** A rating as it is learned: what it says of the quality, and how much it counts. */
export interface WeighedRating {
  reward: number;
  weight: number;
}

/**
 * E[score] = f + (t − f) · quality for a source with true positive rate t and false positive rate f, so
 * (score − f) / (t − f) has the quality as its expectation. Its variance is 1 / (t − f)² of the score's, so it counts
 * for (t − f)² of a rating without errors.
 */
export function weighedRating(score: number, reliability: Reliability | null): WeighedRating {
  if (!reliability) return { reward: score, weight: 1 };
  const { truePositive, falsePositive } = reliability;
  const span = truePositive - falsePositive;
  return { reward: (score - falsePositive) / span, weight: span * span };
}
