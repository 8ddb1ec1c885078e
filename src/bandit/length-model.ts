import { normalCdf, normalDensity } from '../util/normal-distribution.ts';
import type { ArmSums, LinearObservation } from './arm-sums.ts';
import { CoupledLinearModel, type CoupledLinearModelState } from './coupled-linear-model.ts';
import { LENGTH_MODEL, PRIOR_LOG_LENGTH } from './defaults.ts';
import { LengthCorrection, type LengthCorrectionState } from './length-correction.ts';
import type { Observation } from './policy.ts';

export type LengthObservation = Extract<Observation, { kind: 'length' }>;

/** Everything that is kept of observed lengths, by arm. */
export interface LengthSums {
  length: ReadonlyMap<string, ArmSums>;
  correction: LengthCorrectionState;
}

export interface LengthModelState {
  length: CoupledLinearModelState;
  correction: LengthCorrectionState;
}

/** Output tokens of one choice. */
export interface PredictedLength {
  /** Before the arm's running correction. */
  modelOutputTokens: number;
  /** The expectation, including the correction. */
  outputTokens: number;
}

/**
 * When a limit is this many standard deviations above the prediction, a truncated answer says as much as a whole one.
 */
const FAR_ABOVE = 30;

/**
 * Returns the observation that stands for an answer cut off by a limit of c tokens, which shows only that its length is
 * at least c (Tobin 1958). With z = ln (c / ĉ) / σ and the hazard λ = φ(z) / Φ(−z), the log likelihood ln Φ(−z) has
 * slope λ / σ and curvature λ (λ − z) / σ² in the predicted logarithm. These are the slope and curvature of an
 * observation σ / (λ − z) above the prediction, with the weight λ (λ − z). The weight goes to 0 when much more than c
 * was predicted.
 * @param tokens c ≥ 1
 * @param predictedTokens ĉ > 0, before the arm's correction
 * @returns the observation; its weight is in [0, 1]
 */
export function lengthBeyond(tokens: number, predictedTokens: number): { outputTokens: number; weight: number } {
  const sd = Math.sqrt(LENGTH_MODEL.noiseVariance);
  const z = Math.log(tokens / predictedTokens) / sd;
  if (z > FAR_ABOVE) return { outputTokens: tokens, weight: 1 };
  const hazard = normalDensity(z) / normalCdf(-z);
  return { outputTokens: predictedTokens * Math.exp(sd / (hazard - z)), weight: hazard * (hazard - z) };
}

/** Upper bound on every prediction, whatever a model with little data extrapolates to. */
const MAX_OUTPUT_TOKENS = 1e6;

/**
 * Predicts how long an arm's answer will be: a coupled linear model of the logarithm of its tokens, and a running
 * correction per arm for the bias that the exponential introduces. Contexts have length d, x[0] = 1.
 */
export class LengthModel {
  readonly #model: CoupledLinearModel;
  readonly #correction = new LengthCorrection();

  /**
   * @param dimensions d, including the leading constant
   */
  constructor(dimensions: number) {
    const priorMean = new Float64Array(dimensions).fill(PRIOR_LOG_LENGTH, 0, 1);
    this.#model = new CoupledLinearModel(dimensions, LENGTH_MODEL, priorMean);
  }

  /**
   * @throws RangeError unless x has length d
   */
  predict(arm: string, x: Float64Array): PredictedLength {
    const modelOutputTokens = this.modelOutputTokens(arm, x);
    const outputTokens = Math.min(modelOutputTokens * this.#correction.factor(arm), MAX_OUTPUT_TOKENS);
    return { modelOutputTokens, outputTokens };
  }

  /** As `predict`, before the correction. */
  modelOutputTokens(arm: string, x: Float64Array): number {
    return Math.min(Math.exp(this.#model.predictMean(arm, x)), MAX_OUTPUT_TOKENS);
  }

  /**
   * @throws RangeError for anything not finite
   */
  learn(observation: LengthObservation): void {
    const { arm, x, y, weight } = linearObservationOf(observation);
    this.#model.learn(arm, x, y, weight);
    this.#correct(observation);
  }

  /**
   * Like `learn` for each observation, but solves only once at the end.
   * @throws RangeError as `learn` does
   */
  learnAll(observations: readonly LengthObservation[]): void {
    this.#model.learnAll(observations.map(linearObservationOf));
    this.learnCorrections(observations);
  }

  /** Learns only the bias correction, from lengths that were already learned before their predictions were known. */
  learnCorrections(observations: readonly LengthObservation[]): void {
    for (const observation of observations) this.#correct(observation);
  }

  /**
   * Scales down the weight of everything learned from the arm.
   * @param factor in (0, 1]
   */
  temper(arm: string, factor: number): void {
    this.#model.temper(arm, factor);
    this.#correction.temper(arm, factor);
  }

  /** Forgets all answers of the arm. */
  forget(arm: string): void {
    this.#model.forget(arm);
    this.#correction.forget(arm);
  }

  sums(): LengthSums {
    return { length: this.#model.sums(), correction: this.#correction.state() };
  }

  /**
   * Adds everything that another model has learned.
   * @throws RangeError when the sums do not fit or are not finite
   */
  addSums({ length, correction }: LengthSums): void {
    this.#model.addSums(length);
    this.#correction.addSums(correction);
  }

  /** Live, not a copy: serialise it before the next observation. */
  state(): LengthModelState {
    return { length: this.#model.state(), correction: this.#correction.state() };
  }

  /**
   * @throws RangeError when the state does not fit or holds a number that is not finite
   */
  restore({ length, correction }: LengthModelState): void {
    this.#model.restore(length);
    this.#correction.restore(correction);
  }

  #correct({ arm, outputTokens, predictedTokens, weight }: LengthObservation): void {
    if (predictedTokens) this.#correction.learn(arm, outputTokens, predictedTokens, weight);
  }
}

function linearObservationOf({ arm, context: x, outputTokens, weight }: LengthObservation): LinearObservation {
  return { arm, x, y: Math.log(Math.max(1, outputTokens)), weight };
}
