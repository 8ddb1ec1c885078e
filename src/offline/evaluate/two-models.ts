import type { Outlook } from './trade-off.ts';
import { columnMean } from './trade-off.ts';

/** RouteLLM's figures for one strong and one weak model (arXiv 2406.18665). */
export interface TwoModelFigures {
  /** Mean recovered share of the quality gap, over all shares of calls to the strong model. */
  apgr: number;
  /** Smallest share of calls to the strong model that recovers 50 % and 80 % of the gap; null when none does. */
  cpt50: number | null;
  cpt80: number | null;
}

/**
 * Moves queries to the strong model one at a time, those with the largest predicted lead first.
 * @returns null unless there are two models of different quality
 */
export function twoModelFigures(predicted: Outlook, truth: Outlook): TwoModelFigures | null {
  const { rows, width, values } = truth.quality;
  if (width !== 2) return null;
  const strong = columnMean(truth.quality, 1) > columnMean(truth.quality, 0) ? 1 : 0;
  const gap = (of: Float64Array, row: number) => of[2 * row + strong] - of[2 * row + 1 - strong];
  let whole = 0;
  for (let row = 0; row < rows; row++) whole += gap(values, row);
  if (!(whole > 0)) return null;
  const order = [...Array(rows).keys()].sort(
    (a, b) => gap(predicted.quality.values, b) - gap(predicted.quality.values, a) || a - b,
  );
  // Divided at the end, because a sum of shares of 1 / whole may stay just below the 80 % that it represents.
  const gained = [0];
  for (const row of order) gained.push((gained.at(-1) as number) + gap(values, row));
  const recovered = gained.map((gain) => gain / whole);
  const share = (wanted: number) => {
    const calls = recovered.findIndex((value) => value >= wanted);
    return calls < 0 ? null : calls / rows;
  };
  const area = recovered.slice(1).reduce((sum, value, i) => sum + (value + recovered[i]) / 2, 0) / rows;
  return { apgr: area, cpt50: share(0.5), cpt80: share(0.8) };
}
