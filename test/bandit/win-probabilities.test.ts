import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { winProbabilities } from '../../src/bandit/win-probabilities.ts';
import { normalCdf, normalDensity } from '../../src/util/normal-distribution.ts';
import { seededRandom, shuffled } from '../../src/util/random.ts';

const CLIP = 2;
const TAIL = normalCdf(-CLIP);

const centre = fc.double({ min: -5, max: 5, noNaN: true });
/** Certain scores, and spreads over hundreds of orders of magnitude. */
const spread = fc.oneof(
  fc.constant(0),
  fc.double({ min: 1e-18, max: 1, noNaN: true }),
  fc.integer({ min: -323, max: 1 }).map((exponent) => 10 ** exponent),
);
const arms = fc.array(fc.record({ centre, spread }), { minLength: 1, maxLength: 8 });

const unit = fc.double({ min: 0.01, max: 1, noNaN: true });

function of(scores: readonly { centre: number; spread: number }[]): number[] {
  return winProbabilities(
    scores.map((score) => score.centre),
    scores.map((score) => score.spread),
    CLIP,
  );
}

/** Moved apart by irrational amounts, so that no atoms tie: ties have a probability of their own. */
function untied(scores: readonly { centre: number; spread: number }[]) {
  return scores.map((score, i) => ({
    centre: score.centre + Math.sqrt(i + 2) * 1e-3,
    spread: score.spread + Math.sqrt(i + 3) * 1e-2,
  }));
}

/** Share of `draws` in which each score is the largest; the first of equal ones wins. */
function simulated(centres: number[], spreads: number[], draws: number, seed: number): number[] {
  const random = seededRandom(seed);
  const wins = centres.map(() => 0);
  for (let draw = 0; draw < draws; draw++) {
    let winner = 0;
    let best = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < centres.length; i++) {
      const score = centres[i] + spreads[i] * Math.min(CLIP, Math.max(-CLIP, random.normal()));
      if (score > best) {
        best = score;
        winner = i;
      }
    }
    wins[winner]++;
  }
  return wins.map((count) => count / draws);
}

/** P(i) = Σ over the draw z of i: φ(z) Π_j P(S_j below i's score), independent of the quadrature under test. */
function bySimpson(scores: readonly { centre: number; spread: number }[]): number[] {
  const steps = 2000;
  const step = (2 * CLIP) / steps;
  const beaten = (i: number, t: number) =>
    scores.reduce((product, { centre: c, spread: s }, j) => {
      if (j === i) return product;
      const z = (t - c) / s;
      return product * (z >= CLIP ? 1 : z <= -CLIP ? 0 : normalCdf(z));
    }, 1);
  return scores.map(({ centre: c, spread: s }, i) => {
    let sum = TAIL * (beaten(i, c - CLIP * s) + beaten(i, c + CLIP * s));
    for (let k = 0; k <= steps; k++) {
      const z = -CLIP + k * step;
      const factor = k === 0 || k === steps ? 1 : k % 2 === 1 ? 4 : 2;
      sum += ((factor * step) / 3) * normalDensity(z) * beaten(i, c + s * z);
    }
    return sum;
  });
}

