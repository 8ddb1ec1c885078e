import { numpyPermutation } from '../../util/numpy-random.ts';
import { seededRandom } from '../../util/random.ts';
import type { OnlineData } from '../online-data.ts';
import type { EvaluationRow, Predictor, Split } from './predictor.ts';
import { POINTS, type PointName, PREDICTORS } from './predictors.ts';
import { truthOf } from './ridge.ts';
import {
  averageQuality,
  columnMeans,
  costForQuality,
  type Outlook,
  PAPER,
  type Point,
  qualityAtCost,
  sweep,
} from './trade-off.ts';
import { type TwoModelFigures, twoModelFigures } from './two-models.ts';

/** What one way of choosing achieved on one split, as shares of the best single model's cost and quality. */
export interface Measurement {
  /** Quality at 24.18 % of the cost; null when even the cheapest choice costs more. */
  qualityAtCost: number | null;
  /** Cost for 97.25 % of the quality; null when that is never reached. */
  costForQuality: number | null;
  /**
   * Average improvement in quality over budgets from the cheapest to the best single model's cost; null for a single
   * point.
   */
  aiq: number | null;
  /**
   * Quality at each of `CURVE_COSTS`, null where nothing is that cheap. Empty for a single point, which has `point`
   * instead.
   */
  curve: (number | null)[];
  point: Point | null;
  /** Null unless there are two models. */
  twoModels: TwoModelFigures | null;
}

/** Budgets at which curves are drawn: 0.1 % to 100 % in equal steps of the logarithm. */
export const CURVE_COSTS = Array.from({ length: 61 }, (_, i) => 10 ** (-3 + i / 20));

/**
 * Splits by NumPy's permutation for the seed; the first part is for training.
 * @param share of the rows used for training, 0..1
 */
export function splitOf(data: OnlineData, seed: number, share: number): Split {
  const rows = data.queries.map(
    ({ task, quality, cost }, i): EvaluationRow => ({ context: data.contexts[i], task, quality, cost }),
  );
  const order = numpyPermutation(seed, rows.length);
  const cut = Math.floor(share * rows.length);
  if (cut < 1 || cut === rows.length) {
    const parts = `${cut} to learn from and ${rows.length - cut} to judge`;
    throw new Error(
      `${data.file}: a split of ${share} of ${rows.length} queries leaves ${parts}; each part needs at least one.`,
    );
  }
  const take = (places: readonly number[]) => places.map((place) => rows[place]);
  return {
    models: data.models,
    dimensions: data.dimensions,
    train: take(order.slice(0, cut)),
    test: take(order.slice(cut)),
    random: seededRandom(seed),
  };
}

/** @param names names of predictors and points to compute; the others are skipped */
export function measureSplit(split: Split, names: readonly string[]): Record<string, Measurement> {
  const truth = truthOf(split.test);
  const trainQuality = columnMeans(truthOf(split.train).quality);
  const best = trainQuality.indexOf(Math.max(...trainQuality));
  if (!(columnMeans(truth.quality)[best] > 0 && columnMeans(truth.cost)[best] > 0)) {
    throw new Error(
      `${split.models[best]}, the best single model, scores or costs nothing on the held-out queries of a split: shares of that are undefined.`,
    );
  }
  const singles = singlePoints(truth, best);
  const chosen = PREDICTORS.filter(({ name }) => names.includes(name)).map((predictor) => {
    return [predictor.name, measurePredictor(predictor, split, truth, best, singles.cheapest.cost)] as const;
  });
  const points = POINTS.filter((name) => names.includes(name)).map((name) => {
    return [name, measured([singles[name]], singles.cheapest.cost, singles[name])] as const;
  });
  return Object.fromEntries([...chosen, ...points]);
}

function measurePredictor(
  predictor: Predictor,
  split: Split,
  truth: Outlook,
  best: number,
  cheapest: number,
): Measurement {
  const predicted = predictor.predict(split);
  const measurement = measured(sweep(predicted, truth, best), cheapest, null);
  return { ...measurement, twoModels: twoModelFigures(predicted, truth) };
}

function measured(points: readonly Point[], cheapest: number, point: Point | null): Measurement {
  return {
    qualityAtCost: qualityAtCost(points, PAPER.cost),
    costForQuality: costForQuality(points, PAPER.quality),
    aiq: point ? null : averageQuality(points, cheapest, 1),
    curve: point ? [] : CURVE_COSTS.map((cost) => qualityAtCost(points, cost)),
    point,
    twoModels: null,
  };
}

function singlePoints(truth: Outlook, best: number): Record<PointName, Point> {
  const [quality, cost] = [columnMeans(truth.quality), columnMeans(truth.cost)];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const relative = (of: Point): Point => ({ quality: of.quality / quality[best], cost: of.cost / cost[best] });
  const cheapest = cost.indexOf(Math.min(...cost));
  return {
    'best-single': { quality: 1, cost: 1 },
    cheapest: relative({ quality: quality[cheapest], cost: cost[cheapest] }),
    random: relative({ quality: mean(quality), cost: mean(cost) }),
  };
}
