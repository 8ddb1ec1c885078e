import type { ExplorationKind } from '../domain/exploration.ts';
import type { Random } from '../util/random.ts';

/** A candidate arm as the policy sees it: what routing knows about it for this request. */
export interface Offer {
  arm: string;
  /** USD cost of an answer with this many output tokens. */
  cost(outputTokens: number): number;
  /** Score lost to the expected wait, in units of the score; ≥ 0. */
  penalty: number;
  /** Set for an arm that was added when other arms were already known. */
  launch?: Launch | null;
  /** Number of the arm's answers whose ratings may still arrive, ≥ 0. They narrow its draw. Absent: 0. */
  awaited?: number;
  /**
   * What was known of the arm's quality, to be used instead of what the policy knows now: a replay has it from the log.
   * `ratings` is the sum of the weights of the ratings that it rests on.
   */
  known?: { quality: number; qualitySd: number; ratings: number };
}

export interface Launch {
  /** `wide`: its Thompson draw is still wide. `forced`: it still has forced tries left. */
  wide: boolean;
  forced: boolean;
}

/**
 * Defines which arms are good enough: those whose quality is at least `share` of the best arm's, at this confidence.
 */
export interface QualityGuard {
  /** In (0, 1]. */
  share: number;
  /** In (0, 1); 0.5 compares the predictions alone. */
  confidence: number;
}

export interface DecisionInput {
  /** x: length d, x[0] = 1, otherwise standardised features. */
  context: Float64Array;
  /** At least one. */
  offers: readonly Offer[];
  /** w in [0, 1]: the weight of quality against cost. */
  weight: number;
  /** The arm whose cost is the unit for all costs. */
  reference: string;
  /**
   * c_ref, the unit in which costs are scored: the mean cost in USD of an answer by the reference arm.
   * @param here the reference arm's predicted cost for this query, or null when it is not on offer
   */
  referenceCost(here: number | null): number;
  exploration: ExplorationKind;
  /** Absent or null: any quality is accepted. */
  guard?: QualityGuard | null;
  /** Highest predicted cost of the answer, in USD. Absent: no limit. */
  costLimitUsd?: number;
  random: Random;
}

/** What the policy predicts for one offer. */
export interface OfferAssessment {
  arm: string;
  /** Predicted quality on the scale [0, 1] (not clipped), and the standard deviation of that prediction. */
  quality: number;
  qualitySd: number;
  /** The quality that enters the score: the prediction plus the exploration's draw or bonus. */
  exploredQuality: number;
  /** E[output tokens], and the model's own prediction before the arm's running correction. */
  outputTokens: number;
  modelOutputTokens: number;
  costUsd: number;
  penalty: number;
  /** w · explored quality − (1 − w) · cost / reference cost − penalty */
  score: number;
  /** Why the offer was excluded (its propensity is then 0); null when it was not. */
  keptOut: 'quality' | 'cost' | null;
  /** Probability that this decision chooses the arm. The propensities of all offers add up to 1. */
  propensity: number;
}

export interface PolicyDecision {
  /** Index into the offers. */
  chosen: number;
  /**
   * `score`: the arm with the best score. `floor`: drawn from the plausible arms, so that each keeps some propensity.
   * `launch`: a forced try of a new arm.
   */
  chosenBy: 'score' | 'floor' | 'launch';
  assessments: OfferAssessment[];
  /**
   * USD that costs were divided by: c_ref, or the cost of the dearest offer when the reference costs nothing; > 0.
   */
  costUnitUsd: number;
}

/** Thrown when no offer is within the cost limit. */
export class NothingAffordable extends Error {}

/** One outcome of one arm. A negative weight takes the same observation back. */
export type Observation =
  | {
      kind: 'quality';
      arm: string;
      context: Float64Array;
      reward: number;
      weight: number;
      /** Drift alarms of the arm since this observation was first learned. Absent: none. */
      alarmsSince?: number;
    }
  | {
      kind: 'length';
      arm: string;
      context: Float64Array;
      outputTokens: number;
      /** What the model predicted at decision time, before the correction; null when that is not known. */
      predictedTokens: number | null;
      weight: number;
    };

/** Chooses an arm for a context and learns from outcomes. Deterministic except for the injected randomness. */
export interface Policy {
  /**
   * @throws NothingAffordable when every offer exceeds the cost limit
   * @throws Error when a result is not finite; the caller then falls back on the reference arm
   */
  decide(input: DecisionInput): PolicyDecision;
  /**
   * @throws RangeError for observations that are not finite or have other dimensions than the policy
   */
  learn(observation: Observation): void;
}
