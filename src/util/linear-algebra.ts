import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** Dense square matrices here are row-major `Float64Array`s of d × d numbers; vectors have length d. */
export type Vector = Float64Array;
export type SquareMatrix = Float64Array;

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** out = M v */
export function multiply(matrix: SquareMatrix, vector: Vector, out: Vector): Vector {
  const d = vector.length;
  for (let row = 0, offset = 0; row < d; row++, offset += d) {
    let sum = 0;
    for (let column = 0; column < d; column++) sum += matrix[offset + column] * vector[column];
    out[row] = sum;
  }
  return out;
}

/** M += factor · v vᵀ */
export function addOuterProduct(matrix: SquareMatrix, vector: Vector, factor: number): void {
  const d = vector.length;
  for (let row = 0, offset = 0; row < d; row++, offset += d) {
    const scaled = factor * vector[row];
    for (let column = 0; column < d; column++) matrix[offset + column] += scaled * vector[column];
  }
}

/** v += factor · w */
export function addScaled(vector: Vector, other: Vector, factor: number): void {
  for (let i = 0; i < vector.length; i++) vector[i] += factor * other[i];
}

export function diagonalMatrix(diagonal: Vector): SquareMatrix {
  const d = diagonal.length;
  const matrix = new Float64Array(d * d);
  for (let i = 0; i < d; i++) matrix[i * d + i] = diagonal[i];
  return matrix;
}

/**
 * Inverse of a positive definite matrix that is symmetric but for rounding; the inverse is symmetric to the bit.
 * @throws Error when it is not positive definite
 */
export function inverseOfPositiveDefinite(matrix: SquareMatrix, d: number): SquareMatrix {
  const cholesky = new CholeskyDecomposition(symmetrised(Matrix.from1DArray(d, d, matrix)));
  if (!cholesky.isPositiveDefinite()) throw new Error('The matrix is not positive definite.');
  return Float64Array.from(symmetrised(cholesky.solve(Matrix.eye(d))).to1DArray());
}

/** ln |M| of a positive definite matrix. @throws Error when it is not positive definite */
export function logDeterminant(matrix: SquareMatrix, d: number): number {
  const cholesky = new CholeskyDecomposition(symmetrised(Matrix.from1DArray(d, d, matrix)));
  if (!cholesky.isPositiveDefinite()) throw new Error('The matrix is not positive definite.');
  return cholesky.lowerTriangularMatrix.diagonal().reduce((sum, value) => sum + 2 * Math.log(value), 0);
}

/** The decomposition refuses two halves that differ in a last bit, and sums of outer products do. */
function symmetrised(matrix: Matrix): Matrix {
  return Matrix.add(matrix, matrix.transpose()).mul(0.5);
}

export function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}
