/** Whether a client is asked to rate an answer, and why: settled with the decision, before there is an answer. */
export interface FeedbackRequest {
  /** Marked by lot, independent of everything else; and the probability of that. */
  audit: boolean;
  auditProbability: number;
  /** A rating would teach much: by the query and by what was known, so it says nothing of the answer. */
  teaches: boolean;
}

/** What a rating that nobody asked for counts, by its score: a score of 1, and one of 0. Each in [0, 1]. */
export interface VolunteerWeights {
  good: number;
  bad: number;
}

export function isAsked(request: FeedbackRequest | undefined): boolean {
  return request !== undefined && (request.audit || request.teaches);
}

/**
 * The inverse of the probability with which the lot marked the answer: weighed by it, the ratings of marked answers stand
 * for all (Horvitz and Thompson 1952). Recorded with them for whoever reads the log; the learner weighs by
 * `selectionWeight`. Null where the lot did not mark it.
 */
export function inclusionWeight(request: FeedbackRequest | undefined): number | null {
  return request?.audit ? 1 / request.auditProbability : null;
}

/**
 * What a rating counts for how it was selected, in [0, 1]: the inverse of how likely a rating like it is to be given at
 * all, on a scale on which one that was asked for counts 1. Who is asked rates with a probability that does not depend
 * on the score; volunteers with one that does, v(score), and Σ y / v(y) over the ratings estimates the same as over all
 * answers (Horvitz and Thompson 1952). Between scores of 0 and 1 the weight is on the line between theirs.
 * @param weights of volunteers when the rating came; null where the source is not one of volunteers
 */
export function selectionWeight(score: number, asked: boolean, weights: VolunteerWeights | null): number {
  if (asked || !weights) return 1;
  return score * weights.good + (1 - score) * weights.bad;
}
