/** The error rates of a source of ratings: the shares of good and of bad answers that it calls good. */
export interface Reliability {
  /** In (0, 1], above `falsePositive`. */
  truePositive: number;
  /** In [0, 1). */
  falsePositive: number;
}

/** A rating in the form in which it is learned: what it says about the quality, and how much it counts. */
export interface WeighedRating {
  reward: number;
  weight: number;
}

const WITHOUT_ERRORS: Reliability = { truePositive: 1, falsePositive: 0 };

/**
 * The maximum variance of a corrected rating. A score on [0, 1] with mean p has a variance of at most p (1 − p), that
 * of a thumb (Bhatia and Davis 2000), and the correction stretches it.
 * @param quality any number, clamped to [0, 1]
 */
export function mostVariance(quality: number, reliability: Reliability | null): number {
  const { truePositive, falsePositive } = reliability ?? WITHOUT_ERRORS;
  const span = truePositive - falsePositive;
  const mean = falsePositive + span * Math.min(1, Math.max(0, quality));
  return (mean * (1 - mean)) / span ** 2;
}

/**
 * Corrects a rating for its source's error rates. For a source with true positive rate t and false positive rate f,
 * E[score] = f + (t − f) · quality, so the expectation of (score − f) / (t − f) is the quality. Its variance is 1 / (t
 * − f)² times that of the score, so it counts as (t − f)² of a rating without errors.
 */
export function weighedRating(score: number, reliability: Reliability | null): WeighedRating {
  if (!reliability) return { reward: score, weight: 1 };
  const { truePositive, falsePositive } = reliability;
  const span = truePositive - falsePositive;
  return { reward: (score - falsePositive) / span, weight: span * span };
}
