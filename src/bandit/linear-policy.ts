import { mostVariance, type Reliability } from '../domain/reliability.ts';
import { AdaptiveLinearModel, type AdaptiveModelState } from './adaptive-model.ts';
import type { ArmSums, LinearObservation } from './arm-sums.ts';
import {
  type CoupledModelOptions,
  DRIFT_RESIDUALS,
  EVIDENCE_MARGIN,
  LAUNCH,
  PRIOR_QUALITY,
  QUALITY_MODELS,
  THOMPSON,
} from './defaults.ts';
import { EXPLORATIONS, type Prospect } from './exploration.ts';
import { LengthModel, type LengthModelState, type LengthObservation, type LengthSums } from './length-model.ts';
import {
  type DecisionInput,
  NothingAffordable,
  type Observation,
  type Offer,
  type OfferAssessment,
  type Policy,
  type PolicyDecision,
} from './policy.ts';
import { goodEnough } from './quality-guard.ts';
import { interceptOnly, QualityPriors } from './quality-priors.ts';

export interface LinearPolicyState extends LengthModelState {
  quality: AdaptiveModelState;
  /** Prior mean coefficients of the launched arms. */
  launched: Record<string, Float64Array>;
}

/** Everything that is kept of observations, by arm. The sums of two sets of observations add up. */
export interface PolicySums extends LengthSums {
  quality: ReadonlyMap<string, ArmSums>;
}

export interface LinearPolicyOptions {
  /** Candidate variances of the quality model, the default first; at least one. */
  qualityModels: readonly CoupledModelOptions[];
  /** Prior mean quality on [0, 1] of arms without a prior of their own. */
  priorQuality: number;
}

const DEFAULTS: LinearPolicyOptions = { qualityModels: QUALITY_MODELS, priorQuality: PRIOR_QUALITY.level };

/** The production policy: coupled linear models of quality and of output length, and a score that trades them off. */
export class LinearPolicy implements Policy {
  readonly dimensions: number;
  readonly #quality: AdaptiveLinearModel;
  readonly #length: LengthModel;
  readonly #priors: QualityPriors;

  /**
   * @param dimensions d, including the leading constant
   * @param options non-default priors, used for comparisons
   */
  constructor(dimensions: number, options: LinearPolicyOptions = DEFAULTS) {
    const { qualityModels, priorQuality } = options;
    this.dimensions = dimensions;
    this.#priors = new QualityPriors(dimensions, priorQuality);
    this.#quality = new AdaptiveLinearModel(dimensions, qualityModels, EVIDENCE_MARGIN, this.#priors.ofUnnamed());
    this.#length = new LengthModel(dimensions);
  }

  /**
   * Sets the prior mean quality per arm. Arms that are not named get the common level. If any arm is named, the unnamed
   * ones also get an own intercept that is practically unknown (`QualityPriors.ofOthers`).
   * @param levels prior mean quality on [0, 1]
   * @param slopes prior mean slopes of some of the arms; each has length d, and its first element is 0
   * @param likened arms that have the prior of another arm: their own intercept is as wide as a launched arm's
   */
  setPriorQualities(
    levels: ReadonlyMap<string, number>,
    slopes: ReadonlyMap<string, Float64Array> = new Map(),
    likened: ReadonlySet<string> = new Set(),
  ): void {
    this.#priors.set(levels, slopes, likened);
    this.#quality.setPriors(this.#priors.all(), this.#priors.ofOthers());
  }

  /** The prior mean coefficients that were set for the arm, length d, whether or not it was launched. */
  priorSet(arm: string): Float64Array {
    return this.#priors.setFor(arm);
  }

  /** Prior mean coefficients, length d, of a new arm that is expected to behave like this one. */
  priorLike(arm: string): Float64Array {
    return this.#quality.priorLike(arm);
  }

  /**
   * Like `priorLike`, but only for the level: the new arm is expected to be as good as this one, and to differ between
   * queries as arms in general do. Which queries this arm is good at says nothing about an arm that was not declared to
   * be like it.
   */
  priorAsGood(arm: string): Float64Array {
    return interceptOnly(this.dimensions, this.priorLike(arm)[0]);
  }

  /**
   * Registers an arm that is new when others are already known: it gets this prior mean, and an own intercept with a
   * wide prior.
   */
  launch(arm: string, priorMean: Float64Array): void {
    this.#priors.launch(arm, priorMean);
    this.#quality.setPriors(this.#priors.all());
  }

