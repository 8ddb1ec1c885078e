import { mean, standardDeviation } from '../../util/statistics.ts';
import { type Figure, figureOf } from '../evaluate/report.ts';
import type { CurvePoint } from '../online/summary.ts';
import type { Experiment, Measurement } from './experiment.ts';
import { BLOCK } from './scoring.ts';

export interface WaySummary {
  way: string;
  figures: Record<string, Figure>;
  /**
   * Difference in the experiment's figure to the way that it is compared with, seed by seed; null for that way itself.
   */
  lead: { mean: number; standardError: number } | null;
}

/** One experiment on one data set. */
export interface Summary {
  seeds: number;
  ways: WaySummary[];
}

/**
 * @param measurements one per seed, at least one
 */
export function summaryOf({ lead }: Pick<Experiment, 'lead'>, measurements: readonly Measurement[]): Summary {
  const [first] = measurements;
  return {
    seeds: measurements.length,
    ways: Object.keys(first.figures).map((way) => ({
      way,
      figures: Object.fromEntries(
        // A figure may be missing on some seeds, even the first.
        [...new Set(measurements.flatMap(({ figures }) => Object.keys(figures[way])))].map((figure) => {
          return [figure, figureOf(measurements.map(({ figures }) => figures[way][figure] ?? null))];
        }),
      ),
      lead: lead.over(way) === way ? null : leadOf(measurements, way, lead),
    })),
  };
}

/** Ways on one seed share queries, order and prices, so their differences scatter less than the ways themselves. */
function leadOf(
  measurements: readonly Measurement[],
  way: string,
  { figure, over }: Experiment['lead'],
): WaySummary['lead'] {
  const differences = measurements.flatMap(({ figures }) => {
    const [own, others] = [figures[way]?.[figure], figures[over(way)]?.[figure]];
    return typeof own === 'number' && typeof others === 'number' ? [own - others] : [];
  });
  if (differences.length < measurements.length) return null;
  return { mean: mean(differences), standardError: standardDeviation(differences) / Math.sqrt(differences.length) };
}

/** A way's values over the seeds, at each place where every seed has a value. */
export function meanCurve(measurements: readonly Measurement[], way: string): { place: number; values: number[] }[] {
  const length = Math.min(...measurements.map(({ curves }) => curves[way].length));
  return Array.from({ length }, (_, place) => {
    const values = measurements.flatMap(({ curves }) => curves[way][place] ?? []);
    return { place, values };
  }).filter(({ values }) => values.length === measurements.length);
}

export function perHundredCurve(measurements: readonly Measurement[], way: string, scale: number): CurvePoint[] {
  return meanCurve(measurements, way).map(({ place, values }) => ({
    queries: (place + 1) * BLOCK,
    mean: scale * mean(values),
    standardError: (scale * standardDeviation(values)) / Math.sqrt(values.length),
  }));
}
