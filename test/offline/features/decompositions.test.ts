import { Matrix, SVD } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { columnStatistics, gram, standardise, symmetricEigen, times } from '../../../src/offline/features/dense.ts';
import { discriminantDirections } from '../../../src/offline/features/discriminant.ts';
import { kMeans } from '../../../src/offline/features/k-means.ts';
import {
  gramTimesDense,
  inverseDocumentFrequency,
  type SparseMatrix,
  timesDense,
  weightAndNormalise,
} from '../../../src/offline/features/sparse-matrix.ts';
import { truncatedSvd } from '../../../src/offline/features/truncated-svd.ts';
import { type Random, seededRandom } from '../../../src/util/random.ts';

function randomSparse(rows: number, width: number, random: Random): { sparse: SparseMatrix; dense: Matrix } {
  const dense = Matrix.zeros(rows, width);
  const offsets = [0];
  const columns: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      if (random.uniform() > 0.4) continue;
      // Values fall off along the columns like word frequencies; random matrices have no leading directions.
      const value = random.normal() * 0.8 ** column;
      dense.set(row, column, value);
      columns.push(column);
      values.push(value);
    }
    offsets.push(columns.length);
  }
  const sparse = {
    rows,
    width,
    offsets: Uint32Array.from(offsets),
    columns: Uint16Array.from(columns),
    values: Float64Array.from(values),
  };
  return { sparse, dense };
}

/** Points around `centres`, assigned to the classes in turn. */
function clouds(centres: number[][], perClass: number, spread: number[], random: Random) {
  const width = centres[0].length;
  const points = new Float64Array(centres.length * perClass * width);
  const labels = new Int32Array(centres.length * perClass);
  for (let row = 0; row < labels.length; row++) {
    labels[row] = row % centres.length;
    for (let k = 0; k < width; k++) points[row * width + k] = centres[labels[row]][k] + spread[k] * random.normal();
  }
  return { points, labels, width };
}

describe('sparse matrices', () => {
  const { sparse, dense } = randomSparse(30, 17, seededRandom(1));

  it('multiply like dense ones', () => {
    const right = Matrix.rand(17, 5, { random: seededRandom(2).uniform });
    const flat = Float64Array.from(right.to1DArray());
    const product = dense.mmul(right);
    timesDense(sparse, flat, 5).forEach((value, at) => {
      expect(value).toBeCloseTo(product.to1DArray()[at], 12);
    });
    const twice = dense.transpose().mmul(product).to1DArray();
    gramTimesDense(sparse, flat, 5).forEach((value, at) => {
      expect(value).toBeCloseTo(twice[at], 12);
    });
  });

  it('are weighted by smoothed inverse document frequency, and their rows normalised to length 1', () => {
    const small: SparseMatrix = {
      rows: 3,
      width: 3,
      offsets: Uint32Array.of(0, 2, 3, 3),
      columns: Uint16Array.of(0, 1, 0),
      values: Float64Array.of(1, 2, 5),
    };
    const idf = inverseDocumentFrequency(small);
    expect(Array.from(idf)).toEqual([Math.log(4 / 3) + 1, Math.log(4 / 2) + 1, Math.log(4) + 1]);
    weightAndNormalise(small, idf);
    const norm = Math.hypot(idf[0], 2 * idf[1]);
    expect(small.values[0]).toBeCloseTo(idf[0] / norm, 12);
    expect(small.values[1]).toBeCloseTo((2 * idf[1]) / norm, 12);
    expect(small.values[2]).toBe(1);
  });
});

describe('truncatedSvd', () => {
  it('finds the singular values and vectors of a full decomposition', () => {
    const { sparse, dense } = randomSparse(60, 40, seededRandom(3));
    const { singularValues, components } = truncatedSvd(sparse, 6, seededRandom(4));
    const full = new SVD(dense, { autoTranspose: true });
    for (let k = 0; k < 6; k++) {
      expect(singularValues[k]).toBeCloseTo(full.diagonal[k], 6);
      let cosine = 0;
      for (let row = 0; row < 40; row++) cosine += components[row * 6 + k] * full.rightSingularVectors.get(row, k);
      expect(Math.abs(cosine)).toBeCloseTo(1, 6);
    }
  });

  it('gives orthonormal components, and the same ones for the same seed', () => {
    const { sparse } = randomSparse(60, 40, seededRandom(3));
    const { components } = truncatedSvd(sparse, 6, seededRandom(4));
    gram(components, 6).forEach((value, at) => {
      expect(value).toBeCloseTo(at % 7 === 0 ? 1 : 0, 9);
    });
    expect(truncatedSvd(sparse, 6, seededRandom(4)).components).toEqual(components);
  });

  it('stays finite for a matrix of lower rank', () => {
    const { sparse } = randomSparse(3, 40, seededRandom(5));
    const { singularValues, components } = truncatedSvd(sparse, 6, seededRandom(6));
    expect(singularValues[2]).toBeGreaterThan(1e-3);
    expect(singularValues[3]).toBeCloseTo(0, 6);
    expect(components.every(Number.isFinite)).toBe(true);
  });
});

