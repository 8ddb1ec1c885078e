import { basename } from 'node:path';
import { mean, standardDeviation } from '../../util/statistics.ts';
import { BLOCK, type SeedMeasurement, WAYS, type Way } from './measure-seed.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';

/** Mean and standard deviation over the seeds. */
export interface Spread {
  mean: number;
  sd: number;
}

export interface OnlineReport {
  /** File name without `.jsonl.gz`. */
  name: string;
  seeds: number;
  u: Record<Way, Spread>;
  /** Mean and standard deviation of the headline figure, and every figure by its name. */
  scenarios: Partial<Record<ScenarioName, Spread & Record<string, Spread | number>>>;
}

/**
 * @param measurements one per seed, at least one
 */
export function reportOf(file: string, measurements: readonly SeedMeasurement[]): OnlineReport {
  const names = Object.keys(measurements[0].scenarios) as ScenarioName[];
  return {
    name: datasetName(file),
    seeds: measurements.length,
    u: Object.fromEntries(WAYS.map((way) => [way, spread(measurements.map(({ u }) => u[way]))])) as Record<Way, Spread>,
    scenarios: Object.fromEntries(
      names.map((name) => {
        const runs = measurements.map(({ scenarios }) => scenarios[name] as Record<string, number>);
        const figures = Object.keys(runs[0]).map((figure) => [figure, spread(runs.map((run) => run[figure]))] as const);
        const byName: Record<string, Spread> = Object.fromEntries(figures);
        return [name, { ...byName[SCENARIOS[name].headline], ...byName }];
      }),
    ),
  };
}

export function datasetName(file: string): string {
  return basename(file).replace(/\.jsonl(\.gz)?$/, '');
}

/** One point of a learning curve: the mean over the seeds and its standard error. */
export interface CurvePoint {
  /** Queries answered at the end of the block. */
  queries: number;
  mean: number;
  standardError: number;
}

export function curveOf(measurements: readonly SeedMeasurement[], way: Way): CurvePoint[] {
  return measurements[0].curves[way].map((_, block) => {
    const { mean, sd } = spread(measurements.map(({ curves }) => curves[way][block]));
    return { queries: (block + 1) * BLOCK, mean, standardError: sd / Math.sqrt(measurements.length) };
  });
}

export function spread(values: readonly number[]): Spread {
  return { mean: mean(values), sd: standardDeviation(values) };
}
