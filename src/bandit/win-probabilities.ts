import { lookUpNormal, normalCdf } from '../util/normal-distribution.ts';

/** Gauss–Legendre quadrature on [−1, 1]: the positive half of the nodes, and their weights. */
interface Quadrature {
  nodes: readonly number[];
  weights: readonly number[];
}

const TEN_POINTS: Quadrature = {
  nodes: [0.1488743389816312, 0.4333953941292472, 0.6794095682990244, 0.8650633666889845, 0.9739065285171717],
  weights: [0.2955242247147529, 0.2692667193099963, 0.219086362515982, 0.1494513491505806, 0.0666713443086881],
};
/** Enough points for a piece that is narrow compared with every spread; many arms produce many such pieces. */
const FOUR_POINTS: Quadrature = {
  nodes: [0.3399810435848563, 0.8611363115940526],
  weights: [0.6521451548625461, 0.3478548451374538],
};
/**
 * Limits on the half width of a piece, in units of the smallest spread on it. Below `NARROW`, four points are enough.
 * Above `WIDE`, ten points are too few for three or more scores, so the piece is split. No piece is wider than the
 * clip, so a few parts are enough.
 */
const NARROW = 0.25;
const WIDE = 0.7;

/** Arrays that are reused between calls: allocated for each decision, they would be most of its garbage. */
interface Workspace {
  low: Float64Array;
  high: Float64Array;
  /** Indices of the scores that can win, by upper end. */
  order: Int32Array;
  /** Smallest spread in `order` from each position on. */
  smallest: Float64Array;
  /** Per score in `order`: distribution and density at one node, and the sum over the nodes of a piece. */
  cdf: Float64Array;
  density: Float64Array;
  sum: Float64Array;
}

function workspaceFor(count: number): Workspace {
  const numbers = () => new Float64Array(count);
  return {
    low: numbers(),
    high: numbers(),
    order: new Int32Array(count),
    smallest: numbers(),
    cdf: numbers(),
    density: numbers(),
    sum: numbers(),
  };
}

let workspace = workspaceFor(64);

/**
 * For independent scores S_i = mean_i + spread_i · clip(N(0,1), ±clip): the probability that S_i is the largest, with
 * ties going to the lowest index. Exact up to quadrature error (about 1e-8):
 * P(i) = Σ over i's two atoms + ∫ f_i(t) Π_{j≠i} F_j(t) dt, cut at every atom so that each piece is smooth.
 * @param spreads non-negative; 0 makes a score certain
 * @returns one probability per score, adding up to 1
 */
export function winProbabilities(means: readonly number[], spreads: readonly number[], clip: number): number[] {
  const count = means.length;
  if (count > workspace.order.length) workspace = workspaceFor(2 * count);
  const { low, high } = workspace;
  // Shift the largest lower end to 0. The centre of every score that can win then lies within its own clipped range of
  // 0, so a spread many orders of magnitude smaller than the scores keeps all its digits.
  let origin = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) origin = Math.max(origin, means[i] - clip * spreads[i]);
  const centres = means.map((mean) => mean - origin);
  let threshold = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    low[i] = centres[i] - clip * spreads[i];
    high[i] = centres[i] + clip * spreads[i];
    threshold = Math.max(threshold, low[i]);
  }
  const result = new Array<number>(count).fill(0);
  const active = rankByUpperEnd(count, threshold);
  if (active === 1) {
    result[workspace.order[0]] = 1;
    return result;
  }
  addAtoms(active, centres, spreads, threshold, normalCdf(-clip), result);
  addContinuousParts(active, centres, spreads, threshold, result);
  let total = 0;
  for (let i = 0; i < count; i++) total += result[i];
  for (let i = 0; i < count; i++) result[i] /= total;
  return result;
}

/**
 * Fills `order` with the scores that can reach the threshold, by upper end, then by index.
 * @returns how many there are
 */