describe('winProbabilities', () => {
  it.each([
    { centres: [0.5, 0.52, 0.4], spreads: [0.05, 0.02, 0.1] },
    { centres: [0.5, 0.5, 0.5, 0.5], spreads: [0.1, 0.1, 0.1, 0.1] },
    { centres: [1, 0.2, 1.3, 0.7, 0.1], spreads: [0.5, 1, 0, 2, 0.01] },
    { centres: [0, 0.2], spreads: [0.1, 0] },
    { centres: [-3, -3.001, -2.9, -3.2], spreads: [0.2, 1e-6, 0.03, 0.4] },
    {
      centres: Array.from({ length: 12 }, (_, i) => i / 20),
      spreads: Array.from({ length: 12 }, (_, i) => 0.5 / (i + 1)),
    },
  ])('agrees with 100,000 draws of $centres ± $spreads', ({ centres, spreads }) => {
    const draws = 100_000;
    const shares = simulated(centres, spreads, draws, 11);
    winProbabilities(centres, spreads, CLIP).forEach((p, i) => {
      expect(Math.abs(shares[i] - p)).toBeLessThanOrEqual(4.5 * Math.sqrt((p * (1 - p)) / draws) + 1e-6);
    });
  });

  it('agrees with a fine Simpson sum over each score’s own draw', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ centre: unit, spread: unit }), { minLength: 2, maxLength: 5 }), (scores) => {
        const exact = of(scores);
        bySimpson(scores).forEach((p, i) => {
          expect(Math.abs(p - exact[i])).toBeLessThan(1e-3);
        });
      }),
      { numRuns: 40 },
    );
  });

  it('is the probability of a difference of normals if little is clipped', () => {
    for (const [difference, a, b] of [
      [0.3, 1, 0.7],
      [-1, 0.5, 2],
      [0, 1, 3],
    ]) {
      const [first] = winProbabilities([difference, 0], [a, b], 3);
      expect(Math.abs(first - normalCdf(difference / Math.hypot(a, b)))).toBeLessThan(2 * normalCdf(-3));
    }
  });

  it('is a half each for equal scores, except for ties of their atoms', () => {
    // Equal distributions: P(first) − P(second) is the probability of a tie at the upper or the lower atom.
    const tie = 2 * TAIL ** 2;
    const [first, second] = winProbabilities([0.4, 0.4], [0.2, 0.2], CLIP);
    expect(first).toBeCloseTo((1 + tie) / 2, 7);
    expect(second).toBeCloseTo((1 - tie) / 2, 7);
  });

  it('has a closed form for a certain score against a random one', () => {
    const at = 0.13;
    const [certain, drawn] = winProbabilities([at, 0], [0, 0.1], CLIP);
    expect(certain).toBeCloseTo(normalCdf(at / 0.1), 7);
    expect(drawn).toBeCloseTo(1 - normalCdf(at / 0.1), 7);
    // Exactly at the upper atom the lower index wins the tie.
    expect(winProbabilities([0.2, 0], [0, 0.1], CLIP)).toEqual([1, 0]);
    const [atom, tied] = winProbabilities([0, 0.2], [0.1, 0], CLIP);
    expect(atom).toBeCloseTo(TAIL, 7);
    expect(tied).toBeCloseTo(1 - TAIL, 7);
  });

  it('has a closed form for any number of equal scores', () => {
    const below = 1 - TAIL;
    for (const count of [3, 10, 50, 200]) {
      const alike = winProbabilities(new Array(count).fill(0.4), new Array(count).fill(0.2), CLIP);
      const between = (below ** count - TAIL ** count) / count;
      alike.forEach((p, i) => {
        expect(p).toBeCloseTo(TAIL * below ** i + between + (i === 0 ? TAIL ** count : 0), 9);
      });
    }
  });

  it('gives probability 1 to a certain winner', () => {
    expect(winProbabilities([7], [3], CLIP)).toEqual([1]);
    expect(winProbabilities([7], [0], CLIP)).toEqual([1]);
    expect(winProbabilities([1, 2, 2], [0, 0, 0], CLIP)).toEqual([0, 1, 0]);
    expect(winProbabilities([0.9, 0.1], [0.1, 0.1], CLIP)).toEqual([1, 0]);
    expect(winProbabilities([0.1, 0.9, 0.88], [0.1, 0.1, 0.1], CLIP)[0]).toBe(0);
  });

  it('keeps its precision if one score is almost certain', () => {
    for (const tiny of [1e-8, 1e-13, 1e-15, 1e-16, 1e-17, 1e-20, 1e-300]) {
      const [first, second] = winProbabilities([1, 1], [tiny, 0.1], CLIP);
      expect(first, `spread ${tiny}`).toBeCloseTo(0.5, 6);
      expect(second, `spread ${tiny}`).toBeCloseTo(0.5, 6);
    }
  });

  it('gives probabilities that add up to 1', () => {
    fc.assert(
      fc.property(arms, (scores) => {
        const result = of(scores);
        for (const p of result) {
          expect(p).toBeGreaterThanOrEqual(0);
          expect(p).toBeLessThanOrEqual(1 + 1e-12);
        }
        expect(result.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      }),
      { numRuns: 1000 },
    );
  });

  it('does not change if all scores are scaled and shifted', () => {
    fc.assert(
      fc.property(arms, fc.double({ min: -100, max: 100, noNaN: true }), (scores, shift) => {
        const plain = untied(scores);
        const moved = of(plain.map((score) => ({ centre: 3 * score.centre + shift, spread: 3 * score.spread })));
        of(plain).forEach((p, i) => {
          expect(moved[i]).toBeCloseTo(p, 7);
        });
      }),
    );
  });

  it('does not depend on the order of the scores if none are tied', () => {
    fc.assert(
      fc.property(arms, fc.integer(), (scores, seed) => {
        const distinct = untied(scores);
        const order = shuffled([...distinct.keys()], seededRandom(seed));
        const permuted = of(order.map((i) => distinct[i]));
        const plain = of(distinct);
        order.forEach((i, position) => {
          expect(permuted[position]).toBeCloseTo(plain[i], 7);
        });
      }),
    );
  });

  it('with equal spreads, a higher expected score never wins less often', () => {
    fc.assert(
      fc.property(
        fc.array(centre, { minLength: 2, maxLength: 6 }),
        fc.double({ min: 0.01, max: 3, noNaN: true }),
        (centres, width) => {
          const sorted = centres.sort((a, b) => b - a);
          const result = winProbabilities(
            sorted,
            sorted.map(() => width),
            CLIP,
          );
          for (let i = 1; i < result.length; i++) expect(result[i]).toBeLessThanOrEqual(result[i - 1] + 1e-7);
        },
      ),
    );
  });
});
