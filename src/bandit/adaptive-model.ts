import type { ArmSums, LinearObservation } from './arm-sums.ts';
import type { ArmPrior } from './coupled-arms.ts';
import { CoupledLinearModel, type CoupledLinearModelState, type Prediction } from './coupled-linear-model.ts';
import type { CoupledModelOptions } from './defaults.ts';

export interface AdaptiveModelState {
  candidates: CoupledLinearModelState[];
}

/**
 * Coupled linear models with different variances that all learn from the same observations. The one with the highest
 * marginal likelihood predicts (empirical Bayes, MacKay 1992). The first is the default; another one must explain the
 * observations better by a margin.
 *
 * Public benchmarks agree on tight slopes and coarse grades, which are the default. A fleet of specialists, or ratings
 * finer than thumbs, become apparent within a few hundred ratings. The choice is a function of the sums alone, so a
 * rating that was taken back leaves no trace here either.
 */
export class AdaptiveLinearModel {
  readonly #candidates: CoupledLinearModel[];
  readonly #margin: number;
  #chosen: CoupledLinearModel;

  /** @param margin by how much, in nats, the evidence of another candidate must exceed that of the first */
  constructor(dimensions: number, options: readonly CoupledModelOptions[], margin: number, priorMean: Float64Array) {
    this.#candidates = options.map((candidate) => new CoupledLinearModel(dimensions, candidate, priorMean));
    this.#margin = margin;
    this.#chosen = this.#candidates[0];
  }

  /** Index of the candidate that predicts. */
  get chosen(): number {
    return this.#candidates.indexOf(this.#chosen);
  }

  /** Variance of one observation under the candidate that predicts. */
  get noiseVariance(): number {
    return this.#chosen.noiseVariance;
  }

  weightOf(arm: string): number {
    return this.#candidates[0].weightOf(arm);
  }

  /** As `CoupledLinearModel`. */
  setPriors(priors: ReadonlyMap<string, ArmPrior>, other?: ArmPrior): void {
    for (const candidate of this.#candidates) candidate.setPriors(priors, other);
    this.#choose();
  }

  /** As `CoupledLinearModel`. */
  setPriorsOfNew(priors: ReadonlyMap<string, ArmPrior>, other?: ArmPrior): void {
    for (const candidate of this.#candidates) candidate.setPriorsOfNew(priors, other);
  }

  /** As `CoupledLinearModel`, from the candidate that predicts. */
  priorLike(arm: string): Float64Array {
    return this.#chosen.priorLike(arm);
  }

  /** As `CoupledLinearModel`. */
  temper(arm: string, factor: number): void {
    for (const candidate of this.#candidates) candidate.temper(arm, factor);
    this.#choose();
  }

  /** As `CoupledLinearModel`. */
  resetLevel(arm: string, remains: number): void {
    for (const candidate of this.#candidates) candidate.resetLevel(arm, remains);
    this.#choose();
  }

  predict(arm: string, x: Float64Array): Prediction {
    return this.#chosen.predict(arm, x);
  }

  /** As `CoupledLinearModel`. */
  predictAside(arm: string, x: Float64Array): Prediction {
    return this.#chosen.predictAside(arm, x);
  }

  /**
   * @throws RangeError as `CoupledLinearModel`
   */
  learn(arm: string, x: Float64Array, y: number, weight: number, alarmsSince?: number): void {
    for (const candidate of this.#candidates) candidate.learn(arm, x, y, weight, alarmsSince);
    this.#choose();
  }

  /**
   * @throws RangeError as `CoupledLinearModel`
   */
  learnAll(observations: readonly LinearObservation[]): void {
    for (const candidate of this.#candidates) candidate.learnAll(observations);
    this.#choose();
  }

  forget(arm: string): void {
    for (const candidate of this.#candidates) candidate.forget(arm);
    this.#choose();
  }

  /** As `CoupledLinearModel`; the same for all candidates. */
  sums(): Map<string, ArmSums> {
    return this.#candidates[0].sums();
  }

  /**
   * @throws RangeError as `CoupledLinearModel`
   */
  addSums(sums: ReadonlyMap<string, ArmSums>): void {
    for (const candidate of this.#candidates) candidate.addSums(sums);
    this.#choose();
  }

  state(): AdaptiveModelState {
    return { candidates: this.#candidates.map((candidate) => candidate.state()) };
  }

  /**
   * @throws RangeError as `CoupledLinearModel`
   */
  restore(state: AdaptiveModelState): void {
    if (state.candidates.length !== this.#candidates.length) throw new RangeError('The state does not fit the model.');
    for (const [i, candidate] of this.#candidates.entries()) candidate.restore(state.candidates[i]);
    this.#choose();
  }

  #choose(): void {
    const [first, ...others] = this.#candidates;
    this.#chosen = first;
    let highest = first.logEvidence + this.#margin;
    for (const other of others) {
      const evidence = other.logEvidence;
      if (!(evidence > highest)) continue;
      highest = evidence;
      this.#chosen = other;
    }
  }
}
