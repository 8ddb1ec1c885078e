import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** A tall dense matrix: a row-major `Float64Array` of rows × width numbers. */
export type TallMatrix = Float64Array;

export interface Eigenpairs {
  /** In descending order. */
  values: Float64Array;
  /** Column k of the width × width matrix belongs to values[k]. Its entry of largest magnitude is positive. */
  vectors: Float64Array;
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix.
 * @param matrix size × size, row-major
 */
export function symmetricEigen(matrix: Float64Array, size: number): Eigenpairs {
  const rows = Matrix.from1DArray(size, size, matrix);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(rows, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b] - realEigenvalues[a]);
  const vectors = new Float64Array(size * size);
  order.forEach((from, to) => {
    const column = eigenvectorMatrix.getColumn(from);
    const sign = signOfLargest(column);
    column.forEach((value, row) => {
      vectors[row * size + to] = sign * value;
    });
  });
  return { values: Float64Array.from(order, (i) => realEigenvalues[i]), vectors };
}

/** Fixes the sign of an eigenvector, which is otherwise undetermined. */
function signOfLargest(column: readonly number[]): number {
  let largest = 0;
  for (const value of column) if (Math.abs(value) > Math.abs(largest)) largest = value;
  return largest < 0 ? -1 : 1;
}

/**
 * MᵀM.
 * @returns width × width
 */
export function gram(matrix: TallMatrix, width: number): Float64Array {
  const product = new Float64Array(width * width);
  for (let start = 0; start < matrix.length; start += width) {
    for (let i = 0; i < width; i++) {
      const value = matrix[start + i];
      for (let j = i; j < width; j++) product[i * width + j] += value * matrix[start + j];
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) product[i * width + j] = product[j * width + i];
  return product;
}

/**
 * M · right.
 * @param right width × size
 * @returns rows × size
 */
export function times(matrix: TallMatrix, width: number, right: Float64Array, size: number): TallMatrix {
  const rows = matrix.length / width;
  const product = new Float64Array(rows * size);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      const value = matrix[row * width + i];
      for (let k = 0; k < size; k++) product[row * size + k] += value * right[i * size + k];
    }
  }
  return product;
}

/** The first `count` columns of a matrix. */
export function leadingColumns(matrix: Float64Array, width: number, count: number): Float64Array {
  return Float64Array.from({ length: (matrix.length / width) * count }, (_, at) => {
    return matrix[Math.floor(at / count) * width + (at % count)];
  });
}

export interface Standardisation {
  mean: Float64Array;
  /** Never zero: 1e-9 for a constant column. */
  sd: Float64Array;
}

/** Mean and standard deviation (dividing by n, not n − 1) of each column. */
export function columnStatistics(matrix: TallMatrix, width: number): Standardisation {
  const rows = matrix.length / width;
  const mean = new Float64Array(width);
  const squares = new Float64Array(width);
  for (let at = 0; at < matrix.length; at++) mean[at % width] += matrix[at] / rows;
  for (let at = 0; at < matrix.length; at++) squares[at % width] += (matrix[at] - mean[at % width]) ** 2 / rows;
  return { mean, sd: squares.map((square) => Math.sqrt(square) + 1e-9) };
}

/** (M − mean) / sd, in place. */
export function standardise(matrix: TallMatrix, { mean, sd }: Standardisation): TallMatrix {
  const width = mean.length;
  for (let at = 0; at < matrix.length; at++) matrix[at] = (matrix[at] - mean[at % width]) / sd[at % width];
  return matrix;
}
