import { describe, expect, it } from 'vitest';
import { ratedQuality } from '../../../src/domain/ratings.ts';
import { effectiveSampleSize, ReplayEstimators } from '../../../src/offline/replay/estimators.ts';
import type { Sample } from '../../../src/offline/replay/sample.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { mean, standardDeviation } from '../../../src/util/statistics.ts';
import { rated } from '../../gateway/unit/support.ts';

const LOGGED = { a: 0.7, b: 0.3 };
const TARGET = { a: 0.2, b: 0.8 };
const QUALITY = { a: 0.9, b: 0.4 };
const COST = { a: 0.03, b: 0.01 };
/** A wrong model of the outcomes. */
const PREDICTED = { a: { quality: 0.6, costUsd: 0.02 }, b: { quality: 0.7, costUsd: 0.02 } };
type Arm = keyof typeof LOGGED;
const NO_WIDENING = { quality: 1, cost_usd: 1 };

function sampleOf(arm: Arm, rated = true): Sample {
  const expected = (of: 'quality' | 'costUsd') => TARGET.a * PREDICTED.a[of] + TARGET.b * PREDICTED.b[of];
  return {
    arm,
    ratio: TARGET[arm] / LOGGED[arm],
    quality: rated ? QUALITY[arm] : null,
    costUsd: COST[arm],
    isOutcomeUnknown: false,
    weight: 0.8,
    predicted: PREDICTED[arm],
    expected: { quality: expected('quality'), costUsd: expected('costUsd') },
  };
}

const samples = (counts: [Arm, boolean, number][]) =>
  counts.flatMap(([arm, rated, count]) => Array.from({ length: count }, () => sampleOf(arm, rated)));

describe('the estimators', () => {
  const truth = {
    quality: TARGET.a * QUALITY.a + TARGET.b * QUALITY.b,
    costUsd: TARGET.a * COST.a + TARGET.b * COST.b,
  };

  it('are exact if arms were drawn exactly by their propensities, whatever is predicted', () => {
    const drawn = samples([
      ['a', true, 70],
      ['b', true, 30],
    ]);
    const estimators = new ReplayEstimators(drawn, 0.02, NO_WIDENING);
    for (const estimate of Object.values(estimators.estimates())) {
      expect(estimate.quality.mean).toBeCloseTo(truth.quality, 12);
      expect(estimate.cost_usd.mean).toBeCloseTo(truth.costUsd, 12);
      expect(estimate.utility.mean).toBeCloseTo(0.8 * truth.quality - (0.2 * truth.costUsd) / 0.02, 12);
    }
    expect(estimators.logged().quality.mean).toBeCloseTo(0.7 * 0.9 + 0.3 * 0.4, 12);
    expect(estimators.difference().quality.mean).toBeCloseTo(truth.quality - 0.75, 12);
  });

  it('let the rated answers of each model represent its unrated ones', () => {
    const drawn = samples([
      ['a', true, 10],
      ['a', false, 60],
      ['b', true, 20],
      ['b', false, 10],
    ]);
    const { ips, snips, dr } = new ReplayEstimators(drawn, 0.02, NO_WIDENING).estimates();
    for (const { quality } of [ips, snips, dr]) expect(quality.mean).toBeCloseTo(truth.quality, 12);
    // Two models with constant ratings: nothing about the unrated is unknown, so the interval is as if all were rated.
    const all = new ReplayEstimators(
      samples([
        ['a', true, 70],
        ['b', true, 30],
      ]),
      0.02,
      NO_WIDENING,
    ).estimates();
    expect(ips.quality.high).toBeCloseTo(all.ips.quality.high, 12);
  });

  it('cover the truth with audited ratings, though people complain five times as often as they praise', () => {
    const truth = TARGET.a * QUALITY.a + TARGET.b * QUALITY.b;
    const volunteered = { good: 1, bad: 0.2 };
    const errors = { asked: [] as number[], all: [] as number[] };
    const covered = { asked: 0, all: 0 };
    for (let run = 0; run < 200; run++) {
      const random = seededRandom(run);
      const drawn = { asked: [] as Sample[], all: [] as Sample[] };
      for (let i = 0; i < 2000; i++) {
        const arm = random.uniform() < LOGGED.a ? 'a' : 'b';
        const score = random.uniform() < QUALITY[arm] ? 1 : 0;
        const asked = random.uniform() < 0.1;
        const isRated = random.uniform() < (asked ? 0.5 : score === 1 ? 0.02 : 0.1);
        const ratings = isRated ? [{ ...rated('d', 'fb', score), volunteered }] : [];
        drawn.asked.push({ ...sampleOf(arm), quality: ratedQuality(ratings, asked) });
        drawn.all.push({ ...sampleOf(arm), quality: isRated ? score : null });
      }
      for (const which of ['asked', 'all'] as const) {
        const { quality } = new ReplayEstimators(drawn[which], 0.02, NO_WIDENING).estimates().dr;
        errors[which].push(quality.mean - truth);
        if (quality.low <= truth && truth <= quality.high) covered[which]++;
      }
    }
    expect(covered.asked).toBeGreaterThanOrEqual(180);
    expect(Math.abs(mean(errors.asked))).toBeLessThan((3 * standardDeviation(errors.asked)) / Math.sqrt(200));
    // This is what an audit is for.
    expect(mean(errors.all)).toBeLessThan(-0.1);
    expect(covered.all).toBeLessThan(100);
  });

  it('have the interval of a plain mean if the target is the logging policy', () => {
    const drawn = [0.1, 0.4, 0.9, 1, 0.3].map((quality, i) => ({
      ...sampleOf('a'),
      ratio: 1,
      quality,
      costUsd: 0.01 * i,
    }));
    const { ips, snips } = new ReplayEstimators(drawn, 0.02, NO_WIDENING).estimates();
    const qualities = drawn.map(({ quality }) => quality);
    const half = (1.959963984540054 * standardDeviation(qualities)) / Math.sqrt(5);
    for (const { quality } of [ips, snips]) {
      expect(quality.mean).toBeCloseTo(mean(qualities), 12);
      expect(quality.low).toBeCloseTo(mean(qualities) - half, 12);
      expect(quality.high).toBeCloseTo(mean(qualities) + half, 12);
    }
    const wide = new ReplayEstimators(drawn, 0.02, { quality: 2, cost_usd: 1 }).estimates();
    expect(wide.ips.quality.high - wide.ips.quality.low).toBeCloseTo(4 * half, 12);
    expect(wide.ips.cost_usd).toEqual(ips.cost_usd);
  });

  it('compute the effective sample size of weights', () => {
    expect(effectiveSampleSize([1, 1, 1, 1])).toBe(4);
    expect(effectiveSampleSize([9, 0, 0])).toBe(1);
    expect(effectiveSampleSize([2, 1])).toBeCloseTo(9 / 5, 12);
    expect(effectiveSampleSize([])).toBe(0);
  });
});
