/** Dense square matrices here are row-major `Float64Array`s of d × d numbers; vectors have length d. */
export type Vector = Float64Array;
export type SquareMatrix = Float64Array;

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/**
 * out = M v. Processes four rows at a time: their sums do not depend on each other, so it takes a third of the time.
 * Each row is still added up in the same order, so the result is bit-identical.
 */
export function multiply(matrix: SquareMatrix, vector: Vector, out: Vector): Vector {
  const d = vector.length;
  let row = 0;
  for (; row + 4 <= d; row += 4) {
    const first = row * d;
    const second = first + d;
    const third = second + d;
    const fourth = third + d;
    let a = 0;
    let b = 0;
    let c = 0;
    let e = 0;
    for (let column = 0; column < d; column++) {
      const value = vector[column];
      a += matrix[first + column] * value;
      b += matrix[second + column] * value;
      c += matrix[third + column] * value;
      e += matrix[fourth + column] * value;
    }
    out[row] = a;
    out[row + 1] = b;
    out[row + 2] = c;
    out[row + 3] = e;
  }
  for (; row < d; row++) {
    let sum = 0;
    for (let column = 0, at = row * d; column < d; column++, at++) sum += matrix[at] * vector[column];
    out[row] = sum;
  }
  return out;
}

/** vᵀ M v for a symmetric matrix. Reads only the lower triangle, which is half the work of `multiply`. */
export function quadraticForm(matrix: SquareMatrix, vector: Vector): number {
  const d = vector.length;
  let sum = 0;
  for (let i = 0, row = 0; i < d; i++, row += d) {
    // Four sums, for the same reason as in `multiply`.
    let a = 0;
    let b = 0;
    let c = 0;
    let e = 0;
    let j = 0;
    for (; j + 4 <= i; j += 4) {
      a += matrix[row + j] * vector[j];
      b += matrix[row + j + 1] * vector[j + 1];
      c += matrix[row + j + 2] * vector[j + 2];
      e += matrix[row + j + 3] * vector[j + 3];
    }
    for (; j < i; j++) a += matrix[row + j] * vector[j];
    sum += vector[i] * (matrix[row + i] * vector[i] + 2 * (a + b + c + e));
  }
  return sum;
}

/**
 * The lower triangle of a symmetric matrix, row by row, with off-diagonal entries doubled, for `packedQuadraticForm`.
 */
export function packSymmetric(d: number, entry: (row: number, column: number) => number): Vector {
  const packed = new Float64Array((d * (d + 1)) / 2);
  for (let i = 0, at = 0; i < d; i++) {
    for (let j = 0; j < i; j++) packed[at++] = 2 * entry(i, j);
    packed[at++] = entry(i, i);
  }
  return packed;
}

/** vᵀ M v of a matrix from `packSymmetric`. */
export function packedQuadraticForm(packed: Vector, vector: Vector): number {
  let sum = 0;
  for (let i = 0, row = 0; i < vector.length; i++, row += i) {
    // Four sums, for the same reason as in `multiply`.
    let a = 0;
    let b = 0;
    let c = 0;
    let e = 0;
    let j = 0;
    for (; j + 4 <= i + 1; j += 4) {
      a += packed[row + j] * vector[j];
      b += packed[row + j + 1] * vector[j + 1];
      c += packed[row + j + 2] * vector[j + 2];
      e += packed[row + j + 3] * vector[j + 3];
    }
    for (; j <= i; j++) a += packed[row + j] * vector[j];
    sum += vector[i] * (a + b + c + e);
  }
  return sum;
}

/** M += factor · v vᵀ */
export function addOuterProduct(matrix: SquareMatrix, vector: Vector, factor: number): void {
  const d = vector.length;
  for (let row = 0, offset = 0; row < d; row++, offset += d) {
    const scaled = factor * vector[row];
    for (let column = 0; column < d; column++) matrix[offset + column] += scaled * vector[column];
  }
}

/** Anything smaller is a rounding error, not a safe denominator. */
const MIN_DENOMINATOR = 1e-6;

/**
 * Updates M⁻¹ for M += factor · v vᵀ, M symmetric, in place (Sherman & Morrison 1950): O(d²).
 * @param image out: M⁻¹ v, using the inverse before the update
 * @returns the factor by which |M| changes, 1 + factor · vᵀM⁻¹v; null when that is not a safe denominator, in which
 * case the inverse is unchanged
 */
export function updateInverse(inverse: SquareMatrix, vector: Vector, factor: number, image: Vector): number | null {
  multiply(inverse, vector, image);
  const ratio = 1 + factor * dot(vector, image);
  if (!(ratio > MIN_DENOMINATOR)) return null;
  addOuterProduct(inverse, image, -factor / ratio);
  return ratio;
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
 * Inverse of a positive definite matrix. Only the lower triangle is read; the inverse is exactly symmetric. Written
 * here because ml-matrix takes three times as long at d = 42, and the learner needs an inverse whenever a loading
 * changes.
 * @throws Error when the matrix is not positive definite
 */
export function invertPositiveDefinite(
  matrix: SquareMatrix,
  d: number,
): { inverse: SquareMatrix; logDeterminant: number } {
  const lower = choleskyFactor(matrix, d);
  let logDeterminant = 0;
  for (let i = 0; i < d; i++) logDeterminant += 2 * Math.log(lower[i * d + i]);
  invertLower(lower, d);
  // M⁻¹ = L⁻ᵀ L⁻¹: entry (i, j) sums over the rows from max(i, j) on.
  const inverse = new Float64Array(d * d);
  for (let row = 0; row < d; row++) {
    for (let i = 0; i <= row; i++) {
      const factor = lower[row * d + i];
      for (let j = 0; j <= i; j++) inverse[i * d + j] += factor * lower[row * d + j];
    }
  }
  for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) inverse[j * d + i] = inverse[i * d + j];
  return { inverse, logDeterminant };
}

/** ln |M| of the diagonal matrix with these entries, each > 0. */
export function sumOfLogs(values: Vector): number {
  return values.reduce((sum, value) => sum + Math.log(value), 0);
}

/** L with M = L Lᵀ; zero above the diagonal. */
function choleskyFactor(matrix: SquareMatrix, d: number): SquareMatrix {
  const lower = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * d + j];
      for (let k = 0; k < j; k++) sum -= lower[i * d + k] * lower[j * d + k];
      if (i !== j) {
        lower[i * d + j] = sum / lower[j * d + j];
        continue;
      }
      if (!(sum > 0)) throw new Error('The matrix is not positive definite.');
      lower[i * d + i] = Math.sqrt(sum);
    }
  }
  return lower;
}

/** L ← L⁻¹, in place, by forward substitution. */
function invertLower(lower: SquareMatrix, d: number): void {
  for (let column = 0; column < d; column++) {
    lower[column * d + column] = 1 / lower[column * d + column];
    for (let row = column + 1; row < d; row++) {
      let sum = 0;
      for (let k = column; k < row; k++) sum -= lower[row * d + k] * lower[k * d + column];
      lower[row * d + column] = sum / lower[row * d + row];
    }
  }
}

export function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}
