import {
  addScaled,
  dot,
  multiply,
  packedQuadraticForm,
  packSymmetric,
  quadraticForm,
  type Vector,
} from '../util/linear-algebra.ts';
import { type CoupledArm, couple } from './coupled-arm.ts';
import type { SharedPart } from './shared-part.ts';

export interface Prediction {
  mean: number;
  /** Standard deviation of the expectation (not of one noisy observation). */
  sd: number;
}

interface Prepared {
  /** E[θ_a] */
  coefficients: Vector;
  /** Cov[θ_a] / σ², packed; null until it has been prepared. */
  spread: Vector | null;
}

/**
 * The spread of the requested arm is prepared once per this many predictions since the shared part last changed.
 * Preparing costs as much as fifty predictions without it, and then saves two thirds of each. A prime, so that arms
 * that are asked in turn all get theirs. A count rather than a time, so that the same events and questions give
 * bit-identical numbers.
 */
const PREPARE_EVERY = 127;

/**
 * Predictions for the arms of a coupled model, from results that are cached until the model learns: predictions are far
 * more frequent than ratings. Notation as in `coupled-linear-model.ts`. Contexts x have length d, x[0] = 1.
 */
export class ArmPredictor {
  readonly #shared: SharedPart;
  readonly #noiseVariance: number;
  readonly #dimensions: number;
  readonly #prepared = new Map<string, Prepared>();
  #predictions = 0;
  readonly #scratch: { a: Vector; b: Vector };

  /** @param noiseVariance σ² */
  constructor(shared: SharedPart, noiseVariance: number) {
    this.#shared = shared;
    this.#noiseVariance = noiseVariance;
    this.#dimensions = shared.mean.length;
    this.#scratch = { a: new Float64Array(this.#dimensions), b: new Float64Array(this.#dimensions) };
  }

  /** Must be called when the arm has changed. */
  forget(id: string): void {
    this.#prepared.delete(id);
  }

  /** Must be called when the shared part has changed. */
  forgetAll(): void {
    this.#prepared.clear();
    this.#predictions = 0;
  }

  /** Must be called when the shared covariance has changed but not the shared mean. */
  forgetSpreads(): void {
    for (const prepared of this.#prepared.values()) prepared.spread = null;
  }

  /**
   * Expectation and its uncertainty: O(d²).
   * @throws RangeError unless x has length d
   */
  predict(id: string, arm: CoupledArm, x: Vector): Prediction {
    const prepared = this.#preparedOf(id, arm);
    const mean = this.#meanBy(prepared, x);
    if (++this.#predictions % PREPARE_EVERY === 0) prepared.spread ??= this.#spreadOf(arm);
    return this.#prediction(mean, prepared.spread ? packedQuadraticForm(prepared.spread, x) : this.#spreadAt(arm, x));
  }

  /** Like `predict`, but independent of earlier calls: for the same arm the result is bit-identical. */
  predictAside(id: string, arm: CoupledArm, x: Vector): Prediction {
    return this.#prediction(this.predictMean(id, arm, x), this.#spreadAt(arm, x));
  }

  /**
   * Like `predict`, but returns only the expectation: O(d) for an arm that has not learned anything since the last
   * call.
   */
  predictMean(id: string, arm: CoupledArm, x: Vector): number {
    return this.#meanBy(this.#preparedOf(id, arm), x);
  }

  /** E[θ_a] = m0_a + G_a (b_a + P1 L_a m), length d. O(d²), then cached. Do not change it. */
  coefficients(id: string, arm: CoupledArm): Vector {
    return this.#preparedOf(id, arm).coefficients;
  }

  #meanBy({ coefficients }: Prepared, x: Vector): number {
    if (x.length !== this.#dimensions) throw new RangeError('A context must have the dimensions of the model.');
    return dot(x, coefficients);
  }

  #prediction(mean: number, spread: number): Prediction {
    return { mean, sd: Math.sqrt(Math.max(0, this.#noiseVariance * spread)) };
  }

  /** Var[xᵀθ_a] / σ² = xᵀG x + gᵀV g, g = L P1 G x: O(d²). */
  #spreadAt(arm: CoupledArm, x: Vector): number {
    const { a: gx, b: coupled } = this.#scratch;
    multiply(arm.covariance, x, gx);
    couple(arm, gx, coupled);
    return dot(x, gx) + quadraticForm(this.#shared.covariance, coupled);
  }

  #preparedOf(id: string, arm: CoupledArm): Prepared {
    let prepared = this.#prepared.get(id);
    if (!prepared) {
      const { a: sum } = this.#scratch;
      couple(arm, this.#shared.mean, sum);
      addScaled(sum, arm.centred, 1);
      const coefficients = multiply(arm.covariance, sum, new Float64Array(this.#dimensions));
      addScaled(coefficients, arm.priorMean, 1);
      prepared = { coefficients, spread: null };
      this.#prepared.set(id, prepared);
    }
    return prepared;
  }

  /** G + (L P1 G)ᵀ V (L P1 G), packed: O(d³). */
  #spreadOf(arm: CoupledArm): Vector {
    const d = this.#dimensions;
    // G is symmetric: its row i is its column i, so row i of `coupled` is column i of L P1 G.
    const coupled = new Float64Array(d * d);
    const carried = new Float64Array(d * d);
    for (let i = 0; i < d; i++) {
      const row = coupled.subarray(i * d, (i + 1) * d);
      couple(arm, arm.covariance.subarray(i * d, (i + 1) * d), row);
      multiply(this.#shared.covariance, row, carried.subarray(i * d, (i + 1) * d));
    }
    return packSymmetric(d, (i, j) => {
      let sum = arm.covariance[i * d + j];
      for (let k = 0; k < d; k++) sum += coupled[i * d + k] * carried[j * d + k];
      return sum;
    });
  }
}