describe('symmetricEigen', () => {
  it('sorts eigenvalues in descending order', () => {
    const { values, vectors } = symmetricEigen(Float64Array.of(2, -1, -1, 2), 2);
    expect(values[0]).toBeCloseTo(3);
    expect(values[1]).toBeCloseTo(1);
    expect(Math.max(vectors[0], vectors[2])).toBeCloseTo(Math.SQRT1_2);
  });

  it('makes the largest component of every eigenvector positive, so that the signs are reproducible', () => {
    const random = seededRandom(11);
    for (let run = 0; run < 20; run++) {
      const size = 4;
      const { vectors } = symmetricEigen(
        gram(
          Float64Array.from({ length: 40 }, () => random.normal()),
          size,
        ),
        size,
      );
      for (let to = 0; to < size; to++) {
        const vector = Array.from({ length: size }, (_, row) => vectors[row * size + to]);
        expect(Math.max(...vector)).toBe(Math.max(...vector.map(Math.abs)));
      }
    }
  });
});

describe('kMeans', () => {
  const centres = [
    [0, 0, 0],
    [10, 0, 0],
    [0, 10, 0],
    [0, 0, 10],
    [10, 10, 10],
  ];

  it('finds well separated clouds', () => {
    const { points, labels, width } = clouds(centres, 40, [1, 1, 1], seededRandom(7));
    const found = kMeans(points, width, 5, seededRandom(8));
    for (let a = 0; a < labels.length; a++) {
      for (let b = 0; b < labels.length; b += 7) {
        expect(found.labels[a] === found.labels[b]).toBe(labels[a] === labels[b]);
      }
    }
    expect(found.inertia / labels.length).toBeCloseTo(3, 0);
  });

  it('assigns each point to its nearest centroid', () => {
    const random = seededRandom(9);
    const points = Float64Array.from({ length: 600 }, () => random.normal());
    const { labels, centroids, inertia } = kMeans(points, 3, 7, random);
    let sum = 0;
    labels.forEach((label, row) => {
      const distances = Array.from({ length: 7 }, (_, c) =>
        [0, 1, 2].reduce((total, k) => total + (points[row * 3 + k] - centroids[c * 3 + k]) ** 2, 0),
      );
      expect(distances[label]).toBeCloseTo(Math.min(...distances), 9);
      sum += distances[label];
    });
    expect(sum).toBeCloseTo(inertia, 6);
  });

  it('is reproducible for the same seed', () => {
    const { points, width } = clouds(centres, 20, [3, 3, 3], seededRandom(10));
    expect(kMeans(points, width, 6, seededRandom(11))).toEqual(kMeans(points, width, 6, seededRandom(11)));
  });

  it('handles more clusters than distinct points', () => {
    const points = Float64Array.of(0, 0, 1, 1, 0, 0, 1, 1, 0, 0);
    const { centroids, inertia } = kMeans(points, 2, 4, seededRandom(12));
    expect(centroids.every(Number.isFinite)).toBe(true);
    expect(inertia).toBe(0);
  });
});

describe('discriminantDirections', () => {
  it('finds the direction in which classes differ, not the one in which points are spread', () => {
    const { points, labels, width } = clouds(
      [
        [0, 0, 0],
        [0, 2, 0],
      ],
      500,
      [10, 0.5, 1],
      seededRandom(13),
    );
    const direction = discriminantDirections(points, width, labels, 1, 0);
    expect(Math.abs(direction[1])).toBeGreaterThan(20 * Math.abs(direction[0]));
    expect(Math.abs(direction[1])).toBeGreaterThan(10 * Math.abs(direction[2]));
    // The variance within classes along the direction is 1.
    expect(Math.abs(direction[1])).toBeCloseTo(2, 0);
  });

  it('agrees with Fisher’s formula for two classes', () => {
    const { points, labels, width } = clouds(
      [
        [0, 0],
        [1, 2],
      ],
      200,
      [1, 3],
      seededRandom(14),
    );
    const direction = discriminantDirections(points, width, labels, 1, 0);
    const means = [0, 1].map((label) => {
      const rows = [...labels.keys()].filter((row) => labels[row] === label);
      return [0, 1].map((k) => rows.reduce((sum, row) => sum + points[row * 2 + k], 0) / rows.length);
    });
    const within = Matrix.zeros(2, 2);
    labels.forEach((label, row) => {
      const centred = Matrix.columnVector([0, 1].map((k) => points[row * 2 + k] - means[label][k]));
      within.add(centred.mmul(centred.transpose()));
    });
    const fisher = new SVD(within).solve(Matrix.columnVector([0, 1].map((k) => means[1][k] - means[0][k])));
    expect(direction[0] / direction[1]).toBeCloseTo(fisher.get(0, 0) / fisher.get(1, 0), 6);
  });

  it('needs shrinkage if the classes have no spread', () => {
    const points = Float64Array.of(0, 0, 1, 0, 0, 1, 1, 1);
    const labels = Int32Array.of(0, 0, 1, 1);
    expect(() => discriminantDirections(points, 2, labels, 1, 0)).toThrow(/shrinkage/);
    expect(discriminantDirections(points, 2, labels, 1, 0.1).every(Number.isFinite)).toBe(true);
  });
});

describe('standardise', () => {
  it('scales each column to mean 0 and variance 1, and a constant one to 0', () => {
    const matrix = Float64Array.of(1, 5, 3, 5, 8, 5);
    standardise(matrix, columnStatistics(matrix, 2));
    const { mean, sd } = columnStatistics(matrix, 2);
    expect(mean[0]).toBeCloseTo(0, 12);
    expect(sd[0]).toBeCloseTo(1, 6);
    expect([matrix[1], matrix[3], matrix[5]]).toEqual([0, 0, 0]);
    expect(Array.from(times(Float64Array.of(1, 2, 3, 4), 2, Float64Array.of(1, 1), 1))).toEqual([3, 7]);
  });
});
