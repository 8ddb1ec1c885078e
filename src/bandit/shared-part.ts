import {
  addOuterProduct,
  addScaled,
  diagonalMatrix,
  dot,
  invertPositiveDefinite,
  multiply,
  type SquareMatrix,
  sumOfLogs,
  updateInverse,
  type Vector,
} from '../util/linear-algebra.ts';
import { type CoupledArm, check } from './coupled-arm.ts';

/** Serialisable state; the names are those of the snapshots on disk. */
export interface SharedPartState {
  /** V⁻¹ */
  sharedInverse: SquareMatrix;
  /** V */
  shared: SquareMatrix;
  /** Σ_a h_a */
  votes: Vector;
  /** m */
  sharedMean: Vector;
  /** ln |V⁻¹| − ln |P0| */
  logDeterminant: number;
}

/**
 * The coefficients that all arms of a coupled model share, N(m, σ²V) given everything the arms have learned: the upper
 * level of a two-level linear model (Lindley & Smith 1972). With the arms' own parts integrated out, V⁻¹ = P0 + Σ_a L_a
 * (P1 − P1 G_a P1) L_a and m = V Σ_a h_a. Notation as in `coupled-linear-model.ts`.
 *
 * It holds the two sums (V⁻¹ and Σ_a h_a) and their solution. A change to the sums does not reach the solution until
 * `invert` and `refreshMean` are called; only `update` keeps V and the determinant up to date by itself. Matrices are d
 * × d and symmetric; vectors have length d, which is not checked because this is the learner's inner loop.
 */
export class SharedPart {
  readonly #priorPrecision: Vector;
  readonly #priorLogDeterminant: number;
  #inverse: SquareMatrix;
  #covariance: SquareMatrix;
  #votes: Vector;
  #mean: Vector;
  #logDeterminant = 0;
  readonly #scratch: Vector;

  /**
   * @param priorPrecision diagonal of P0 = σ²V0⁻¹: length d, each > 0
   */
  constructor(priorPrecision: Vector) {
    this.#priorPrecision = priorPrecision;
    this.#priorLogDeterminant = sumOfLogs(priorPrecision);
    this.#inverse = diagonalMatrix(priorPrecision);
    this.#covariance = diagonalMatrix(priorPrecision.map((p) => 1 / p));
    this.#votes = new Float64Array(priorPrecision.length);
    this.#mean = new Float64Array(priorPrecision.length);
    this.#scratch = new Float64Array(priorPrecision.length);
  }

  /** m as of the last `refreshMean`. The live array: do not change it. */
  get mean(): Vector {
    return this.#mean;
  }

  /** V: the covariance of the shared coefficients in units of σ². The live array: do not change it. */
  get covariance(): SquareMatrix {
    return this.#covariance;
  }

  /** ln |V⁻¹| − ln |P0|, ≥ 0 up to rounding. */
  get logDeterminant(): number {
    return this.#logDeterminant;
  }

  /** mᵀV⁻¹m = mᵀΣ_a h_a, in units of y²: how much m explains of the squares left by the arms' own parts. */
  get explained(): number {
    return dot(this.#votes, this.#mean);
  }

  /** Adds the arm's contribution to both sums, from its G, loading and vote. */
  add(arm: CoupledArm): void {
    this.#addCoupling(arm, 1);
    this.addVote(arm.vote);
  }

  /** Takes back what `add` added; the arm must not have changed since. */
  remove(arm: CoupledArm): void {
    this.#addCoupling(arm, -1);
    this.removeVote(arm.vote);
  }

  /**
   * @param vote h of an arm
   */
  addVote(vote: Vector): void {
    addScaled(this.#votes, vote, 1);
  }

  /**
   * @param vote the same as when it was added
   */
  removeVote(vote: Vector): void {
    addScaled(this.#votes, vote, -1);
  }

  /**
   * V⁻¹ += factor · u uᵀ, keeping V and the determinant up to date: O(d²). An observation of an arm with weight w
   * changes the arm's part with u = L P1 G x and factor = w / (1 + w xᵀG x).
   * @returns false when rounding left no safe denominator, in which case nothing has changed
   */
  update(direction: Vector, factor: number): boolean {
    const ratio = updateInverse(this.#covariance, direction, factor, this.#scratch);
    if (ratio === null) return false;
    addOuterProduct(this.#inverse, direction, factor);
    this.#logDeterminant += Math.log(ratio);
    return true;
  }

  /** Sets both sums to those of no arms; the solution stays as it is. */
  clear(): void {
    this.#inverse = diagonalMatrix(this.#priorPrecision);
    this.#votes = new Float64Array(this.#priorPrecision.length);
  }

  /**
   * Recomputes V and the determinant from V⁻¹: O(d³).
   * @throws Error when V⁻¹ is not positive definite
   */
  invert(): void {
    const d = this.#priorPrecision.length;
    const { inverse, logDeterminant } = invertPositiveDefinite(this.#inverse, d);
    this.#covariance = inverse;
    this.#logDeterminant = logDeterminant - this.#priorLogDeterminant;
  }

  /** m = V Σ_a h_a: O(d²). */
  refreshMean(): void {
    multiply(this.#covariance, this.#votes, this.#mean);
  }

  /** The live arrays, not copies: serialise them before the next update. */
  state(): SharedPartState {
    return {
      sharedInverse: this.#inverse,
      shared: this.#covariance,
      votes: this.#votes,
      sharedMean: this.#mean,
      logDeterminant: this.#logDeterminant,
    };
  }

  /**
   * Takes over the state's arrays, without copying them.
   * @throws RangeError when they do not fit or hold a number that is not finite; then nothing has changed
   */
  restore({ sharedInverse, shared, votes, sharedMean, logDeterminant }: SharedPartState): void {
    const d = this.#priorPrecision.length;
    for (const matrix of [sharedInverse, shared]) check(matrix, d * d);
    for (const vector of [votes, sharedMean]) check(vector, d);
    check([logDeterminant], 1);
    this.#inverse = sharedInverse;
    this.#covariance = shared;
    this.#votes = votes;
    this.#mean = sharedMean;
    this.#logDeterminant = logDeterminant;
  }

  /** V⁻¹ += sign · L (P1 − P1 G P1) L */
  #addCoupling({ covariance, loading, ownPrecision }: CoupledArm, sign: 1 | -1): void {
    const d = ownPrecision.length;
    for (let i = 0; i < d; i++) {
      const left = sign * (i === 0 ? 1 : loading);
      for (let j = 0; j < d; j++) {
        const own = i === j ? ownPrecision[i] : 0;
        const value = own - ownPrecision[i] * covariance[i * d + j] * ownPrecision[j];
        this.#inverse[i * d + j] += left * value * (j === 0 ? 1 : loading);
      }
    }
  }
}