  /**
   * Scales down the weight of the arm's ratings, and keeps almost nothing of how good the arm is, because its ratings
   * have drifted.
   * @param remains in (0, 1]
   */
  resetLevel(arm: string, remains: number): void {
    this.#quality.resetLevel(arm, remains);
  }

  /**
   * Scales down the weight of everything learned from the arm: its ratings and the lengths of its answers.
   * @param factor in (0, 1]
   */
  temperAll(arm: string, factor: number): void {
    this.#quality.temper(arm, factor);
    this.#length.temper(arm, factor);
  }

  /**
   * How far a rating lies from its prediction, in standard deviations of their difference. Must be called before the
   * rating is learned. The noise variance is that of a thumb with the predicted mean, and at least that of fine grades:
   * if it were underestimated, chance alone would raise alarms.
   * @param reward the rating, corrected by `reliability`
   * @param reliability what the rating was corrected by; null if it was not corrected
   */
  standardisedResidual(
    arm: string,
    context: Float64Array,
    reward: number,
    reliability: Reliability | null = null,
  ): number {
    const { mean, sd } = this.#quality.predictAside(arm, context);
    const noise = Math.max(DRIFT_RESIDUALS.leastNoiseVariance, mostVariance(mean, reliability));
    return (reward - mean) / Math.sqrt(noise + sd ** 2);
  }

  /**
   * The number of ratings, by weight, that the arm's level rests on: all of them, but after a drift alarm hardly any
   * from before it.
   */
  ratingsOf(arm: string): number {
    return this.#quality.weightOf(arm);
  }

  /**
   * E[output tokens] of one answer.
   * @param x as in `decide`
   */
  expectedOutputTokens(arm: string, x: Float64Array): number {
    return this.#length.predict(arm, x).outputTokens;
  }

  /** Index of the entry of `QUALITY_MODELS` that the ratings so far support. */
  get qualityModel(): number {
    return this.#quality.chosen;
  }

  decide(input: DecisionInput): PolicyDecision {
    const { weight } = input;
    const assessments = input.offers.map((offer) => this.#assess(offer, input.context));
    const unit = costUnit(input, assessments);
    const prospects = assessments.map((assessment, i) => this.#prospect(assessment, input.offers[i], weight, unit));
    const limit = input.costLimitUsd ?? Number.POSITIVE_INFINITY;
    const affordable: number[] = [];
    for (let i = 0; i < assessments.length; i++) if (!(assessments[i].costUsd > limit)) affordable.push(i);
    if (affordable.length === 0) throw new NothingAffordable('Every model would cost more than is left.');
    const allowed = input.guard ? goodEnough(prospects, affordable, input.guard) : affordable;
    const taking = allowed.map((i) => prospects[i]);
    const choice = EXPLORATIONS[input.exploration](taking, weight, input.random);
    for (const i of affordable) assessments[i].keptOut = 'quality';
    for (let place = 0; place < allowed.length; place++) {
      const assessment = assessments[allowed[place]];
      assessment.keptOut = null;
      assessment.exploredQuality = choice.explored[place];
      assessment.propensity = choice.propensities[place];
    }
    for (let i = 0; i < assessments.length; i++) {
      const assessment = assessments[i];
      assessment.score = weight * assessment.exploredQuality - prospects[i].handicap;
      if (!Number.isFinite(assessment.score) || !Number.isFinite(assessment.propensity)) {
        throw new Error(`The learner's score of model "${assessment.arm}" is not a finite number.`);
      }
    }
    return { chosen: allowed[choice.chosen], chosenBy: choice.chosenBy, assessments, costUnitUsd: unit };
  }

  #prospect(predicted: OfferAssessment, offer: Offer, weight: number, unit: number): Prospect {
    const { arm, quality, qualitySd, costUsd } = predicted;
    const ratings = offer.known ? offer.known.ratings : this.ratingsOf(arm);
    const usualWidth = ratings < THOMPSON.warmAfter ? THOMPSON.coldWidth : THOMPSON.warmWidth;
    const width = offer.launch?.wide ? LAUNCH.width : usualWidth;
    const leverage = qualitySd ** 2 / this.#quality.noiseVariance;
    return {
      quality,
      sd: qualitySd,
      leverage,
      width: width * narrowing(offer.awaited ?? 0, leverage),
      forced: offer.launch?.forced ?? false,
      relativeCost: costUsd / unit,
      handicap: ((1 - weight) * costUsd) / unit + offer.penalty,
    };
  }

  learn(observation: Observation): void {
    if (observation.kind === 'length') {
      this.#length.learn(observation);
      return;
    }
    const { arm, context, reward, weight, alarmsSince } = observation;
    this.#quality.learn(arm, context, reward, weight, alarmsSince);
  }

  /**
   * Like `learn` for each observation, but solves only once at the end; for thousands of recorded outcomes. None of
   * them may date from before a drift alarm.
   * @throws RangeError as `learn` does
   */
  learnAll(observations: readonly Observation[]): void {
    const ratings = observations.filter((observation) => observation.kind === 'quality');
    this.#quality.learnAll(
      ratings.map(({ arm, context: x, reward: y, weight }): LinearObservation => ({ arm, x, y, weight })),
    );
    this.#length.learnAll(observations.filter((observation) => observation.kind === 'length'));
  }