function rankByUpperEnd(count: number, threshold: number): number {
  const { high, order } = workspace;
  let length = 0;
  for (let i = 0; i < count; i++) {
    if (!(high[i] >= threshold)) continue;
    let place = length++;
    for (; place > 0 && high[order[place - 1]] > high[i]; place--) order[place] = order[place - 1];
    order[place] = i;
  }
  return length;
}

/** Adds the atoms: a score without spread has one at its centre; any other score has one at each end. */
function addAtoms(
  active: number,
  centres: readonly number[],
  spreads: readonly number[],
  threshold: number,
  tail: number,
  result: number[],
): void {
  const { low, high, order } = workspace;
  for (let rank = 0; rank < active; rank++) {
    const i = order[rank];
    const isCertain = spreads[i] === 0;
    // At any lower end below the threshold, some other score is certainly higher.
    if (!isCertain && low[i] === threshold) result[i] += tail * allBelow(i, low[i], active, centres, spreads);
    result[i] += (isCertain ? 1 : tail) * allBelow(i, high[i], active, centres, spreads);
  }
}

/** P(every other score loses to score i at the value t). */
function allBelow(
  i: number,
  t: number,
  active: number,
  centres: readonly number[],
  spreads: readonly number[],
): number {
  const { low, high, order } = workspace;
  let probability = 1;
  // Go from the top down: scores whose range ends below t come last and contribute a factor of 1.
  for (let rank = active - 1; rank >= 0; rank--) {
    const j = order[rank];
    if (high[j] < t) break;
    if (j === i) continue;
    const tieIsWon = j > i;
    if (tieIsWon && t === high[j]) continue;
    if (t < low[j] || (!tieIsWon && t === low[j])) return 0;
    probability *= normalCdf((t - centres[j]) / spreads[j]);
  }
  return probability;
}

function addContinuousParts(
  active: number,
  centres: readonly number[],
  spreads: readonly number[],
  threshold: number,
  result: number[],
): void {
  const { high, order, smallest, sum } = workspace;
  for (let rank = active - 1; rank >= 0; rank--) {
    const spread = spreads[order[rank]];
    smallest[rank] = rank === active - 1 ? spread : Math.min(spread, smallest[rank + 1]);
  }
  let start = threshold;
  for (let first = 0; first < active; first++) {
    const end = high[order[first]];
    if (!(end > start)) continue;
    // Scores from `first` on cover the whole piece; those before it end at or below its start.
    const width = (end - start) / 2 / smallest[first];
    const parts = active - first > 2 ? Math.max(1, Math.ceil(width / WIDE)) : 1;
    const half = (end - start) / 2 / parts;
    sum.fill(0, first, active);
    for (let part = 0; part < parts; part++) {
      const middle = start + (2 * part + 1) * half;
      addNodes(first, active, middle, half, centres, spreads, width < NARROW);
    }
    for (let rank = first; rank < active; rank++) result[order[rank]] += (half / spreads[order[rank]]) * sum[rank];
    start = end;
  }
}

/** Adds f_i(t) Π_{j≠i} F_j(t) over the nodes of one piece to the sums of the scores in `order` from `first` on. */
function addNodes(
  first: number,
  active: number,
  middle: number,
  half: number,
  centres: readonly number[],
  spreads: readonly number[],
  isNarrow: boolean,
): void {
  const { order, cdf, density, sum } = workspace;
  const { nodes, weights } = isNarrow ? FOUR_POINTS : TEN_POINTS;
  const point = { cdf: 0, density: 0 };
  for (let node = 0; node < 2 * nodes.length; node++) {
    const side = node % 2 === 0 ? 1 : -1;
    const t = middle + side * half * nodes[node >> 1];
    let product = 1;
    for (let rank = first; rank < active; rank++) {
      const i = order[rank];
      lookUpNormal((t - centres[i]) / spreads[i], point);
      cdf[rank] = point.cdf;
      density[rank] = point.density;
      product *= point.cdf;
    }
    const weighted = weights[node >> 1] * product;
    for (let rank = first; rank < active; rank++) sum[rank] += (weighted * density[rank]) / cdf[rank];
  }
}
