import {
  addScaled,
  allFinite,
  diagonalMatrix,
  dot,
  invertPositiveDefinite,
  multiply,
  type SquareMatrix,
  sumOfLogs,
  updateInverse,
  type Vector,
} from '../util/linear-algebra.ts';
import { addObservation } from './arm-sums.ts';
import { LEVEL_LOADING } from './defaults.ts';
import type { SumsWithPast } from './past-level.ts';

/** State of one arm: its sums, and what is derived from them. */
export interface CoupledArm extends SumsWithPast {
  /** m0, the arm's own prior mean. */
  priorMean: Vector;
  /** Diagonal of P1 = σ²V1⁻¹. */
  ownPrecision: Vector;
  /** ℓ: the factor on the shared slopes. */
  loading: number;
  /** G = (A + P1)⁻¹ */
  covariance: SquareMatrix;
  /** b − A m0 */
  centred: Vector;
  /** h = L P1 G (b − A m0): the arm's contribution to the shared mean. */
  vote: Vector;
  /** Σ w (y − xᵀm0)² − (b − A m0)ᵀ G (b − A m0): what the arm's own coefficients leave unexplained. */
  residual: number;
  /** ln |A + P1| − ln |P1| */
  logDeterminant: number;
}

/** out = L P1 v; out may be v itself. */
export function couple({ ownPrecision, loading }: CoupledArm, vector: Vector, out: Vector): void {
  out[0] = ownPrecision[0] * vector[0];
  for (let i = 1; i < vector.length; i++) out[i] = loading * ownPrecision[i] * vector[i];
}

/**
 * An arm without observations.
 * @param priorMean m0, length d
 * @param ownPrecision diagonal of P1
 */
export function newArm(priorMean: Vector, ownPrecision: Vector): CoupledArm {
  const d = priorMean.length;
  return {
    precision: new Float64Array(d * d),
    response: new Float64Array(d),
    squares: 0,
    weight: 0,
    past: [],
    priorMean: Float64Array.from(priorMean),
    ownPrecision: Float64Array.from(ownPrecision),
    loading: 1,
    covariance: diagonalMatrix(ownPrecision.map((p) => 1 / p)),
    centred: new Float64Array(d),
    vote: new Float64Array(d),
    residual: 0,
    logDeterminant: 0,
  };
}

/** True for an arm without observations: a new one with the same prior can take its place. */
export function isBlank({ weight, squares, past, precision, response }: CoupledArm): boolean {
  if (weight !== 0 || squares !== 0 || past.length > 0) return false;
  return precision.every((value) => value === 0) && response.every((value) => value === 0);
}

/**
 * Copies the prior mean and precision into the arm and recomputes G and b − A m0, in O(d²) where only the mean differs,
 * because G does not depend on it. The caller must update the rest by `recount`.
 * @returns whether they differ from the arm's previous prior
 */
export function setPrior(arm: CoupledArm, priorMean: Vector, ownPrecision: Vector): boolean {
  const samePrecision = equal(arm.ownPrecision, ownPrecision);
  if (equal(arm.priorMean, priorMean) && samePrecision) return false;
  arm.priorMean = Float64Array.from(priorMean);
  arm.ownPrecision = Float64Array.from(ownPrecision);
  if (samePrecision) recentre(arm);
  else solve(arm);
  return true;
}

/** Adds an observation to the sums and to b − A m0. The caller must update the rest by `updateSolution` or `solve`. */
export function observe(arm: CoupledArm, x: Vector, y: number, weight: number): void {
  addObservation(arm, x, y, weight);
  addScaled(arm.centred, x, weight * (y - dot(x, arm.priorMean)));
}

/**
 * Recomputes G, its determinant and b − A m0 from the sums: O(d³).
 * @throws Error when A + P1 is not positive definite
 */
