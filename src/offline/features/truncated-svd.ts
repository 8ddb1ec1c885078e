import type { Random } from '../../util/random.ts';
import { gram, leadingColumns, symmetricEigen, times } from './dense.ts';
import { gramTimesDense, type SparseMatrix, timesDense } from './sparse-matrix.ts';

export interface TruncatedSvd {
  rank: number;
  /** In descending order. */
  singularValues: Float64Array;
  /** Right singular vectors as columns: width × rank, row-major. A · components are the scores of the rows. */
  components: Float64Array;
}

export interface SvdOptions {
  /** Extra columns beyond the rank; they speed up the convergence of the last wanted ones. */
  oversampling?: number;
  powerIterations?: number;
  onIteration?: (done: number, of: number) => void;
}

/**
 * The leading singular vectors by randomised subspace iteration on AᵀA with a final Rayleigh–Ritz step (Halko,
 * Martinsson, Tropp, "Finding structure with randomness", 2011, algorithms 4.4 and 5.1).
 * @param rank at most the smaller side of the matrix
 */
export function truncatedSvd(
  matrix: SparseMatrix,
  rank: number,
  random: Random,
  options: SvdOptions = {},
): TruncatedSvd {
  const { oversampling = 10, powerIterations = 4, onIteration } = options;
  const size = Math.min(rank + oversampling, matrix.width);
  let basis: Float64Array = Float64Array.from({ length: matrix.width * size }, () => random.normal());
  for (let iteration = 0; iteration <= powerIterations; iteration++) {
    basis = orthonormalBasis(gramTimesDense(matrix, basis, size), size);
    onIteration?.(iteration + 1, powerIterations + 1);
  }
  const { values, vectors } = symmetricEigen(gram(timesDense(matrix, basis, size), size), size);
  return {
    rank,
    singularValues: values.slice(0, rank).map((value) => Math.sqrt(Math.max(0, value))),
    components: times(basis, size, leadingColumns(vectors, size, rank), rank),
  };
}

/** An orthonormal basis of the columns' span, computed from MᵀM; columns beyond the rank become zero. */
function orthonormalBasis(matrix: Float64Array, size: number): Float64Array {
  const { values, vectors } = symmetricEigen(gram(matrix, size), size);
  const smallest = values[0] * 1e-13;
  const rotation = vectors.map((value, at) => {
    const eigenvalue = values[at % size];
    return eigenvalue > smallest ? value / Math.sqrt(eigenvalue) : 0;
  });
  return times(matrix, size, rotation, size);
}
