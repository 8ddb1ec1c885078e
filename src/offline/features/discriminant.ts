import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { gram, leadingColumns, symmetricEigen, type TallMatrix } from './dense.ts';

/**
 * Linear discriminant directions: those along which the class means spread most relative to the spread within classes.
 * Solves the generalised eigenproblem S_b v = λ S_w v on covariances shrunk towards a multiple of the identity, as
 * scikit-learn's LinearDiscriminantAnalysis does with `solver="eigen"`.
 * @param shrinkage 0 (none) to 1
 * @returns width × directions, row-major; the variance within classes is 1 along each direction
 * @throws Error when the variance within classes vanishes in some direction and there is no shrinkage
 */
export function discriminantDirections(
  points: TallMatrix,
  width: number,
  labels: Int32Array,
  directions: number,
  shrinkage: number,
): Float64Array {
  const rows = points.length / width;
  const total = shrink(covariance(points, width, new Int32Array(rows)), width, shrinkage);
  const within = shrink(covariance(points, width, labels), width, shrinkage);
  const cholesky = new CholeskyDecomposition(Matrix.from1DArray(width, width, within));
  if (!cholesky.isPositiveDefinite()) throw new Error('The classes have no spread in some direction: use shrinkage.');
  // With S_w = L Lᵀ this is the ordinary eigenproblem of L⁻¹ S_b L⁻ᵀ.
  const inverse = inverseOfLower(cholesky.lowerTriangularMatrix);
  const between = Matrix.from1DArray(
    width,
    width,
    total.map((value, at) => value - within[at]),
  );
  const whitened = inverse.mmul(between).mmul(inverse.transpose());
  const { vectors } = symmetricEigen(Float64Array.from(whitened.to1DArray()), width);
  const rotated = inverse.transpose().mmul(Matrix.from1DArray(width, width, vectors));
  return leadingColumns(Float64Array.from(rotated.to1DArray()), width, directions);
}

/** Covariance around the mean of each row's class. */
function covariance(points: TallMatrix, width: number, labels: Int32Array): Float64Array {
  const rows = points.length / width;
  const classes = labels.reduce((a, b) => Math.max(a, b), 0) + 1;
  const means = new Float64Array(classes * width);
  const sizes = new Uint32Array(classes);
  for (const label of labels) sizes[label]++;
  for (let at = 0; at < points.length; at++) {
    const label = labels[Math.floor(at / width)];
    means[label * width + (at % width)] += points[at] / sizes[label];
  }
  const centred = points.map((value, at) => value - means[labels[Math.floor(at / width)] * width + (at % width)]);
  return gram(centred, width).map((value) => value / rows);
}

function shrink(matrix: Float64Array, width: number, shrinkage: number): Float64Array {
  let trace = 0;
  for (let i = 0; i < width; i++) trace += matrix[i * width + i];
  return matrix.map((value, at) => {
    const onDiagonal = at % (width + 1) === 0;
    return (1 - shrinkage) * value + (onDiagonal ? (shrinkage * trace) / width : 0);
  });
}

function inverseOfLower(lower: Matrix): Matrix {
  const size = lower.rows;
  const inverse = Matrix.eye(size);
  for (let column = 0; column < size; column++) {
    for (let row = column; row < size; row++) {
      let sum = inverse.get(row, column);
      for (let k = column; k < row; k++) sum -= lower.get(row, k) * inverse.get(k, column);
      inverse.set(row, column, sum / lower.get(row, row));
    }
  }
  return inverse;
}