  /** Learns only the bias correction, from lengths that were already learned before their predictions were known. */
  learnCorrections(observations: readonly LengthObservation[]): void {
    this.#length.learnCorrections(observations);
  }

  /** Forgets all observations of the arm, and that it was launched. */
  forget(arm: string): void {
    this.#priors.forgetLaunch(arm);
    this.#quality.forget(arm);
    this.#length.forget(arm);
    this.#quality.setPriors(this.#priors.all());
  }

  /**
   * Output tokens that the length model expects, before the arm's running correction.
   * @param context length d
   */
  modelOutputTokens(arm: string, context: Float64Array): number {
    return this.#length.modelOutputTokens(arm, context);
  }

  sums(): PolicySums {
    return { quality: this.#quality.sums(), ...this.#length.sums() };
  }

  /**
   * Adds everything that another policy has learned.
   * @throws RangeError when the sums do not fit or are not finite
   */
  addSums(sums: PolicySums): void {
    this.#quality.addSums(sums.quality);
    this.#length.addSums(sums);
  }

  state(): LinearPolicyState {
    return {
      quality: this.#quality.state(),
      ...this.#length.state(),
      launched: this.#priors.launched(),
    };
  }

  /**
   * @throws RangeError when the state does not fit or holds a number that is not finite
   */
  restore(state: LinearPolicyState): void {
    this.#quality.restore(state.quality);
    this.#length.restore(state);
    this.#priors.restoreLaunched(state.launched);
    this.#quality.setPriorsOfNew(this.#priors.all(), this.#priors.ofOthers());
  }

  /**
   * Makes the predictions for an offer. The other fields are initialised as for an offer over the cost limit; `decide`
   * sets them for the rest.
   */
  #assess({ arm, cost, penalty, known }: Offer, x: Float64Array): OfferAssessment {
    const quality = known ? { mean: known.quality, sd: known.qualitySd } : this.#quality.predict(arm, x);
    const { modelOutputTokens, outputTokens } = this.#length.predict(arm, x);
    return {
      arm,
      quality: quality.mean,
      qualitySd: quality.sd,
      exploredQuality: quality.mean,
      outputTokens,
      modelOutputTokens,
      costUsd: cost(outputTokens),
      penalty,
      score: 0,
      keptOut: 'cost',
      propensity: 0,
    };
  }
}

/**
 * Factor by which ratings that are still expected reduce a standard deviation, as if they were all for this query:
 * until they arrive, another try of the same arm teaches little more. After GP-BUCB (Desautels, Krause and Burdick
 * 2014), which treats them as ratings equal to the prediction; by Sherman–Morrison a variance v becomes v / (1 + n v /
 * σ²).
 * @param awaited n
 * @param leverage v / σ²
 */
function narrowing(awaited: number, leverage: number): number {
  return 1 / Math.sqrt(1 + awaited * leverage);
}

/**
 * The unit that costs are divided by: the reference's mean cost; if the reference is free, the cost of the dearest
 * offer. If all offers are free, cost does not count.
 */
function costUnit(input: DecisionInput, predicted: readonly { arm: string; costUsd: number }[]): number {
  const here = predicted.find(({ arm }) => arm === input.reference)?.costUsd ?? null;
  return input.referenceCost(here) || Math.max(...predicted.map((p) => p.costUsd)) || 1;
}
