import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bestSingle,
  cheapestSingle,
  type Outcomes,
  oracle,
  randomChoice,
  singleModels,
  sliceOutcomes,
  staticMix,
  utilityOracle,
} from '../../src/recorded/baselines.ts';

// Coarse values, so that there are ties.
const coarse = (top: number) => fc.integer({ min: 0, max: 8 }).map((value) => (value * top) / 8);
const matrix = (queries: number, models: number, top: number) =>
  fc.array(fc.array(coarse(top), { minLength: models, maxLength: models }), { minLength: queries, maxLength: queries });
const anyOutcomes: fc.Arbitrary<Outcomes> = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }))
  .chain(([queries, models]) =>
    fc.record({ quality: matrix(queries, models, 1), cost: matrix(queries, models, 0.02) }),
  );

/** Every way to assign queries to models. */
function assignments(queries: number, models: number): number[][] {
  if (queries === 0) return [[]];
  return assignments(queries - 1, models).flatMap((rest) => Array.from({ length: models }, (_, m) => [...rest, m]));
}

function resultOf({ quality, cost }: Outcomes, assignment: number[]) {
  const sum = (table: Outcomes['quality']) =>
    assignment.reduce((total, model, query) => total + table[query][model], 0);
  return { quality: sum(quality) / assignment.length, cost: sum(cost) / assignment.length };
}

const TOLERANCE = 1e-12;

describe('baselines', () => {
  it('match the best over every possible assignment of queries to models', () => {
    fc.assert(
      fc.property(anyOutcomes, fc.double({ min: 0, max: 3, noNaN: true }), (outcomes, nu) => {
        const [queries, models] = [outcomes.quality.length, outcomes.quality[0].length];
        const all = assignments(queries, models).map((assignment) => resultOf(outcomes, assignment));
        const top = Math.max(...all.map((result) => result.quality));
        const cheapestTop = Math.min(...all.filter((r) => r.quality > top - TOLERANCE).map((r) => r.cost));
        expect(oracle(outcomes).quality).toBeCloseTo(top, 12);
        expect(oracle(outcomes).cost).toBeCloseTo(cheapestTop, 12);

        const free = utilityOracle(outcomes, nu, 0.01);
        const utility = (result: { quality: number; cost: number }) => result.quality - (nu * result.cost) / 0.01;
        expect(utility(free)).toBeCloseTo(Math.max(...all.map(utility)), 10);

        const expected = all.reduce((sum, result) => sum + result.quality, 0) / all.length;
        expect(randomChoice(outcomes).quality).toBeCloseTo(expected, 12);
      }),
      { numRuns: 200 },
    );
  });

  it('choose the best and the cheapest single model', () => {
    fc.assert(
      fc.property(anyOutcomes, (outcomes) => {
        const singles = singleModels(outcomes);
        const [best, cheapest] = [bestSingle(outcomes), cheapestSingle(outcomes)];
        for (const single of singles) {
          expect(best.quality).toBeGreaterThanOrEqual(single.quality);
          expect(cheapest.cost).toBeLessThanOrEqual(single.cost);
          if (single.quality === best.quality) expect(best.cost).toBeLessThanOrEqual(single.cost);
          if (single.cost === cheapest.cost) expect(cheapest.quality).toBeGreaterThanOrEqual(single.quality);
        }
      }),
    );
  });

  it('find a mix of two models that no mix of more models at that cost beats', () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(anyOutcomes, fc.array(shares, { minLength: 20, maxLength: 20 }), (outcomes, lots) => {
        const singles = singleModels(outcomes);
        for (const lot of lots) {
          const weights = singles.map((_, model) => lot[model] + 1e-3);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const mean = (key: 'quality' | 'cost') =>
            singles.reduce((sum, single) => sum + (single[key] * weights[single.model]) / total, 0);
          const mix = staticMix(outcomes, mean('cost') + TOLERANCE);
          expect(mix?.quality).toBeGreaterThanOrEqual(mean('quality') - 1e-9);
          expect(mix?.cost).toBeLessThanOrEqual(mean('cost') + 2 * TOLERANCE);
        }
      }),
    );
  });

  it('report the parts of the mix', () => {
    const outcomes = { quality: [[0.2, 0.5, 1]], cost: [[1, 2, 3]] };
    expect(staticMix(outcomes, 0.5)).toBeNull();
    expect(staticMix(outcomes, 1)).toEqual({ quality: 0.2, cost: 1, parts: [{ model: 0, share: 1 }] });
    expect(staticMix(outcomes, 9)).toEqual({ quality: 1, cost: 3, parts: [{ model: 2, share: 1 }] });
    // The middle model lies below the line from the first to the last, so it has no part in the mix.
    const mix = staticMix(outcomes, 2);
    expect(mix?.quality).toBeCloseTo(0.6);
    expect(mix?.parts).toEqual([
      { model: 0, share: 0.5 },
      { model: 2, share: 0.5 },
    ]);
  });

  it('can be computed for a part of the run', () => {
    const outcomes = { quality: [[0], [0.5], [1]], cost: [[1], [1], [4]] };
    expect(bestSingle(sliceOutcomes(outcomes, 1, 3))).toEqual({ model: 0, quality: 0.75, cost: 2.5 });
  });
});