export function solve(arm: CoupledArm): void {
  const d = arm.ownPrecision.length;
  const regularised = Float64Array.from(arm.precision);
  for (let i = 0; i < d; i++) regularised[i * d + i] += arm.ownPrecision[i];
  const { inverse, logDeterminant } = invertPositiveDefinite(regularised, d);
  arm.covariance = inverse;
  arm.logDeterminant = logDeterminant - sumOfLogs(arm.ownPrecision);
  recentre(arm);
}

/** Recomputes b − A m0 from the sums: O(d²). */
function recentre(arm: CoupledArm): void {
  multiply(arm.precision, arm.priorMean, arm.centred);
  for (let i = 0; i < arm.centred.length; i++) arm.centred[i] = arm.response[i] - arm.centred[i];
}

/**
 * Updates G and its determinant for one more observation x of weight w: O(d²). The arm's part of the shared V⁻¹ changes
 * by factor · u uᵀ.
 * @param direction out: u = L P1 G x, with G from before the update
 * @returns the factor, w / (1 + w xᵀG x); null when rounding left no safe denominator, in which case nothing has
 * changed
 */
export function updateSolution(arm: CoupledArm, x: Vector, weight: number, direction: Vector): number | null {
  const ratio = updateInverse(arm.covariance, x, weight, direction);
  if (ratio === null) return null;
  arm.logDeterminant += Math.log(ratio);
  couple(arm, direction, direction);
  return weight / ratio;
}

/** Recomputes the vote and the residual from the solution and the loading: O(d²). */
export function recount(arm: CoupledArm): void {
  multiply(arm.covariance, arm.centred, arm.vote);
  arm.residual = centredSquares(arm) - dot(arm.centred, arm.vote);
  couple(arm, arm.vote, arm.vote);
}

/** Σ w (y − xᵀm0)² = Σ w y² − m0ᵀ(b + (b − A m0)) */
function centredSquares({ squares, priorMean, response, centred }: CoupledArm): number {
  return squares - dot(priorMean, response) - dot(priorMean, centred);
}

/** Loadings are rounded to multiples of this step so that they rarely change, because every change costs a solve. */
const LOADING_STEP = 0.05;

/** What an arm's level is computed from. Only the first element of A is used. */
export type LevelSums = Pick<CoupledArm, 'priorMean' | 'precision' | 'response' | 'ownPrecision'>;

/**
 * ℓ from the arm's level so far. A function of the sums alone, so observations that were taken back leave no trace.
 */
export function levelLoading({ priorMean, precision, response, ownPrecision }: LevelSums): number {
  const pseudo = ownPrecision[0];
  const level = (pseudo * priorMean[0] + response[0]) / (pseudo + Math.max(0, precision[0]));
  const exact = (level * (1 - level)) / LEVEL_LOADING.typical;
  const bounded = Math.min(LEVEL_LOADING.most, Math.max(LEVEL_LOADING.least, exact));
  return Math.round(bounded / LOADING_STEP) * LOADING_STEP;
}

/**
 * @throws RangeError when a restored arm has other dimensions or holds a number that is not finite
 */
export function checkArm(arm: CoupledArm, d: number): void {
  for (const matrix of [arm.precision, arm.covariance]) check(matrix, d * d);
  const { response, priorMean, ownPrecision, centred, vote } = arm;
  for (const vector of [response, priorMean, ownPrecision, centred, vote]) check(vector, d);
  for (const { inputs, response: total } of arm.past) {
    check(inputs, d);
    check([total], 1);
  }
  check([arm.weight, arm.squares, arm.loading, arm.residual, arm.logDeterminant], 5);
}

/**
 * @throws RangeError unless there are `length` numbers, all finite
 */
export function check(values: ArrayLike<number>, length: number): void {
  if (values.length !== length || !allFinite(values)) throw new RangeError('The state does not fit the model.');
}

function equal(a: Vector, b: Vector): boolean {
  return a.every((value, i) => value === b[i]);
}
