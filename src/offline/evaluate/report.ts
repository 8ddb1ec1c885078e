import { mean, standardDeviation } from '../../util/statistics.ts';
import { CURVE_COSTS, type Measurement } from './measure-split.ts';
import type { EvaluationResult } from './worker.ts';

/**
 * Mean and standard deviation over the seeds that reached the figure, and the share of all seeds that reached it. Null
 * when none did.
 */
export interface Figure {
  mean: number | null;
  sd: number | null;
  reached: number;
}

export interface ResultReport {
  name: string;
  quality_at_24_18: Figure;
  cost_for_97_25: Figure;
  aiq: Figure;
  /** RouteLLM's figures, when there are two models. */
  apgr?: Figure;
  cpt50?: Figure;
  cpt80?: Figure;
}

export interface DatasetReport {
  /** File name without `.jsonl.gz`. */
  name: string;
  queries: number;
  models: number;
  seeds: number;
  results: ResultReport[];
}

/**
 * @param results one per seed, at least one
 */
export function datasetReport(name: string, results: readonly EvaluationResult[]): DatasetReport {
  const names = Object.keys(results[0].measurements);
  return {
    name,
    queries: results[0].queries,
    models: results[0].models.length,
    seeds: results.length,
    results: names.map((predictor) => resultReport(predictor, results)),
  };
}

function resultReport(name: string, results: readonly EvaluationResult[]): ResultReport {
  const over = (of: (measurement: Measurement) => number | null | undefined) =>
    figureOf(results.map(({ measurements }) => of(measurements[name]) ?? null));
  return {
    name,
    quality_at_24_18: over((m) => m.qualityAtCost),
    cost_for_97_25: over((m) => m.costForQuality),
    aiq: over((m) => m.aiq),
    // A split on which both models score the same has no such figures, and the others may still have them.
    ...(results.some(({ measurements }) => measurements[name].twoModels) && {
      apgr: over((m) => m.twoModels?.apgr),
      cpt50: over((m) => m.twoModels?.cpt50),
      cpt80: over((m) => m.twoModels?.cpt80),
    }),
  };
}

/**
 * @param values one per seed, null where the seed did not reach the figure
 */
export function figureOf(values: readonly (number | null)[]): Figure {
  const reached = values.filter((value) => value !== null);
  if (reached.length === 0) return { mean: null, sd: null, reached: 0 };
  return { mean: mean(reached), sd: standardDeviation(reached), reached: reached.length / values.length };
}

/**
 * A predictor's mean curve over the seeds, at costs where every seed has a point; a single point for a single model.
 */
export function meanCurve(name: string, results: readonly EvaluationResult[]): { cost: number; quality: number }[] {
  const measurements = results.map((result) => result.measurements[name]);
  const points = measurements.flatMap(({ point }) => point ?? []);
  if (points.length > 0) {
    return [{ cost: mean(points.map(({ cost }) => cost)), quality: mean(points.map(({ quality }) => quality)) }];
  }
  return CURVE_COSTS.flatMap((cost, i) => {
    const qualities = measurements.flatMap(({ curve }) => curve[i] ?? []);
    return qualities.length === measurements.length ? [{ cost, quality: mean(qualities) }] : [];
  });
}
