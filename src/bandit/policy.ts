import type { Random } from '../util/random.ts';

export type ExplorationKind = 'thompson' | 'ucb' | 'none';

/** A candidate arm as the policy sees it: what routing knows of it for this request. */
export interface Offer {
  arm: string;
  /** USD that an answer of so many output tokens would cost. */
  cost(outputTokens: number): number;
  /** What the score loses for the expected wait, in units of the score; ≥ 0. */
  penalty: number;
}

export interface DecisionInput {
  /** x: length d, x[0] = 1, otherwise standardised features. */
  context: Float64Array;
  /** At least one. */
  offers: readonly Offer[];
  /** w in [0, 1]: what quality counts against cost. */
  weight: number;
  /** The arm that costs are told against. */
  reference: string;
  /**
   * c_ref, the unit in which costs are scored: USD of the reference arm's mean answer.
   * @param here its predicted cost for this query, or null where it is not on offer
   */
  referenceCost(here: number | null): number;
  exploration: ExplorationKind;
  random: Random;
}

/** What the policy thinks of one offer. */
export interface OfferAssessment {
  arm: string;
  /** Predicted quality on [0, 1] (not clipped) and the standard deviation of that prediction. */
  quality: number;
  qualitySd: number;
  /** The quality that was scored: with the draw or the bonus of the exploration. */
  exploredQuality: number;
  /** E[output tokens], and the model's own figure before the arm's running correction. */
  outputTokens: number;
  modelOutputTokens: number;
  costUsd: number;
  penalty: number;
  /** w · explored quality − (1 − w) · cost / reference cost − penalty */
  score: number;
  /** Probability with which this decision chooses the arm. The propensities of all offers add up to 1. */
  propensity: number;
}

export interface PolicyDecision {
  /** Index into the offers. */
  chosen: number;
  /** `score`: the best score; `floor`: drawn from the plausible arms so that each keeps some propensity. */
  chosenBy: 'score' | 'floor';
  assessments: OfferAssessment[];
  /** USD that costs were divided by: c_ref, or the dearest offer where the reference costs nothing; > 0. */
  costUnitUsd: number;
}

/** Something learned of one arm. A negative weight takes the same observation back. */
export type Observation =
  | { kind: 'quality'; arm: string; context: Float64Array; reward: number; weight: number }
  | {
      kind: 'length';
      arm: string;
      context: Float64Array;
      outputTokens: number;
      /** What the model (uncorrected) had predicted when it decided; null where that is not known. */
      predictedTokens: number | null;
      weight: number;
    };

/** Chooses an arm for a context and learns from outcomes. Deterministic but for the injected randomness. */
export interface Policy {
  /** @throws Error when a number comes out that is not finite: the caller then falls back on the reference arm */
  decide(input: DecisionInput): PolicyDecision;
  /** @throws RangeError for observations that are not finite or not of the policy's dimensions */
  learn(observation: Observation): void;
}
