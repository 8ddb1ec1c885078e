import { normalCdf, normalDensity } from '../util/normal-distribution.ts';

/** Gauss–Legendre quadrature on [−1, 1]: the positive half of the nodes, and their weights. */
interface Quadrature {
  nodes: readonly number[];
  weights: readonly number[];
}

const TEN_POINTS: Quadrature = {
  nodes: [0.1488743389816312, 0.4333953941292472, 0.6794095682990244, 0.8650633666889845, 0.9739065285171717],
  weights: [0.2955242247147529, 0.2692667193099963, 0.219086362515982, 0.1494513491505806, 0.0666713443086881],
};
/** Enough for a piece that is narrow against every spread; many arms make many such pieces. */
const FOUR_POINTS: Quadrature = {
  nodes: [0.3399810435848563, 0.8611363115940526],
  weights: [0.6521451548625461, 0.3478548451374538],
};
/** Half widths, in units of the smallest spread, below which a piece is narrow. */
const NARROW = 0.25;

/**
 * For independent scores S_i = mean_i + spread_i · clip(N(0,1), ±clip): the probability that S_i is the largest,
 * equal scores going to the lowest index. Exact up to quadrature (about 1e-8):
 * P(i) = Σ over i's two atoms + ∫ f_i(t) Π_{j≠i} F_j(t) dt, cut at every atom so that each piece is smooth.
 * @param spreads non-negative; 0 makes a score certain
 * @returns one probability per score, adding up to 1
 */
export function winProbabilities(means: readonly number[], spreads: readonly number[], clip: number): number[] {
  const count = means.length;
  // Seen from the largest lower end, whoever can win has a centre within its own clipped range of 0: a spread many
  // orders of magnitude smaller than the scores then still has all its digits.
  const origin = Math.max(...means.map((mean, i) => mean - clip * spreads[i]));
  const centres = means.map((mean) => mean - origin);
  const low = centres.map((centre, i) => centre - clip * spreads[i]);
  const high = centres.map((centre, i) => centre + clip * spreads[i]);
  const threshold = Math.max(...low);
  const active = [...centres.keys()].filter((i) => high[i] >= threshold);
  const result = new Array<number>(count).fill(0);
  if (active.length === 1) {
    result[active[0]] = 1;
    return result;
  }
  const tail = normalCdf(-clip);
  addAtoms(active, centres, spreads, low, high, tail, result);
  addContinuousParts(active, centres, spreads, low, high, threshold, result);
  const total = result.reduce((sum, p) => sum + p, 0);
  return result.map((p) => p / total);
}

/** P(S < t) or, with `inclusive`, P(S ≤ t). */
function below(t: number, centre: number, spread: number, low: number, high: number, inclusive: boolean): number {
  if (t > high || (inclusive && t === high)) return 1;
  if (t < low || (!inclusive && t === low)) return 0;
  return normalCdf((t - centre) / spread);
}

function addAtoms(
  active: number[],
  centres: readonly number[],
  spreads: readonly number[],
  low: number[],
  high: number[],
  tail: number,
  result: number[],
): void {
  for (const i of active) {
    const atoms: [number, number][] =
      spreads[i] === 0
        ? [[centres[i], 1]]
        : [
            [low[i], tail],
            [high[i], tail],
          ];
    for (const [t, mass] of atoms) {
      let probability = mass;
      for (const j of active) {
        if (j !== i) probability *= below(t, centres[j], spreads[j], low[j], high[j], j > i);
      }
      result[i] += probability;
    }
  }
}

function addContinuousParts(
  active: number[],
  centres: readonly number[],
  spreads: readonly number[],
  low: number[],
  high: number[],
  threshold: number,
  result: number[],
): void {
  const cuts = [...new Set(active.flatMap((i) => [low[i], high[i]]))]
    .filter((t) => t >= threshold)
    .sort((a, b) => a - b);
  const cdf = new Float64Array(centres.length);
  const smallestSpread = Math.min(...active.map((i) => spreads[i]).filter((spread) => spread > 0));
  for (let piece = 0; piece + 1 < cuts.length; piece++) {
    const middle = (cuts[piece] + cuts[piece + 1]) / 2;
    const half = (cuts[piece + 1] - cuts[piece]) / 2;
    const { nodes, weights } = half < NARROW * smallestSpread ? FOUR_POINTS : TEN_POINTS;
    for (let node = 0; node < 2 * nodes.length; node++) {
      const side = node % 2 === 0 ? 1 : -1;
      const t = middle + side * half * nodes[node >> 1];
      let product = 1;
      for (const i of active) {
        cdf[i] = below(t, centres[i], spreads[i], low[i], high[i], true);
        product *= cdf[i];
      }
      for (const i of active) {
        if (spreads[i] === 0 || t <= low[i] || t >= high[i]) continue;
        const density = normalDensity((t - centres[i]) / spreads[i]);
        result[i] += (half / spreads[i]) * weights[node >> 1] * density * (product / cdf[i]);
      }
    }
  }
}
