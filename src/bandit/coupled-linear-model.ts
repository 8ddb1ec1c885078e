import type { Vector } from '../util/linear-algebra.ts';
import { ArmPredictor, type Prediction } from './arm-predictor.ts';
import { type ArmSums, addSums, checkObservation, checkSums, copySums, type LinearObservation } from './arm-sums.ts';
import {
  type CoupledArm,
  check,
  checkArm,
  isBlank,
  observe,
  recount,
  setPrior,
  solve,
  updateSolution,
} from './coupled-arm.ts';
import { type ArmPrior, CoupledArms, precisions } from './coupled-arms.ts';
import type { CoupledModelOptions } from './defaults.ts';
import { isPast, levelWeight, observePast, resetLevel, scaleWithPast } from './past-level.ts';
import { SharedPart, type SharedPartState } from './shared-part.ts';

export type { Prediction } from './arm-predictor.ts';

/**
 * The complete state in serialisable form, except for the priors of arms without observations. With the same priors,
 * the predictions of a restored model are bit-identical.
 */
export interface CoupledLinearModelState extends SharedPartState {
  updates: number;
  /** The arms with observations. */
  arms: Record<string, CoupledArm>;
}

/**
 * The shared mean may lag behind (`refreshEvery`) only after this many observations, because the first ones move it
 * most.
 */
const SETTLED_AFTER = 256;

/** After this many rank-1 updates, everything derived is recomputed from the sums to remove rounding drift. */
const REBUILD_EVERY = 4096;

/**
 * Bayesian linear regression of several arms that share a part of their coefficients:
 * y = xᵀθ_a + noise, θ_a = m0_a + L_a m + δ_a, m ~ N(0, V0) common to all arms, δ_a ~ N(0, V1) each arm's own.
 *
 * L_a = diag(1, ℓ_a, ℓ_a, …). With `levelLoadings`, ℓ_a follows the arm's level p as in item response theory: a
 * query's difficulty moves the logit of every model alike, so it moves the expectation by p (1 − p) (the derivative
 * of the logistic curve; Rasch 1960). Models that are nearly always right hardly differ between queries. Otherwise
 * ℓ_a = 1.
 *
 * The posterior is exact for this joint prior. With P0 = σ²V0⁻¹ and P1 = σ²V1⁻¹ (both diagonal), and writing b_a for
 * b_a − A_a m0_a:
 * G_a = (A_a + P1)⁻¹, V = (P0 + Σ_a L_a (P1 − P1 G_a P1) L_a)⁻¹, m = V Σ_a L_a P1 G_a b_a,
 * E[xᵀθ_a] = xᵀm0_a + xᵀG_a (b_a + P1 L_a m), Var[xᵀθ_a] = σ² (xᵀG_a x + gᵀV g) with g = L_a P1 G_a x.
 * One observation changes G_a and V⁻¹ by rank one each, so both stay exact at O(d²) without a solve as long as no
 * loading moves to another step.
 */
export class CoupledLinearModel {
  readonly dimensions: number;
  readonly noiseVariance: number;
  readonly #refreshEvery: number;
  readonly #arms: CoupledArms;
  readonly #shared: SharedPart;
  #updates = 0;
  readonly #predictor: ArmPredictor;
  /** Scratch: the direction in which an observation changes the shared part. */
  readonly #direction: Vector;

  /**
   * @param dimensions d, including the leading constant
   * @param defaultPriorMean m0 of arms without a prior of their own
   */
  constructor(dimensions: number, options: CoupledModelOptions, defaultPriorMean: Vector) {
    this.dimensions = dimensions;
    this.noiseVariance = options.noiseVariance;
    this.#refreshEvery = options.refreshEvery ?? 1;
    this.#arms = new CoupledArms(options, defaultPriorMean);
    this.#shared = new SharedPart(precisions(dimensions, options.noiseVariance, options.sharedVariance));
    this.#predictor = new ArmPredictor(this.#shared, options.noiseVariance);
    this.#direction = new Float64Array(dimensions);
  }

  /**
   * The number of observations, by weight, that the arm's level rests on: all of them, or after `resetLevel` those
   * since then, plus at most κ (`PAST_LEVEL_PRECISION`) for each earlier level.
   */
  weightOf(arm: string): number {
    const known = this.#arms.get(arm);
    return known ? levelWeight(known) : 0;
  }

