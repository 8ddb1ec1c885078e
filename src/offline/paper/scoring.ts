import { mean } from '../../util/statistics.ts';
import type { EvaluationRow } from '../evaluate/predictor.ts';
import type { OnlineData } from '../online-data.ts';

/** Price of money in all experiments with a single weight: the logarithmic middle of the protocol's 0.02 to 0.5. */
export const NU = 0.1;
/** The corresponding weight of quality against cost. */
export const WEIGHT = 1 / (1 + NU);

/** The figure in which ways are compared. */
export const UTILITY = 'utility';

/** Unit of the results: mean quality and cost of the best single model on the scored queries, known in hindsight. */
export interface Scale {
  /** Position of the model. */
  best: number;
  quality: number;
  /** USD */
  cost: number;
}

/**
 * @param rows at least one
 * @param models positions of the models that count; default: all
 */
export function scaleOf(rows: readonly EvaluationRow[], models = [...rows[0].quality.keys()]): Scale {
  const quality = (model: number) => mean(rows.map((row) => row.quality[model]));
  const best = models.reduce((a, b) => (quality(b) > quality(a) ? b : a));
  return { best, quality: quality(best), cost: mean(rows.map(({ cost }) => cost[best])) };
}

/** Result of one query, as shares of the scale's quality and cost. The quality is 0 when the answer came too late. */
export interface Gain {
  quality: number;
  cost: number;
}

export function gainOf(row: EvaluationRow, model: number, scale: Scale): Gain {
  return { quality: row.quality[model] / scale.quality, cost: row.cost[model] / scale.cost };
}

/** (q − ν c / c_best) / q_best, computed from means that are already shares. */
export function utilityOf({ quality, cost }: Gain, scale: Scale): number {
  return quality - (NU * cost) / scale.quality;
}

/**
 * Mean quality, cost and utility over the queries, and the utility of the last third.
 * @param gains in order, at least three
 */
export function figuresOf(gains: readonly Gain[], scale: Scale): Record<string, number> {
  const total = meanGain(gains);
  return {
    quality: total.quality,
    cost: total.cost,
    [UTILITY]: utilityOf(total, scale),
    'utility, last third': utilityOf(meanGain(gains.slice(Math.floor((2 * gains.length) / 3))), scale),
  };
}

function meanGain(gains: readonly Gain[]): Gain {
  return { quality: mean(gains.map(({ quality }) => quality)), cost: mean(gains.map(({ cost }) => cost)) };
}

/** Positions of all models by mean utility, the highest first. */
export function bestValue(rows: readonly EvaluationRow[], scale: Scale): number[] {
  const utilities = rows[0].quality.map((_, model) =>
    utilityOf(meanGain(rows.map((row) => gainOf(row, model, scale))), scale),
  );
  return [...utilities.keys()].sort((a, b) => utilities[b] - utilities[a]);
}

/** Queries per point of a curve. */
export const BLOCK = 100;

/** The mean of each complete hundred. */
export function perHundred(values: readonly number[]): number[] {
  return Array.from({ length: Math.floor(values.length / BLOCK) }, (_, i) =>
    mean(values.slice(i * BLOCK, (i + 1) * BLOCK)),
  );
}

/** The queries with their contexts, in the order of the file. */
export function rowsOf({ queries, contexts }: OnlineData): EvaluationRow[] {
  return queries.map(({ task, quality, cost }, i) => ({ context: contexts[i], task, quality, cost }));
}
