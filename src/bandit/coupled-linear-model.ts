import type { Vector } from '../util/linear-algebra.ts';
import { ArmPredictor, type Prediction } from './arm-predictor.ts';
import { type ArmSums, addSums, checkObservation, checkSums, copySums, type LinearObservation } from './arm-sums.ts';
import {
  type CoupledArm,
  check,
  checkArm,
  type LevelSums,
  levelLoading,
  newArm,
  observe,
  recount,
  setPrior,
  solve,
  updateSolution,
} from './coupled-arm.ts';
import type { CoupledModelOptions } from './defaults.ts';
import { clearWithPast, isPast, levelWeight, observePast, resetLevel, scaleWithPast } from './past-level.ts';
import { SharedPart, type SharedPartState } from './shared-part.ts';

export type { Prediction } from './arm-predictor.ts';

/** What is assumed of an arm before it has data of its own. */
export interface ArmPrior {
  /** m0: length d. */
  mean: Vector;
  /** Variance of the arm's own intercept; without it that of all arms. */
  interceptVariance?: number;
}

/** A serialisable copy of everything, so that a restored model predicts the same to the bit. */
export interface CoupledLinearModelState extends SharedPartState {
  updates: number;
  arms: Record<string, CoupledArm>;
}

/** The shared part may lag behind (`refreshEvery`) only from so many observations on: the first ones move it. */
const SETTLED_AFTER = 256;

/** After this many rank-1 updates everything derived is computed anew from the sums, against rounding drift. */
const REBUILD_EVERY = 4096;

/**
 * Bayesian linear regression of several arms that share a part of their coefficients:
 * y = xᵀθ_a + noise, θ_a = m0_a + L_a m + δ_a, m ~ N(0, V0) common to all arms, δ_a ~ N(0, V1) each arm's own.
 *
 * L_a = diag(1, ℓ_a, ℓ_a, …). With `levelLoadings`, ℓ_a follows the arm's level p as item response theory has it: a
 * query's difficulty moves the logit of every model alike, so it moves the expectation by p (1 − p) (the derivative of
 * the logistic curve; Rasch 1960). Models that are nearly always right hardly differ between queries. Otherwise ℓ_a = 1.
 *
 * The posterior is exact for this joint prior. With P0 = σ²V0⁻¹ and P1 = σ²V1⁻¹ (both diagonal), b_a less A_a m0_a:
 * G_a = (A_a + P1)⁻¹, V = (P0 + Σ_a L_a (P1 − P1 G_a P1) L_a)⁻¹, m = V Σ_a L_a P1 G_a b_a,
 * E[xᵀθ_a] = xᵀm0_a + xᵀG_a (b_a + P1 L_a m), Var[xᵀθ_a] = σ² (xᵀG_a x + gᵀV g) with g = L_a P1 G_a x.
 * One observation changes G_a and V⁻¹ by rank one each, so both stay exact at O(d²) without a solve, as long as no
 * loading takes another step.
 */
export class CoupledLinearModel {
  readonly dimensions: number;
  readonly noiseVariance: number;
  readonly #ownVariance: CoupledModelOptions['ownVariance'];
  readonly #levelLoadings: boolean;
  readonly #refreshEvery: number;
  #otherPrior: ArmPrior;
  readonly #arms = new Map<string, CoupledArm>();
  /** In the order of their ids; null once another arm has come. */
  #sorted: readonly CoupledArm[] | null = null;
  readonly #shared: SharedPart;
  #updates = 0;
  readonly #predictor: ArmPredictor;
  /** Scratch: in which direction an observation changes the shared part. */
  readonly #direction: Vector;

  /** @param dimensions d, the leading constant included @param defaultPriorMean m0 of arms that were given none */
  constructor(dimensions: number, options: CoupledModelOptions, defaultPriorMean: Vector) {
    this.dimensions = dimensions;
    this.noiseVariance = options.noiseVariance;
    this.#ownVariance = options.ownVariance;
    this.#levelLoadings = options.levelLoadings ?? false;
    this.#refreshEvery = options.refreshEvery ?? 1;
    this.#otherPrior = { mean: defaultPriorMean };
    this.#shared = new SharedPart(precisions(dimensions, options.noiseVariance, options.sharedVariance));
    this.#predictor = new ArmPredictor(this.#shared, options.noiseVariance);
    this.#direction = new Float64Array(dimensions);
  }

  /** How many observations, by weight, the arm's level rests on: all of them, but for an alarm of drift (`resetLevel`). */
  weightOf(arm: string): number {
    const known = this.#arms.get(arm);
    return known ? levelWeight(known) : 0;
  }

