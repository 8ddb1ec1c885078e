import type { Random } from '../util/random.ts';

export type ExplorationKind = 'thompson' | 'ucb' | 'none';

/** A candidate arm as the policy sees it: what routing knows of it for this request. */
export interface Offer {
  arm: string;
  /** USD that an answer of so many output tokens would cost. */
  cost(outputTokens: number): number;
  /** What the score loses for the expected wait, in units of the score; ≥ 0. */
  penalty: number;
  /** Of an arm that came when others were already known. */
  launch?: Launch | null;
  /** Answers of the arm whose ratings may still come, ≥ 0: its draw is narrower for them. Without it none. */
  awaited?: number;
}

export interface Launch {
  /** Whether its Thompson draw is still wide, and whether forced tries are left to it. */
  wide: boolean;
  forced: boolean;
}

/** Which arms are good enough: those whose quality is at least `share` of the best one's, at this confidence. */
export interface QualityGuard {
  /** In (0, 1]. */
  share: number;
  /** In (0, 1); 0.5 looks at the predictions alone. */
  confidence: number;
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
  /** Without one any quality will do. */
  guard?: QualityGuard | null;
  /** USD that the answer may be predicted to cost at the most; without it any amount. */
  costLimitUsd?: number;
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
  /** What kept it out after all; its propensity is then 0. */
  keptOut: 'quality' | 'cost' | null;
  /** Probability with which this decision chooses the arm. The propensities of all offers add up to 1. */
  propensity: number;
}

export interface PolicyDecision {
  /** Index into the offers. */
  chosen: number;
  /**
   * `score`: the best score; `floor`: drawn from the plausible arms so that each keeps some propensity; `launch`: a
   * new arm's forced try.
   */
  chosenBy: 'score' | 'floor' | 'launch';
  assessments: OfferAssessment[];
  /** USD that costs were divided by: c_ref, or the dearest offer where the reference costs nothing; > 0. */
  costUnitUsd: number;
}

/** No offer is within the cost limit. */
export class NothingAffordable extends Error {}

/** Something learned of one arm. A negative weight takes the same observation back. */
export type Observation =
  | {
      kind: 'quality';
      arm: string;
      context: Float64Array;
      reward: number;
      /** Negative to take it back. */
      weight: number;
      /** Alarms of drift of the arm since this was first learned; absent: none. */
      alarmsSince?: number;
    }
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
  /**
   * @throws NothingAffordable when every offer is beyond the cost limit
   * @throws Error when a number comes out that is not finite: the caller then falls back on the reference arm
   */
  decide(input: DecisionInput): PolicyDecision;
  /** @throws RangeError for observations that are not finite or not of the policy's dimensions */
  learn(observation: Observation): void;
}
