import { beforeAll, describe, expect, it } from 'vitest';
import type { Estimate } from '../../../src/offline/replay/estimators.ts';
import { mean, standardDeviation } from '../../../src/util/statistics.ts';
import { replaySimulated, simulate } from './simulation.ts';

const RUNS = 200;
const FIRST_SEED = 1000;
const ESTIMATORS = ['ips', 'snips', 'dr'] as const;
const OUTCOMES = ['quality', 'cost_usd', 'utility'] as const;
const TARGET = { weight: 0.57 };

/** The half-width of each run's interval, and the error of its mean. */
interface Runs {
  halfWidths: number[];
  errors: number[];
}

/** Simulated logs of production decisions, each replayed with a lower weight. */
async function manyRuns(): Promise<Map<string, Runs>> {
  const runs = new Map<string, Runs>();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
    const { events, truth } = simulate({ decisions: 300, seed, weight: 0.62, target: TARGET });
    const { estimates, cost_unit_usd: unit } = await replaySimulated(events, TARGET);
    if (!estimates) continue;
    const { quality, costUsd } = truth;
    const utility = TARGET.weight * quality - ((1 - TARGET.weight) * costUsd) / unit;
    const truths = { quality, cost_usd: costUsd, utility };
    for (const estimator of ESTIMATORS) {
      for (const outcome of OUTCOMES) {
        const name = `${estimator} ${outcome}`;
        const known = runs.get(name) ?? { halfWidths: [], errors: [] };
        runs.set(name, known);
        const { mean, high }: Estimate = estimates[estimator][outcome];
        known.halfWidths.push(high - mean);
        known.errors.push(mean - truths[outcome]);
      }
    }
  }
  return runs;
}

describe('95 % intervals over 200 simulated logs with known truth', () => {
  let runs: Map<string, Runs>;
  beforeAll(async () => {
    runs = await manyRuns();
  }, 120_000);
  const of = (name: string) => runs.get(name) as Runs;

  it.each(ESTIMATORS.flatMap((estimator) => OUTCOMES.map((outcome) => `${estimator} ${outcome}`)))(
    '%s: intervals cover the truth, and are no wider than necessary',
    (name) => {
      const { halfWidths, errors } = of(name);
      // In the other runs the log held too few choices of some model, and the replay was refused.
      expect(errors.length).toBeGreaterThanOrEqual(0.95 * RUNS);
      const covered = errors.filter((error, i) => Math.abs(error) <= halfWidths[i]).length / errors.length;
      expect(covered).toBeGreaterThanOrEqual(0.9);
      const spread = 1.96 * standardDeviation(errors);
      expect(mean(halfWidths) / spread).toBeGreaterThan(0.85);
      expect(mean(halfWidths) / spread).toBeLessThan(1.2);
      // No bias beyond the noise of 200 runs.
      expect(Math.abs(mean(errors))).toBeLessThan((3 * standardDeviation(errors)) / Math.sqrt(errors.length));
    },
  );

  it.each(OUTCOMES)('%s: intervals are narrower doubly robust than by inverse propensities', (outcome) => {
    const [dr, ips] = [of(`dr ${outcome}`), of(`ips ${outcome}`)];
    expect(mean(dr.halfWidths)).toBeLessThan(0.97 * mean(ips.halfWidths));
    expect(standardDeviation(dr.errors)).toBeLessThan(standardDeviation(ips.errors));
  });
});
