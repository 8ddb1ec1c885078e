import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PRIOR_QUALITY } from '../../src/bandit/defaults.ts';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { tierPriors } from '../../src/bandit/tier-priors.ts';
import type { Prior, Tier } from '../../src/domain/arm.ts';
import { likenedArms, priorQualities, priorSlopes } from '../../src/routing/priors.ts';
import { seededRandom, shuffled } from '../../src/util/random.ts';
import { predictions } from '../bandit/support.ts';

function arm(id: string, price: number, prior: Prior | null = null) {
  return { id, prior, price: { input: price, output: price, cachedInput: price, cacheWrite: price } };
}

const levels = (...arms: ReturnType<typeof arm>[]) => Object.fromEntries(priorQualities(arms));

describe('priorQualities', () => {
  it('standardises log prices: e, e², e³ count as one, two, three', () => {
    const z = 1 / Math.sqrt(2 / 3);
    const result = levels(arm('a', Math.E), arm('b', Math.E ** 2), arm('c', Math.E ** 3));
    expect(result.a).toBeCloseTo(0.85 - 0.05 * z, 12);
    expect(result.b).toBeCloseTo(0.85, 12);
    expect(result.c).toBeCloseTo(0.85 + 0.05 * z, 12);
  });

  it('bounds the level of a price outlier between 0.7 and 1', () => {
    const cheap = Array.from({ length: 49 }, (_, i) => arm(`cheap${i}`, 1));
    expect(levels(...cheap, arm('dear', 10)).dear).toBeCloseTo(1, 12);
    expect(levels(...cheap, arm('free', 0)).free).toBeCloseTo(0.7, 12);
  });

  it('weights input prices three to one against output prices', () => {
    const [a, b] = [arm('a', 0), arm('b', 0)];
    a.price = { ...a.price, input: 4, output: 0 };
    b.price = { ...b.price, input: 0, output: 4 };
    const result = levels(a, b);
    expect(result.a).toBeCloseTo(0.9, 12);
    expect(result.b).toBeCloseTo(0.8, 12);
  });

  it('gives arms of equal prices the common level, whatever the price and however many', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e3, noNaN: true }), fc.integer({ min: 1, max: 12 }), (price, count) => {
        const arms = Array.from({ length: count }, (_, i) => arm(`m${i}`, price));
        for (const level of priorQualities(arms).values()) expect(level).toBeCloseTo(PRIOR_QUALITY.level, 9);
      }),
    );
  });

  it('treats free models as the cheapest, not as infinitely worse', () => {
    const result = levels(arm('free', 0), arm('cent', 0.01), arm('dear', 10));
    expect(result.free).toBe(result.cent);
    expect(result.free).toBeGreaterThan(0.75);
    expect(result.dear).toBeGreaterThan(result.free);
  });

  it('follows tiers and given qualities, whatever the price', () => {
    const result = levels(
      arm('s', 9, 'small'),
      arm('m', 0, 'mid'),
      arm('f', 1, 'frontier'),
      arm('q', 5, { quality: 0 }),
    );
    const { small, mid, frontier } = tierPriors().tiers;
    expect(result).toEqual({ s: small.quality, m: mid.quality, f: frontier.quality, q: 0 });
    expect(small.quality).toBeLessThan(mid.quality);
    expect(mid.quality).toBeLessThan(frontier.quality);
    // The common level of models about which nothing is known.
    expect(mid.quality).toBe(PRIOR_QUALITY.level);
  });

  it('resolves "like" along chains and in any order', () => {
    const arms = [
      arm('a', 1, { like: 'b' }),
      arm('b', 2, { like: 'c' }),
      arm('c', 3, { like: 'd' }),
      arm('d', 4, { quality: 0.3 }),
      arm('e', 5),
    ];
    for (let seed = 0; seed < 20; seed++) {
      const result = levels(...shuffled(arms, seededRandom(seed)));
      expect(result).toMatchObject({ a: 0.3, b: 0.3, c: 0.3, d: 0.3 });
      expect(result.e).toBeGreaterThan(0.85);
    }
  });

  it('falls back on the price if "like" names a missing model or forms a cycle', () => {
    const byPrice = levels(arm('a', 1), arm('b', 10), arm('c', 10));
    expect(levels(arm('a', 1, { like: 'gone' }), arm('b', 10), arm('c', 10))).toEqual(byPrice);
    expect(levels(arm('a', 1, { like: 'a' }), arm('b', 10), arm('c', 10))).toEqual(byPrice);
    const circle = levels(arm('a', 1, { like: 'b' }), arm('b', 10, { like: 'a' }), arm('c', 10));
    expect([byPrice.a, byPrice.b]).toContain(circle.a);
    expect([byPrice.a, byPrice.b]).toContain(circle.b);
  });
});

describe('priorSlopes', () => {
  const slopes = new Map<Tier, Float64Array>([['small', Float64Array.of(0, 0.1, -0.2)]]);

  it('exist for models of a tier, and for those declared like one', () => {
    const arms = [arm('s', 1, 'small'), arm('l', 1, { like: 's' }), arm('f', 1, 'frontier'), arm('n', 1)];
    expect([...priorSlopes(arms, slopes).keys()]).toEqual(['s', 'l']);
  });

  it('are less certain for a model that is like another, but with the same expected quality', () => {
    const arms = [arm('s', 1, 'small'), arm('l', 1, { like: 's' }), arm('n', 1, { like: 'gone' })];
    expect([...likenedArms(arms)]).toEqual(['l']);
    const policy = new LinearPolicy(3);
    policy.setPriorQualities(priorQualities(arms), priorSlopes(arms, slopes), likenedArms(arms));
    const x = Float64Array.of(1, 0, 0);
    const [small, likened, unlike] = predictions(policy, ['s', 'l', 'n'], x);
    expect(likened.quality).toBe(small.quality);
    // Shared and own intercept: 0.01 + 0.01, and 0.01 + 0.05.
    expect([small, likened, unlike].map(({ qualitySd }) => qualitySd ** 2)).toEqual(
      [0.02, 0.06, 0.02].map((variance) => expect.closeTo(variance, 2)),
    );
    expect(likened.qualitySd ** 2 - small.qualitySd ** 2).toBeCloseTo(0.04, 9);
    policy.setPriorQualities(priorQualities(arms), priorSlopes(arms, slopes));
    expect(predictions(policy, ['l'], x)[0].qualitySd).toBe(small.qualitySd);
  });

  it('make an untaught policy predict level + slopes · x', () => {
    const policy = new LinearPolicy(3);
    policy.setPriorQualities(new Map([['s', 0.7]]), priorSlopes([arm('s', 1, 'small')], slopes));
    const [known, unknown] = predictions(policy, ['s', 'n'], Float64Array.of(1, 2, 3));
    expect(known.quality).toBeCloseTo(0.7 + 0.1 * 2 - 0.2 * 3, 12);
    expect(unknown.quality).toBe(PRIOR_QUALITY.level);
    expect(slopes.get('small')).toEqual(Float64Array.of(0, 0.1, -0.2));
  });
});
