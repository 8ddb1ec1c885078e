import {
  addScaled,
  dot,
  multiply,
  packedQuadraticForm,
  packSymmetric,
  quadraticForm,
  type SquareMatrix,
  type Vector,
} from '../util/linear-algebra.ts';
import { type CoupledArm, couple } from './coupled-arm.ts';

interface Prepared {
  /** E[θ_a] */
  coefficients: Vector;
  /** Cov[θ_a] / σ², packed; null while it is not worth its price. */
  spread: Vector | null;
}

/**
 * With every so many predictions since something was learned the spread of the arm at hand is prepared: it takes as long
 * as fifty predictions without it, and then saves two thirds of each. A prime, so that arms that are asked in turn all
 * come up. By a count and not by time, so that the same events and questions give the same numbers to the last bit.
 */
const PREPARE_EVERY = 127;

/**
 * What predictions of the arms of a coupled model are made from, kept until it learns: far more is asked than is rated.
 * Notation as there.
 */
export class ArmPredictor {
  readonly #dimensions: number;
  readonly #prepared = new Map<string, Prepared>();
  #predictions = 0;
  readonly #scratch: { a: Vector; b: Vector };

  /** @param dimensions d */
  constructor(dimensions: number) {
    this.#dimensions = dimensions;
    this.#scratch = { a: new Float64Array(dimensions), b: new Float64Array(dimensions) };
  }

  /** The arm has changed. */
  forget(id: string): void {
    this.#prepared.delete(id);
  }

  /** What all arms share has changed. */
  forgetAll(): void {
    this.#prepared.clear();
    this.#predictions = 0;
  }

  /** What the arms share has changed as far as spreads go. */
  forgetSpreads(): void {
    for (const prepared of this.#prepared.values()) prepared.spread = null;
  }

  /** E[θ_a] = m0_a + G_a (b_a + P1 L_a m), length d: O(d²) once. Not to be changed. */
  coefficients(id: string, arm: CoupledArm, sharedMean: Vector): Vector {
    return this.#preparedOf(id, arm, sharedMean).coefficients;
  }

  /** Var[xᵀθ_a] / σ² = xᵀG x + gᵀV g, g = L P1 G x: O(d²). To be asked after the coefficients. */
  spread(id: string, arm: CoupledArm, shared: SquareMatrix, x: Vector): number {
    const prepared = this.#prepared.get(id);
    if (++this.#predictions % PREPARE_EVERY === 0 && prepared) prepared.spread ??= this.#spreadOf(arm, shared);
    return prepared?.spread ? packedQuadraticForm(prepared.spread, x) : this.spreadAside(arm, shared, x);
  }

  /** As `spread`, whatever was asked before: the same to the last bit wherever the arm is the same. */
  spreadAside(arm: CoupledArm, shared: SquareMatrix, x: Vector): number {
    const { a: gx, b: coupled } = this.#scratch;
    multiply(arm.covariance, x, gx);
    couple(arm, gx, coupled);
    return dot(x, gx) + quadraticForm(shared, coupled);
  }

  #preparedOf(id: string, arm: CoupledArm, sharedMean: Vector): Prepared {
    let prepared = this.#prepared.get(id);
    if (!prepared) {
      const { a: sum } = this.#scratch;
      couple(arm, sharedMean, sum);
      addScaled(sum, arm.centred, 1);
      const coefficients = multiply(arm.covariance, sum, new Float64Array(this.#dimensions));
      addScaled(coefficients, arm.priorMean, 1);
      prepared = { coefficients, spread: null };
      this.#prepared.set(id, prepared);
    }
    return prepared;
  }

  /** G + (L P1 G)ᵀ V (L P1 G), packed: O(d³). */
  #spreadOf(arm: CoupledArm, shared: SquareMatrix): Vector {
    const d = this.#dimensions;
    // Row i of G is its column i too, so row i of `coupled` is column i of L P1 G.
    const coupled = new Float64Array(d * d);
    const carried = new Float64Array(d * d);
    for (let i = 0; i < d; i++) {
      const row = coupled.subarray(i * d, (i + 1) * d);
      couple(arm, arm.covariance.subarray(i * d, (i + 1) * d), row);
      multiply(shared, row, carried.subarray(i * d, (i + 1) * d));
    }
    return packSymmetric(d, (i, j) => {
      let sum = arm.covariance[i * d + j];
      for (let k = 0; k < d; k++) sum += coupled[i * d + k] * carried[j * d + k];
      return sum;
    });
  }
}
