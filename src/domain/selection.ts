/**
 * Whether a client is asked to rate an answer, and why. Determined together with the decision, before there is an
 * answer.
 */
export interface FeedbackRequest {
  /** Whether the answer was drawn for the audit, independently of everything else, and the probability of that. */
  audit: boolean;
  auditProbability: number;
  /**
   * True when a rating would teach a lot. This depends on the query and on what was known, so it says nothing about the
   * answer.
   */
  teaches: boolean;
}

/** How much an unrequested rating counts: with a score of 1, and with a score of 0. Each in [0, 1]. */
export interface VolunteerWeights {
  good: number;
  bad: number;
}

export function isAsked(request: FeedbackRequest | undefined): boolean {
  return request !== undefined && (request.audit || request.teaches);
}

/**
 * The inverse of the probability with which the answer was drawn for the audit. Weighted by it, the ratings of audited
 * answers represent all answers (Horvitz and Thompson 1952). Recorded for readers of the log; the learner weights by
 * `selectionWeight`. Null when the answer was not drawn.
 */
export function inclusionWeight(request: FeedbackRequest | undefined): number | null {
  return request?.audit ? 1 / request.auditProbability : null;
}

/**
 * Weight of a rating according to how it was selected, in [0, 1]: the inverse of the probability that such a rating is
 * given at all, scaled so that a requested one counts 1. Clients that are asked rate with a probability that does not
 * depend on the score. Volunteers rate with a probability that does, v(score), and Σ y / v(y) over the ratings
 * estimates the same as a sum over all answers (Horvitz and Thompson 1952). For scores between 0 and 1, the weight is
 * interpolated linearly between those of 0 and 1.
 * @param weights weights of volunteers when the rating arrived; null when the source has no volunteers
 */
export function selectionWeight(score: number, asked: boolean, weights: VolunteerWeights | null): number {
  if (asked || !weights) return 1;
  return score * weights.good + (1 - score) * weights.bad;
}