  /**
   * Log marginal likelihood of everything learned, up to a constant that is the same for all options: how well these
   * variances explain the observations. A pure function of the sums, so it does not depend on what was taken back.
   */
  get logEvidence(): number {
    let weight = 0;
    let logDeterminants = this.#shared.logDeterminant;
    let unexplained = -this.#shared.explained;
    for (const arm of this.#inOrderOfIds()) {
      weight += arm.weight;
      logDeterminants += arm.logDeterminant;
      unexplained += arm.residual;
    }
    return -0.5 * (weight * Math.log(this.noiseVariance) + logDeterminants + unexplained / this.noiseVariance);
  }

  /** @param priors of some arms @param other of all others. Does nothing, to the bit, when nothing differs. */
  setPriors(priors: ReadonlyMap<string, ArmPrior>, other: ArmPrior = this.#otherPrior): void {
    this.#otherPrior = other;
    const changed: CoupledArm[] = [];
    for (const id of new Set([...this.#arms.keys(), ...priors.keys()])) {
      const prior = priors.get(id) ?? other;
      const arm = this.#arm(id);
      if (setPrior(arm, prior.mean, this.#precisionOf(prior))) changed.push(arm);
    }
    if (changed.length > 0) this.#solveAgain(changed);
  }

  /**
   * The prior mean with which a new arm is expected to be like this one: E[θ_a] less what it will take of the shared
   * part, which comes on top of any arm's prior mean.
   */
  priorLike(id: string): Vector {
    const arm = this.#arm(id);
    const { mean } = this.#shared;
    const prior = Float64Array.from(this.#predictor.coefficients(id, arm));
    prior[0] -= mean[0];
    const nothing = new Float64Array(prior.length);
    const loading = this.#loadingOf({ ...arm, priorMean: prior, precision: nothing, response: nothing });
    for (let i = 1; i < prior.length; i++) prior[i] -= loading * mean[i];
    return prior;
  }

  /** Multiplies what the arm has learned by the factor, as if each observation had counted so much less. @param factor > 0 */
  temper(id: string, factor: number): void {
    const arm = this.#arm(id);
    scaleWithPast(arm, factor);
    this.#solveAgain([arm]);
  }

  /**
   * The arm's level is another one from now on: what it has learned counts so much less, and of its level next to
   * nothing (`past-level.ts`). @param remains in (0, 1]
   */
  resetLevel(id: string, remains: number): void {
    const arm = this.#arm(id);
    resetLevel(arm, remains);
    this.#solveAgain([arm]);
  }

  /** Expectation and its uncertainty for one context, O(d²). @param x x[0] = 1 @throws RangeError unless of length d */
  predict(id: string, x: Vector): Prediction {
    return this.#predictor.predict(id, this.#arm(id), x);
  }

  /** As `predict`, and the same to the last bit whatever was asked before: for what goes into a state. */
  predictAside(id: string, x: Vector): Prediction {
    return this.#predictor.predictAside(id, this.#arm(id), x);
  }

  /** As `predict`, the expectation alone: O(d) for an arm that has learned nothing since. */
  predictMean(id: string, x: Vector): number {
    return this.#predictor.predictMean(id, this.#arm(id), x);
  }

  /**
   * Adds an observation; a negative weight takes one back. @param x length d @param weight e.g. 1
   * @param alarmsSince how often the arm's level was let go since the observation was made
   * @throws RangeError for anything not finite or of other dimensions
   */
  learn(id: string, x: Vector, y: number, weight: number, alarmsSince = 0): void {
    checkObservation(x, y, weight, this.dimensions);
    const arm = this.#arm(id);
    this.#updates++;
    const past = isPast(arm, alarmsSince);
    if (past) observePast(arm, x, y, weight, alarmsSince);
    else observe(arm, x, y, weight);
    this.#predictor.forget(id);
    if (this.#updates % REBUILD_EVERY === 0) this.rebuild();
    else if (past) this.#solveAgain([arm]);
    else if (!this.#updateDerived(arm, x, weight)) this.rebuild();
  }

  /**
   * As `learn` for many observations, none from before a drift alarm, solved once at the end. @throws RangeError as
   * `learn`
   */
  learnAll(observations: Iterable<LinearObservation>): void {
    try {
      for (const { arm, x, y, weight } of observations) {
        checkObservation(x, y, weight, this.dimensions);
        observe(this.#arm(arm), x, y, weight);
      }
    } finally {
      this.rebuild();
    }
  }

  /** Copies, by arm. */
  sums(): Map<string, ArmSums> {
    return new Map([...this.#arms].map(([id, arm]) => [id, copySums(arm)]));
  }

  /** As learning all that another model has learned. @throws RangeError when the sums do not fit or are not finite */
  addSums(sums: ReadonlyMap<string, ArmSums>): void {
    for (const those of sums.values()) checkSums(those, this.dimensions);
    for (const [id, those] of sums) addSums(this.#arm(id), those);
    this.rebuild();
  }

  /** The arm is where it would be without any observation of it; its prior mean stays. */
  forget(id: string): void {
    const arm = this.#arms.get(id);
    if (!arm) return;
    clearWithPast(arm);
    this.rebuild();
  }

  /** G and V after the observation, by a rank-1 update each; false when rounding left no safe denominator. */
  #updateDerived(arm: CoupledArm, x: Vector, weight: number): boolean {
    const factor = updateSolution(arm, x, weight, this.#direction);
    if (factor === null || !this.#shared.update(this.#direction, factor)) return false;
    this.#shared.removeVote(arm.vote);
    recount(arm);
    this.#shared.addVote(arm.vote);
    const loading = this.#loadingOf(arm);
    if (loading !== arm.loading) this.#reload(arm, loading);
    if (this.#updates < SETTLED_AFTER || this.#updates % this.#refreshEvery === 0) this.#refreshShared();
    else this.#predictor.forgetSpreads();
    return true;
  }

  #refreshShared(): void {
    this.#shared.refreshMean();
    this.#predictor.forgetAll();
  }

  #loadingOf(arm: LevelSums): number {
    return this.#levelLoadings ? levelLoading(arm) : 1;
  }

  /** Gives the arm another loading: its part of what is shared is exchanged. */
  #reload(arm: CoupledArm, loading: number): void {
    this.#shared.remove(arm);
    arm.loading = loading;
    recount(arm);
    this.#shared.add(arm);
    this.#shared.invert();
  }

  /** Everything derived, anew from the sums: O(K d³). */
  rebuild(): void {
    this.#solveAgain(this.#arms.values());
  }

  /**
   * Recomputes all that is derived from the sums and priors of the changed arms, and the shared part: O(d³) per changed
   * arm plus O(K d²). Not of all arms: requests wait meanwhile, and as a rule a single arm has changed.
   */
  #solveAgain(changed: Iterable<CoupledArm>): void {
    for (const arm of changed) {
      solve(arm);
      arm.loading = this.#loadingOf(arm);
      recount(arm);
    }
    this.#shared.clear();
    for (const arm of this.#inOrderOfIds()) this.#shared.add(arm);
    this.#shared.invert();
    this.#refreshShared();
  }

  /** The live arrays, not copies: serialise before the next update. */
  state(): CoupledLinearModelState {
    return { ...this.#shared.state(), updates: this.#updates, arms: Object.fromEntries(this.#arms) };
  }

  /** @throws RangeError when the state has other dimensions or holds anything not finite */
  restore(state: CoupledLinearModelState): void {
    check([state.updates], 1);
    for (const arm of Object.values(state.arms)) checkArm(arm, this.dimensions);
    this.#shared.restore(state);
    this.#arms.clear();
    for (const [id, arm] of Object.entries(state.arms)) this.#arms.set(id, arm);
    this.#sorted = null;
    this.#updates = state.updates;
    this.#predictor.forgetAll();
  }

  /** Sums of floating-point numbers depend on their order, and the order of insertion does not survive a restart. */
  #inOrderOfIds(): readonly CoupledArm[] {
    this.#sorted ??= [...this.#arms.keys()].sort().map((id) => this.#arms.get(id) as CoupledArm);
    return this.#sorted;
  }

  /** Diagonal of P1. */
  #precisionOf({ interceptVariance: intercept = this.#ownVariance.intercept }: ArmPrior): Vector {
    return precisions(this.dimensions, this.noiseVariance, { ...this.#ownVariance, intercept });
  }

  #arm(id: string): CoupledArm {
    let arm = this.#arms.get(id);
    if (!arm) {
      arm = newArm(this.#otherPrior.mean, this.#precisionOf(this.#otherPrior));
      arm.loading = this.#loadingOf(arm);
      this.#arms.set(id, arm);
      this.#sorted = null;
    }
    return arm;
  }
}

function precisions(d: number, noise: number, variance: { intercept: number; slope: number }): Vector {
  return new Float64Array(d).fill(noise / variance.slope).fill(noise / variance.intercept, 0, 1);
}
