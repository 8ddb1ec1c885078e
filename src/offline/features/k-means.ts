import { drawIndex, type Random } from '../../util/random.ts';
import type { TallMatrix } from './dense.ts';

export interface Clustering {
  /** The cluster of each row. */
  labels: Int32Array;
  /** clusters × width, row-major. */
  centroids: Float64Array;
  /** Sum of squared distances of the rows from their centroids. */
  inertia: number;
}

export interface KMeansOptions {
  restarts?: number;
  maxIterations?: number;
  /** Iteration stops when the centroids' squared moves sum to less than this share of the mean column variance. */
  tolerance?: number;
  onIteration?: (restart: number, iteration: number) => void;
}

/**
 * Returns the best of several runs of Lloyd's algorithm from greedy k-means++ starts, as scikit-learn's KMeans does.
 */
export function kMeans(
  points: TallMatrix,
  width: number,
  clusters: number,
  random: Random,
  options: KMeansOptions = {},
): Clustering {
  const { restarts = 2, maxIterations = 300, tolerance = 1e-4, onIteration } = options;
  const enough = tolerance * meanVariance(points, width);
  let best: Clustering | null = null;
  for (let restart = 0; restart < restarts; restart++) {
    let centroids = startingCentroids(points, width, clusters, random);
    let current = assign(points, width, centroids);
    for (let iteration = 0; iteration < maxIterations; iteration++) {
      const moved = means(points, width, current, clusters);
      const move = squaredDistance(moved, 0, centroids, 0, moved.length);
      centroids = moved;
      const before = current.labels;
      current = assign(points, width, centroids);
      onIteration?.(restart, iteration);
      if (move <= enough || before.every((label, row) => label === current.labels[row])) break;
    }
    if (!best || current.inertia < best.inertia) best = { ...current, centroids };
  }
  return best as Clustering;
}

interface Assignment {
  labels: Int32Array;
  /** Squared distance of each row from its centroid. */
  distances: Float64Array;
  inertia: number;
}

function assign(points: TallMatrix, width: number, centroids: Float64Array): Assignment {
  const rows = points.length / width;
  const clusters = centroids.length / width;
  const labels = new Int32Array(rows);
  const distances = new Float64Array(rows);
  const halfNorms = Float64Array.from(
    { length: clusters },
    (_, c) => dot(centroids, c * width, centroids, c * width, width) / 2,
  );
  const products = new Float64Array(clusters);
  let inertia = 0;
  for (let row = 0; row < rows; row++) {
    multiplyRow(points, row * width, width, centroids, products);
    // |x − c|² = |x|² − 2 (x·c − |c|² / 2), so the nearest centroid maximises the expression in parentheses.
    let largest = Number.NEGATIVE_INFINITY;
    for (let cluster = 0; cluster < clusters; cluster++) {
      const affinity = products[cluster] - halfNorms[cluster];
      if (affinity > largest) {
        largest = affinity;
        labels[row] = cluster;
      }
    }
    distances[row] = Math.max(0, dot(points, row * width, points, row * width, width) - 2 * largest);
    inertia += distances[row];
  }
  return { labels, distances, inertia };
}

/** products[c] = x · centroid c. Four centroids at a time, because k-means spends most of its time here. */
function multiplyRow(
  points: TallMatrix,
  at: number,
  width: number,
  centroids: Float64Array,
  products: Float64Array,
): void {
  let cluster = 0;
  for (; cluster + 3 < products.length; cluster += 4) {
    const ofA = cluster * width;
    const ofB = ofA + width;
    const ofC = ofB + width;
    const ofD = ofC + width;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let k = 0; k < width; k++) {
      const value = points[at + k];
      a += value * centroids[ofA + k];
      b += value * centroids[ofB + k];
      c += value * centroids[ofC + k];
      d += value * centroids[ofD + k];
    }
    products[cluster] = a;
    products[cluster + 1] = b;
    products[cluster + 2] = c;
    products[cluster + 3] = d;
  }
  for (; cluster < products.length; cluster++) products[cluster] = dot(points, at, centroids, cluster * width, width);
}

function dot(a: Float64Array, aStart: number, b: Float64Array, bStart: number, width: number): number {
  let sum = 0;
  for (let k = 0; k < width; k++) sum += a[aStart + k] * b[bStart + k];
  return sum;
}

/**
 * Means of the clusters. A cluster that lost all its rows restarts at the row farthest from that row's own centroid.
 */
function means(points: TallMatrix, width: number, { labels, distances }: Assignment, clusters: number): Float64Array {
  const centroids = new Float64Array(clusters * width);
  const sizes = new Uint32Array(clusters);
  labels.forEach((label, row) => {
    sizes[label]++;
    for (let k = 0; k < width; k++) centroids[label * width + k] += points[row * width + k];
  });
  const left = distances.slice();
  for (let cluster = 0; cluster < clusters; cluster++) {
    if (sizes[cluster] > 0) {
      for (let k = 0; k < width; k++) centroids[cluster * width + k] /= sizes[cluster];
    } else {
      const farthest = left.indexOf(left.reduce((a, b) => Math.max(a, b)));
      left[farthest] = 0;
      centroids.set(points.subarray(farthest * width, (farthest + 1) * width), cluster * width);
    }
  }
  return centroids;
}

/**
 * Greedy k-means++ (Arthur, Vassilvitskii, 2007): repeatedly draws a few rows far from all centroids and keeps the most
 * useful one.
 */
function startingCentroids(points: TallMatrix, width: number, clusters: number, random: Random): Float64Array {
  const rows = points.length / width;
  const trials = 2 + Math.floor(Math.log(clusters));
  const centroids = new Float64Array(clusters * width);
  const first = Math.floor(random.uniform() * rows);
  centroids.set(points.subarray(first * width, (first + 1) * width));
  let distances = distancesFrom(points, width, first, new Float64Array(rows).fill(Number.POSITIVE_INFINITY));
  for (let cluster = 1; cluster < clusters; cluster++) {
    let chosen = { row: 0, distances, total: Number.POSITIVE_INFINITY };
    for (let trial = 0; trial < trials; trial++) {
      const row = drawIndex(distances, random);
      const after = distancesFrom(points, width, row, distances);
      const total = after.reduce((sum, distance) => sum + distance, 0);
      if (total < chosen.total) chosen = { row, distances: after, total };
    }
    centroids.set(points.subarray(chosen.row * width, (chosen.row + 1) * width), cluster * width);
    distances = chosen.distances;
  }
  return centroids;
}

/** Squared distances from the nearest centroid after row `from` has become a centroid. */
function distancesFrom(points: TallMatrix, width: number, from: number, distances: Float64Array): Float64Array {
  return distances.map((distance, row) => {
    return Math.min(distance, squaredDistance(points, row * width, points, from * width, width));
  });
}

function squaredDistance(a: Float64Array, aStart: number, b: Float64Array, bStart: number, width: number): number {
  let sum = 0;
  for (let k = 0; k < width; k++) {
    const difference = a[aStart + k] - b[bStart + k];
    sum += difference * difference;
  }
  return sum;
}

function meanVariance(points: TallMatrix, width: number): number {
  const rows = points.length / width;
  const sums = new Float64Array(width);
  const squares = new Float64Array(width);
  for (let at = 0; at < points.length; at++) {
    sums[at % width] += points[at] / rows;
    squares[at % width] += points[at] ** 2 / rows;
  }
  return squares.reduce((total, square, k) => total + square - sums[k] ** 2, 0) / width;
}
