/** The result of one way of choosing, as shares of the cost and quality of always using the best single model. */
export interface Point {
  cost: number;
  quality: number;
}

/** Queries × models, row-major. */
export interface Matrix {
  rows: number;
  width: number;
  values: Float64Array;
}

/** What a predictor expects of every model on every query, or what the models really scored and cost. */
export interface Outlook {
  /** 0..1, not clipped */
  quality: Matrix;
  /** USD, or any unit that is the same for all models */
  cost: Matrix;
}

/** The budget and the quality that MixLLM reports (arXiv 2502.18482), as shares of its best model's. */
export const PAPER = { cost: 0.2418, quality: 0.9725 };

/**
 * Prices of money, in quality per USD: 0, then 200 values from 0.1 to 10⁶ in equal steps of the logarithm. This is the
 * reference's grid, which suits queries that cost about a cent at most.
 */
const PRICES_OF_MONEY = [0, ...Array.from({ length: 200 }, (_, i) => 10 ** (-1 + (7 * i) / 199))];
/** USD per query of the best single model between which the grid is used unchanged. */
const USUAL_COST = { least: 1e-4, typical: 5e-3, most: 0.1 };

/**
 * The grid for data in which the best model has this cost. For other costs, such as those of agents' tasks or in other
 * units, the same grid is scaled by a power of ten: the results are shares, which do not depend on the unit.
 */
function pricesOfMoney(bestCost: number): readonly number[] {
  const isUsual = bestCost >= USUAL_COST.least && bestCost <= USUAL_COST.most;
  if (isUsual || !(bestCost > 0)) return PRICES_OF_MONEY;
  const factor = 10 ** Math.round(Math.log10(USUAL_COST.typical / bestCost));
  return PRICES_OF_MONEY.map((price) => price * factor);
}

/**
 * The trade-off as the price of money ν is swept: every query goes to the model with the best q̂ − ν ĉ, the first one
 * if equal. This is the protocol of the reference (and of RouterBench, arXiv 2403.12031).
 * @param best column of the best single model
 */
export function sweep(predicted: Outlook, truth: Outlook, best: number): Point[] {
  const { rows, width } = truth.quality;
  const [bestQuality, bestCost] = [columnMean(truth.quality, best), columnMean(truth.cost, best)];
  return pricesOfMoney(bestCost).map((nu) => {
    let [quality, cost] = [0, 0];
    for (let start = 0; start < rows * width; start += width) {
      const chosen = start + bestOf(predicted, start, width, nu);
      quality += truth.quality.values[chosen];
      cost += truth.cost.values[chosen];
    }
    return { quality: quality / rows / bestQuality, cost: cost / rows / bestCost };
  });
}

function bestOf({ quality, cost }: Outlook, start: number, width: number, nu: number): number {
  let best = 0;
  let highest = Number.NEGATIVE_INFINITY;
  for (let model = 0; model < width; model++) {
    const score = quality.values[start + model] - nu * cost.values[start + model];
    if (score > highest) {
      highest = score;
      best = model;
    }
  }
  return best;
}

/**
 * Best quality within a mean cost; two points may be mixed at random. Null when even the cheapest point costs more.
 */
export function qualityAtCost(points: readonly Point[], budget: number): number | null {
  const affordable = points.filter(({ cost }) => cost <= budget);
  if (affordable.length === 0) return null;
  let best = Math.max(...affordable.map(({ quality }) => quality));
  for (const dear of points) {
    if (dear.cost <= budget) continue;
    for (const { cost, quality } of affordable) {
      const share = (budget - cost) / (dear.cost - cost);
      best = Math.max(best, quality + share * (dear.quality - quality));
    }
  }
  return best;
}

/** Lowest mean cost for a quality; two points may be mixed at random. Null when no point reaches it. */
export function costForQuality(points: readonly Point[], wanted: number): number | null {
  const good = points.filter(({ quality }) => quality >= wanted);
  if (good.length === 0) return null;
  let least = Math.min(...good.map(({ cost }) => cost));
  for (const poor of points) {
    if (poor.quality >= wanted) continue;
    for (const { cost, quality } of good) {
      const share = (wanted - poor.quality) / (quality - poor.quality);
      least = Math.min(least, poor.cost + share * (cost - poor.cost));
    }
  }
  return least;
}

const AIQ_STEPS = 200;

/**
 * Average improvement in quality (RouterBench, arXiv 2403.12031): the mean of the best quality over budgets spread
 * evenly from `from` to `to`. A budget that buys nothing counts as 0.
 * @returns a share of the best model's quality
 */
export function averageQuality(points: readonly Point[], from: number, to: number): number {
  let sum = 0;
  for (let i = 0; i < AIQ_STEPS; i++) {
    sum += qualityAtCost(points, from + ((i + 0.5) * (to - from)) / AIQ_STEPS) ?? 0;
  }
  return sum / AIQ_STEPS;
}

export function columnMean({ rows, width, values }: Matrix, column: number): number {
  let sum = 0;
  for (let at = column; at < values.length; at += width) sum += values[at];
  return sum / rows;
}

export function columnMeans(matrix: Matrix): number[] {
  return Array.from({ length: matrix.width }, (_, column) => columnMean(matrix, column));
}

export function matrixOf(rows: readonly ArrayLike<number>[]): Matrix {
  const width = rows[0]?.length ?? 0;
  const values = new Float64Array(rows.length * width);
  rows.forEach((row, i) => {
    values.set(row, i * width);
  });
  return { rows: rows.length, width, values };
}