  /**
   * Log marginal likelihood of everything learned, up to a constant that is the same for all options: how well these
   * variances explain the observations. A pure function of the sums: observations that were taken back leave no
   * trace.
   */
  get logEvidence(): number {
    let weight = 0;
    let logDeterminants = this.#shared.logDeterminant;
    let unexplained = -this.#shared.explained;
    for (const arm of this.#arms.inOrder()) {
      weight += arm.weight;
      logDeterminants += arm.logDeterminant;
      unexplained += arm.residual;
    }
    return -0.5 * (weight * Math.log(this.noiseVariance) + logDeterminants + unexplained / this.noiseVariance);
  }

  /**
   * Sets the priors of all arms. Changes not a single bit if no prior differs.
   * @param priors the priors of some arms
   * @param other the prior of all other arms
   */
  setPriors(priors: ReadonlyMap<string, ArmPrior>, other?: ArmPrior): void {
    this.setPriorsOfNew(priors, other);
    let changed = false;
    for (const [id, arm] of this.#arms.observed()) {
      const { mean, precision } = this.#arms.priorOf(id);
      if (!setPrior(arm, mean, precision)) continue;
      this.#derive(arm);
      changed = true;
    }
    if (changed) this.#sumUp();
  }

  /** Like `setPriors`, but arms with observations keep their current priors. */
  setPriorsOfNew(priors: ReadonlyMap<string, ArmPrior>, other?: ArmPrior): void {
    for (const id of this.#arms.setPriors(priors, other)) this.#predictor.forget(id);
  }

  /**
   * Prior mean of a new arm that is expected to behave like this one: E[θ_a] minus the shared part that the new arm
   * will take, because the shared part is added to every arm's prior mean.
   */
  priorLike(id: string): Vector {
    const arm = this.#arms.of(id);
    const { mean } = this.#shared;
    const prior = Float64Array.from(this.#predictor.coefficients(id, arm));
    prior[0] -= mean[0];
    const nothing = new Float64Array(prior.length);
    const loading = this.#arms.loadingOf({ ...arm, priorMean: prior, precision: nothing, response: nothing });
    for (let i = 1; i < prior.length; i++) prior[i] -= loading * mean[i];
    return prior;
  }

  /**
   * Multiplies the weight of everything the arm has learned.
   * @param factor > 0
   */
  temper(id: string, factor: number): void {
    const arm = this.#arms.get(id);
    if (!arm || isBlank(arm)) return;
    scaleWithPast(arm, factor);
    this.#solveAgain([arm]);
  }

  /**
   * Starts a new level of the arm: what it has learned keeps the weight `remains`, except that almost nothing remains
   * of its level (`past-level.ts`).
   * @param remains in (0, 1]
   */
  resetLevel(id: string, remains: number): void {
    const arm = this.#arms.of(id);
    resetLevel(arm, remains);
    this.#solveAgain([arm]);
  }

  /**
   * Expectation for one context and its uncertainty: O(d²).
   * @param x length d, x[0] = 1
   * @throws RangeError unless x has length d
   */
  predict(id: string, x: Vector): Prediction {
    return this.#predictor.predict(id, this.#arms.of(id), x);
  }

  /** Like `predict`, but bit-identical whatever was asked before; needed for numbers that go into a state. */
  predictAside(id: string, x: Vector): Prediction {
    return this.#predictor.predictAside(id, this.#arms.of(id), x);
  }

  /**
   * Like `predict`, but returns only the expectation: O(d) for an arm that has not learned anything since the last
   * call.
   */
  predictMean(id: string, x: Vector): number {
    return this.#predictor.predictMean(id, this.#arms.of(id), x);
  }

  /**
   * Adds an observation; a negative weight takes one back.
   * @param x length d
   * @param weight e.g. 1
   * @param alarmsSince how often the arm's level was reset since the observation was made
   * @throws RangeError for anything not finite or of other dimensions
   */
  learn(id: string, x: Vector, y: number, weight: number, alarmsSince = 0): void {
    checkObservation(x, y, weight, this.dimensions);
    const arm = this.#arms.of(id);
    this.#updates++;
    const past = isPast(arm, alarmsSince);
    if (past) observePast(arm, x, y, weight, alarmsSince);
    else observe(arm, x, y, weight);
    this.#predictor.forget(id);
    if (weight < 0 && isBlank(arm)) {
      this.#drop(id);
      this.#sumUp();
    } else if (this.#updates % REBUILD_EVERY === 0) this.rebuild();
    else if (past) this.#solveAgain([arm]);
    else if (!this.#updateDerived(arm, x, weight)) this.rebuild();
  }

  /**
   * Like `learn` for many observations, but solves only once at the end. None of them may date from before a drift
   * alarm.
   * @throws RangeError as `learn` does
   */
  learnAll(observations: Iterable<LinearObservation>): void {
    try {
      for (const { arm, x, y, weight } of observations) {
        checkObservation(x, y, weight, this.dimensions);
        observe(this.#arms.of(arm), x, y, weight);
      }
    } finally {
      this.rebuild();
    }
  }

  /** Returns copies of the sums by arm, without the arms that have no observations. */
  sums(): Map<string, ArmSums> {
    return new Map(this.#arms.observed().map(([id, arm]) => [id, copySums(arm)]));
  }

  /**
   * Adds everything that another model has learned.
   * @throws RangeError when the sums do not fit or are not finite
   */
  addSums(sums: ReadonlyMap<string, ArmSums>): void {
    for (const those of sums.values()) checkSums(those, this.dimensions);
    for (const [id, those] of sums) addSums(this.#arms.of(id), those);
    this.rebuild();
  }

  /** Forgets all observations of the arm; its prior mean stays. */
  forget(id: string): void {
    const arm = this.#arms.get(id);
    if (!arm) return;
    this.#drop(id);
    // An arm that was only asked about contributes nothing to the shared part, and a restored model does not have it.
    if (!isBlank(arm)) this.#sumUp();
  }

  #drop(id: string): void {
    this.#arms.drop(id);
    this.#predictor.forget(id);
  }

  /**
   * Updates G and V for the observation, by one rank-1 update each.
   * @returns false when rounding left no safe denominator
   */
  #updateDerived(arm: CoupledArm, x: Vector, weight: number): boolean {
    const factor = updateSolution(arm, x, weight, this.#direction);
    if (factor === null || !this.#shared.update(this.#direction, factor)) return false;
    this.#shared.removeVote(arm.vote);
    recount(arm);
    this.#shared.addVote(arm.vote);
    const loading = this.#arms.loadingOf(arm);
    if (loading !== arm.loading) this.#reload(arm, loading);
    if (this.#updates < SETTLED_AFTER || this.#updates % this.#refreshEvery === 0) this.#refreshShared();
    else this.#predictor.forgetSpreads();
    return true;
  }

  #refreshShared(): void {
    this.#shared.refreshMean();
    this.#predictor.forgetAll();
  }

  /** Changes the arm's loading and replaces its contribution to the shared part. */
  #reload(arm: CoupledArm, loading: number): void {
    this.#shared.remove(arm);
    arm.loading = loading;
    recount(arm);
    this.#shared.add(arm);
    this.#shared.invert();
  }

  /** Recomputes everything derived from the sums: O(K d³). */
  rebuild(): void {
    for (const id of this.#arms.dropBlank()) this.#predictor.forget(id);
    this.#solveAgain(this.#arms.inOrder());
  }

  /**
   * Recomputes what is derived from the sums and priors of the changed arms, and the shared part: O(d³) per changed arm
   * plus O(K d²). Does not recompute all arms, because requests are waiting and usually only one arm has changed.
   */
  #solveAgain(changed: Iterable<CoupledArm>): void {
    for (const arm of changed) {
      solve(arm);
      this.#derive(arm);
    }
    this.#sumUp();
  }

  /** Recomputes an arm's loading, vote and residual from its solution: O(d²). */
  #derive(arm: CoupledArm): void {
    arm.loading = this.#arms.loadingOf(arm);
    recount(arm);
  }

  /** Recomputes the shared part from all arms: O(d³ + K d²). */
  #sumUp(): void {
    this.#shared.clear();
    // An arm without observations would add only rounding errors, and a restored model does not have it.
    for (const arm of this.#arms.inOrder()) if (!isBlank(arm)) this.#shared.add(arm);
    this.#shared.invert();
    this.#refreshShared();
  }

  /** Returns the live arrays, not copies: serialise them before the next update. */
  state(): CoupledLinearModelState {
    return { ...this.#shared.state(), updates: this.#updates, arms: Object.fromEntries(this.#arms.observed()) };
  }

  /**
   * @throws RangeError when the state has other dimensions or holds a number that is not finite
   */
  restore(state: CoupledLinearModelState): void {
    check([state.updates], 1);
    for (const arm of Object.values(state.arms)) checkArm(arm, this.dimensions);
    this.#shared.restore(state);
    this.#arms.restore(state.arms);
    this.#updates = state.updates;
    this.#predictor.forgetAll();
  }
}
