import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datasetReport } from '../../../src/offline/evaluate/report.ts';
import {
  averageQuality,
  costForQuality,
  matrixOf,
  type Point,
  qualityAtCost,
  sweep,
} from '../../../src/offline/evaluate/trade-off.ts';
import { twoModelFigures } from '../../../src/offline/evaluate/two-models.ts';
import { seededRandom } from '../../../src/util/random.ts';

const share = (max: number) => fc.double({ min: 0, max, noNaN: true });
const points = fc.array(fc.record({ cost: share(2), quality: share(1.2) }), { minLength: 1, maxLength: 12 });

/** Every mix of two points in steps of a thousandth. */
function mixesOf(of: readonly Point[]): Point[] {
  return of.flatMap((a) =>
    of.flatMap((b) =>
      Array.from({ length: 1001 }, (_, i) => ({
        cost: a.cost + (i / 1000) * (b.cost - a.cost),
        quality: a.quality + (i / 1000) * (b.quality - a.quality),
      })),
    ),
  );
}

describe('the trade-off curve', () => {
  it('mixes two points as well as a fine grid of mixes', () => {
    fc.assert(
      fc.property(points, (of) => {
        const affordable = mixesOf(of).filter(({ cost }) => cost <= 0.5);
        const quality = qualityAtCost(of, 0.5);
        expect(quality === null).toBe(affordable.length === 0);
        const best = affordable.reduce((most, mix) => Math.max(most, mix.quality), 0);
        expect(quality ?? 0).toBeGreaterThanOrEqual(best - 1e-9);
        expect(quality ?? 0).toBeLessThan(best + 0.01);

        const good = mixesOf(of).filter((mix) => mix.quality >= 0.6);
        const cost = costForQuality(of, 0.6);
        expect(cost === null).toBe(good.length === 0);
        const least = good.reduce((lowest, mix) => Math.min(lowest, mix.cost), 9);
        expect(cost ?? 9).toBeLessThanOrEqual(least + 1e-9);
        expect(cost ?? 9).toBeGreaterThan(least - 0.01);
      }),
      { numRuns: 30 },
    );
  });

  it('averages quality over all budgets', () => {
    const line = [
      { cost: 0, quality: 0.5 },
      { cost: 1, quality: 1 },
    ];
    expect(averageQuality(line, 0, 1)).toBeCloseTo(0.75, 6);
    expect(averageQuality([{ cost: 0.5, quality: 0.8 }], 0, 1)).toBeCloseTo(0.4, 2);
  });

  it('does not depend on the unit of costs', () => {
    const random = seededRandom(3);
    const rows = Array.from({ length: 200 }, () => [0.3 + 0.7 * random.uniform(), 0.5 + 0.5 * random.uniform()]);
    const quality = matrixOf(rows);
    const figures = [1, 1000, 1e4, 1e-4, 1e-7].map((unit) => {
      const cost = matrixOf(rows.map(() => [0.0004 * unit, 0.005 * unit]));
      const points = sweep({ quality, cost }, { quality, cost }, 1);
      return [qualityAtCost(points, 0.2418), costForQuality(points, 0.9725), averageQuality(points, 0.1, 1)];
    });
    for (const [i, value] of figures.flat().entries()) expect(value).toBeCloseTo(figures[0][i % 3] as number, 3);
  });

  it('sends each query to the best prediction, for any weight of cost', () => {
    const truth = {
      quality: matrixOf([
        [1, 0.5],
        [0, 1],
        [1, 1],
      ]),
      cost: matrixOf([
        [0.01, 0.001],
        [0.01, 0.001],
        [0.01, 0.001],
      ]),
    };
    const curve = sweep(truth, truth, 0);
    // Cost does not matter here, so the first of two equal models answers the last query.
    expect(curve[0].quality).toBeCloseTo(1.5);
    expect(curve[0].cost).toBeCloseTo((0.01 + 0.001 + 0.01) / 3 / 0.01);
    expect(curve.at(-1)?.quality).toBeCloseTo(2.5 / 2);
    expect(curve.at(-1)?.cost).toBeCloseTo(0.1);
    expect(costForQuality(curve, 1.5)).toBeCloseTo((0.01 + 0.001 + 0.001) / 3 / 0.01);
  });
});

describe("RouteLLM's figures", () => {
  const truth = {
    quality: matrixOf([
      [1, 0],
      [1, 1],
      [0, 0],
      [1, 0],
    ]),
    cost: matrixOf([
      [2, 1],
      [2, 1],
      [2, 1],
      [2, 1],
    ]),
  };

  it('match a perfect order', () => {
    // One call to the strong model closes half of the gap, two close all of it.
    const figures = twoModelFigures(truth, truth);
    expect(figures?.cpt50).toBe(0.25);
    expect(figures?.cpt80).toBe(0.5);
    expect(figures?.apgr).toBeCloseTo((0.25 + 0.75 + 1 + 1) / 4);
  });

  it('match the worst order', () => {
    const quality = matrixOf([
      [0, 1],
      [1, 0],
      [1, 0],
      [0, 1],
    ]);
    const figures = twoModelFigures({ ...truth, quality }, truth);
    expect(figures).toMatchObject({ cpt50: 0.75, cpt80: 1 });
    expect(figures?.apgr).toBeCloseTo((0 + 0 + 0.25 + 0.75) / 4);
  });

  it('count exactly 80 % of the gap as 80 %', () => {
    // The strong model wins ten queries. A tenth added up eight times is a rounding error less than 0.8.
    const wins = matrixOf(Array.from({ length: 10 }, () => [0, 1]));
    const ten = { quality: wins, cost: wins };
    expect(twoModelFigures(ten, ten)?.cpt80).toBe(0.8);
  });

  it('are reported over the splits that have them, even if the first has none', () => {
    const of = (apgr: number | null) => {
      const twoModels = apgr === null ? null : { apgr, cpt50: 0.4, cpt80: null };
      const measurement = { qualityAtCost: 1, costForQuality: 1, aiq: 1, curve: [], point: null, twoModels };
      return { queries: 10, models: ['a', 'b'], measurements: { mixllm: measurement } };
    };
    const [{ apgr, cpt80 }] = datasetReport('d', [of(null), of(0.6), of(0.8), of(null)]).results;
    expect([apgr?.mean, apgr?.reached, cpt80?.reached]).toEqual([0.7, 0.5, 0]);
    expect(datasetReport('d', [of(null)]).results[0]).not.toHaveProperty('apgr');
  });

  it('are null without a gap, or for more than two models', () => {
    const even = { ...truth, quality: matrixOf([[1, 1]]) };
    expect(twoModelFigures(even, even)).toBeNull();
    const three = { quality: matrixOf([[1, 0, 0]]), cost: matrixOf([[1, 1, 1]]) };
    expect(twoModelFigures(three, three)).toBeNull();
  });
});
