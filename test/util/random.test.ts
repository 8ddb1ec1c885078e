import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalCdf } from '../../src/util/normal-distribution.ts';
import { drawIndex, type Random, seededRandom, shuffled, systemRandom } from '../../src/util/random.ts';

const DRAWS = 50_000;
/** 4.5 standard errors of a share. */
const bound = (p: number, draws = DRAWS) => 4.5 * Math.sqrt((p * (1 - p)) / draws);
const always = (value: number): Random => ({ uniform: () => value, normal: () => value });

describe('seededRandom', () => {
  it('repeats itself for equal seeds, but not for different ones', () => {
    const stream = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, (_, i) => (i % 2 ? random.uniform() : random.normal()));
    };
    expect(stream(7)).toEqual(stream(7));
    expect(stream(7)).not.toEqual(stream(8));
    expect(stream(2 ** 32 + 7)).toEqual(stream(7));
  });

  it('is uniform on [0, 1)', () => {
    const random = seededRandom(1);
    const bins = new Array(20).fill(0);
    for (let i = 0; i < DRAWS; i++) bins[Math.floor(random.uniform() * 20)]++;
    expect(bins).toHaveLength(20);
    for (const count of bins) expect(Math.abs(count / DRAWS - 1 / 20)).toBeLessThan(bound(1 / 20));
  });

  it('is normal, by the shares below nine points', () => {
    const random = seededRandom(2);
    const points = [-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3];
    const below = points.map(() => 0);
    for (let i = 0; i < DRAWS; i++) {
      const z = random.normal();
      points.forEach((point, k) => {
        if (z < point) below[k]++;
      });
    }
    points.forEach((point, k) => {
      const p = normalCdf(point);
      expect(Math.abs(below[k] / DRAWS - p)).toBeLessThan(bound(p));
    });
  });

  it('systemRandom differs from one stream to the next', () => {
    expect(systemRandom().uniform()).not.toBe(systemRandom().uniform());
  });
});

describe('shuffled', () => {
  it('gives every order its share, and does not change its argument', () => {
    const random = seededRandom(3);
    const items = Object.freeze(['a', 'b', 'c', 'd']);
    const counts = new Map<string, number>();
    for (let i = 0; i < DRAWS; i++) {
      const order = shuffled(items, random).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    for (const count of counts.values()) expect(Math.abs(count / DRAWS - 1 / 24)).toBeLessThan(bound(1 / 24));
  });

  it('keeps all items, and accepts an empty list', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const sort = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
        expect(sort(shuffled(items, seededRandom(seed)))).toEqual(sort(items));
      }),
    );
  });
});

describe('drawIndex', () => {
  it('draws in proportion to the weights', () => {
    const random = seededRandom(4);
    const weights = [3, 0, 1, 0.5, 0];
    const counts = weights.map(() => 0);
    for (let i = 0; i < DRAWS; i++) counts[drawIndex(weights, random)]++;
    weights.forEach((weight, i) => {
      const p = weight / 4.5;
      expect(Math.abs(counts[i] / DRAWS - p)).toBeLessThanOrEqual(bound(p));
    });
  });

  it('never draws a weight of 0, not even at the edges of the range', () => {
    const edges = [0, 0.1, 0.3, 0.5, 1 - 2 ** -53];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 0.1, 0.7, 1e-300, 1e300), { minLength: 1 }),
        fc.constantFrom(...edges),
        (weights, u) => {
          fc.pre(weights.some((weight) => weight > 0));
          expect(weights[drawIndex(weights, always(u))]).toBeGreaterThan(0);
        },
      ),
    );
  });
});
