import { addOuterProduct, addScaled, allFinite, type SquareMatrix, type Vector } from '../util/linear-algebra.ts';

/** One observation of an arm: y at the context x, counted `weight` times. */
export interface LinearObservation {
  arm: string;
  /** Length d, x[0] = 1. */
  x: Vector;
  y: number;
  weight: number;
}

/** Everything that is kept of an arm's observations. The sums of two sets of observations add up. */
export interface ArmSums {
  /** A = Σ w x xᵀ */
  precision: SquareMatrix;
  /** b = Σ w y x */
  response: Vector;
  /** Σ w y² */
  squares: number;
  /** Σ w: the number of observations, by weight. */
  weight: number;
}

/**
 * @param x length d
 * @param weight negative to take an observation back
 */
export function addObservation(sums: ArmSums, x: Vector, y: number, weight: number): void {
  addOuterProduct(sums.precision, x, weight);
  addScaled(sums.response, x, weight * y);
  sums.squares += weight * y * y;
  sums.weight += weight;
}

/** Adds the observations behind the other sums. */
export function addSums(sums: ArmSums, { precision, response, squares, weight }: ArmSums): void {
  addScaled(sums.precision, precision, 1);
  addScaled(sums.response, response, 1);
  sums.squares += squares;
  sums.weight += weight;
}

/**
 * Multiplies the weight of every observation.
 * @param factor > 0
 */
export function scaleSums(sums: ArmSums, factor: number): void {
  for (const values of [sums.precision, sums.response]) for (let i = 0; i < values.length; i++) values[i] *= factor;
  sums.squares *= factor;
  sums.weight *= factor;
}

/** Copies only the sums, whatever else the object holds. */
export function copySums({ precision, response, squares, weight }: ArmSums): ArmSums {
  return { precision: Float64Array.from(precision), response: Float64Array.from(response), squares, weight };
}

/**
 * @throws RangeError unless the observation has d dimensions and is finite: a single non-finite number would corrupt
 * every sum
 */
export function checkObservation(x: Vector, y: number, weight: number, d: number): void {
  if (x.length !== d || !allFinite(x) || !Number.isFinite(y) || !Number.isFinite(weight)) {
    throw new RangeError('An observation must have finite numbers and the dimensions of the model.');
  }
}

/**
 * @throws RangeError unless the sums have d dimensions and are finite
 */
export function checkSums({ precision, response, squares, weight }: ArmSums, d: number): void {
  const fits = precision.length === d * d && response.length === d;
  if (!fits || ![precision, response, [squares, weight]].every(allFinite)) {
    throw new RangeError('Sums must have finite numbers and the dimensions of the model.');
  }
}
