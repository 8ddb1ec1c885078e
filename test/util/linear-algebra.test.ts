import fc from 'fast-check';
import { determinant, inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import {
  addOuterProduct,
  addScaled,
  allFinite,
  diagonalMatrix,
  dot,
  invertPositiveDefinite,
  multiply,
  packedQuadraticForm,
  packSymmetric,
  quadraticForm,
  sumOfLogs,
  updateInverse,
} from '../../src/util/linear-algebra.ts';
import { seededRandom } from '../../src/util/random.ts';

function randomVector(d: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: d }, () => random.normal());
}

const asMatrix = (values: Float64Array, d: number) => Matrix.from1DArray(d, d, values);
const sizes = fc.integer({ min: 1, max: 11 });

describe('linear algebra', () => {
  it('agrees with ml-matrix', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), (d, seed) => {
        const [v, w, m] = [randomVector(d, seed), randomVector(d, seed + 1), randomVector(d * d, seed + 2)];
        const [column, other] = [Matrix.columnVector([...v]), Matrix.columnVector([...w])];
        expect(dot(v, w)).toBeCloseTo(column.dot(other), 12);
        const product = asMatrix(m, d).mmul(column).to1DArray();
        multiply(m, v, new Float64Array(d)).forEach((value, i) => {
          expect(value).toBeCloseTo(product[i], 12);
        });
        const symmetric = Matrix.add(asMatrix(m, d), asMatrix(m, d).transpose());
        const form = column.transpose().mmul(symmetric).mmul(column).get(0, 0);
        expect(quadraticForm(Float64Array.from(symmetric.to1DArray()), v)).toBeCloseTo(form, 12);
        const packed = packSymmetric(d, (i, j) => symmetric.get(i, j));
        expect(packedQuadraticForm(packed, v)).toBeCloseTo(form, 12);
        const expected = Matrix.add(asMatrix(m, d), column.mmul(column.transpose()).mul(-0.3)).to1DArray();
        addOuterProduct(m, v, -0.3);
        m.forEach((value, i) => {
          expect(value).toBeCloseTo(expected[i], 12);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('adds a multiple in place, and makes a diagonal matrix', () => {
    const v = Float64Array.of(1, 2);
    addScaled(v, Float64Array.of(10, -10), 0.5);
    expect(v).toEqual(Float64Array.of(6, -3));
    expect(diagonalMatrix(v)).toEqual(Float64Array.of(6, 0, 0, -3));
  });

  it('inverts positive definite matrices, even if their halves differ in the last bits', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), fc.boolean(), (d, seed, rounded) => {
        const random = seededRandom(seed);
        const matrix = diagonalMatrix(new Float64Array(d).fill(0.5));
        for (let i = 0; i < 2 * d; i++) addOuterProduct(matrix, randomVector(d, seed + i), 0.1 + random.uniform());
        for (let i = 0; rounded && i < matrix.length; i++) matrix[i] *= 1 + 2e-16 * random.normal();
        const result = invertPositiveDefinite(matrix, d).inverse;
        const expected = inverse(asMatrix(matrix, d));
        for (let i = 0; i < d; i++) {
          for (let j = 0; j < d; j++) {
            expect(result[i * d + j]).toBeCloseTo(expected.get(i, j), 10);
            expect(result[i * d + j]).toBe(result[j * d + i]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('updates an inverse and returns the ratio of determinants, or null if that is almost zero', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), (d, seed) => {
        const matrix = diagonalMatrix(new Float64Array(d).fill(0.5));
        for (let i = 0; i < 2 * d; i++) addOuterProduct(matrix, randomVector(d, seed + i), 0.3);
        const result = invertPositiveDefinite(matrix, d).inverse;
        const [v, image] = [randomVector(d, seed - 1), new Float64Array(d)];
        for (const factor of [0.7, -0.6]) {
          const before = determinant(asMatrix(matrix, d));
          addOuterProduct(matrix, v, factor);
          const ratio = updateInverse(result, v, factor, image);
          expect(ratio).toBeCloseTo(determinant(asMatrix(matrix, d)) / before, 8);
          const expected = inverse(asMatrix(matrix, d)).to1DArray();
          result.forEach((value, i) => {
            expect(value).toBeCloseTo(expected[i], 8);
          });
        }
        const before = Float64Array.from(result);
        for (const factor of [-1 / quadraticForm(result, v), Number.NaN]) {
          expect(updateInverse(result, v, factor, image)).toBeNull();
          expect(result).toEqual(before);
        }
      }),
      { numRuns: 40 },
    );
    expect(sumOfLogs(Float64Array.of(2, 0.5, 3))).toBeCloseTo(Math.log(3), 14);
  });

  it('throws instead of inverting a matrix that is not positive definite', () => {
    for (const values of [
      [1, 2, 2, 1],
      [0, 0, 0, 0],
      [-1, 0, 0, -1],
    ]) {
      expect(() => invertPositiveDefinite(Float64Array.from(values), 2).inverse).toThrow();
    }
    expect(() => invertPositiveDefinite(Float64Array.of(Number.NaN, 0, 0, 1), 2).inverse).toThrow();
  });

  it('recognises finite numbers', () => {
    expect(allFinite([])).toBe(true);
    expect(allFinite(Float64Array.of(1, -0, 1e308))).toBe(true);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(allFinite([0, 1, bad])).toBe(false);
    }
  });
});
