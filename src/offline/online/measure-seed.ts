import { mean } from '../../util/statistics.ts';
import {
  alwaysBest,
  anyAtRandom,
  LABELLED,
  PLAIN,
  requireQueries,
  runStream,
  type StreamSettings,
} from './run-stream.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';
import type { Stream } from './stream.ts';

export const WAYS = ['cold', 'warm50', 'full', 'flat', 'best_single', 'random'] as const;
export type Way = (typeof WAYS)[number];

/** Results on one random order of a data set. */
export interface SeedMeasurement {
  /** Mean utility in percent. */
  u: Record<Way, number>;
  /** Mean utility of each successive hundred queries. */
  curves: Record<Way, number[]>;
  /** Each scenario's figures by name. */
  scenarios: Partial<Record<ScenarioName, Record<string, number>>>;
}

/** Queries per point of a learning curve. */
export const BLOCK = 100;

const LEARNERS: Record<Exclude<Way, 'best_single' | 'random'>, StreamSettings> = {
  cold: PLAIN,
  warm50: { ...PLAIN, labelled: LABELLED },
  full: { ...PLAIN, seesAll: true },
  flat: { ...PLAIN, kind: 'flat', driftAlarms: false },
};

/**
 * Runs every learner and the requested scenarios on one stream. Equal streams give equal figures.
 * @throws Error for a stream that is too short for one of them
 */
export function measureSeed(stream: Stream, scenarios: readonly ScenarioName[]): SeedMeasurement {
  requireQueries(stream, LABELLED + 1);
  const utilities = (way: Way): number[] => {
    if (way === 'best_single') return alwaysBest(stream);
    if (way === 'random') return anyAtRandom(stream);
    return runStream(stream, LEARNERS[way]).utilities;
  };
  const runs = WAYS.map((way) => [way, utilities(way)] as const);
  return {
    u: Object.fromEntries(runs.map(([way, values]) => [way, mean(values)])) as Record<Way, number>,
    curves: Object.fromEntries(runs.map(([way, values]) => [way, blocks(values)])) as Record<Way, number[]>,
    scenarios: Object.fromEntries(scenarios.map((name) => [name, SCENARIOS[name].measure(stream)])),
  };
}

function blocks(values: readonly number[]): number[] {
  // A remainder at the end is too small for a separate point, unless there is nothing else.
  const count = Math.max(1, Math.floor(values.length / BLOCK));
  return Array.from({ length: count }, (_, i) => mean(values.slice(i * BLOCK, (i + 1) * BLOCK)));
}
