import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flips } from '../../src/routing/explain.ts';

interface Line {
  arm: string;
  exploredQuality: number;
  costUsd: number;
  penalty: number;
}

const UNIT = 0.02;
/** Round numbers, so that ties and equal slopes occur and differences far exceed rounding errors. */
const thousandths = (min: number, max: number) =>
  fc.oneof(
    fc.integer({ min: min * 1000, max: max * 1000 }).map((n) => n / 1000),
    fc.integer({ min: min * 10, max: max * 10 }).map((n) => n / 10),
  );
const lines = fc
  .array(
    fc.record({
      exploredQuality: thousandths(-1, 2),
      costUsd: thousandths(0, 10).map((relative) => relative * UNIT),
      penalty: fc.oneof(fc.constant(0), thousandths(0, 2)),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((items) => items.map((item, i): Line => ({ ...item, arm: `m${i}` })));
const weights = thousandths(0, 1);

const scoreAt = (line: Line, w: number) => w * line.exploredQuality - ((1 - w) * line.costUsd) / UNIT - line.penalty;
const scored = (items: readonly Line[], w: number) => items.map((line) => ({ ...line, score: scoreAt(line, w) }));
const bestAt = (items: readonly Line[], w: number) => items.reduce((a, b) => (scoreAt(b, w) > scoreAt(a, w) ? b : a));

describe('flips', () => {
  const GRID = 2000;

  /** The nearest grid weight in one direction at which another arm is clearly ahead of the best arm at `w`. */
  function bruteForce(items: readonly Line[], w: number, direction: 1 | -1): number | null {
    const best = bestAt(items, w);
    for (let step = 1; step <= GRID; step++) {
      const at = w + (direction * step) / GRID;
      if (at < 0 || at > 1) return null;
      if (scoreAt(bestAt(items, at), at) > scoreAt(best, at) + 1e-9) return at;
    }
    return null;
  }

  it('are where a walk over a fine grid of weights first finds another arm ahead', () => {
    fc.assert(
      fc.property(lines, weights, (items, w) => {
        const { flipBelow, flipAbove } = flips(scored(items, w), w, UNIT);
        for (const [flip, direction] of [
          [flipBelow, -1],
          [flipAbove, 1],
        ] as const) {
          const found = bruteForce(items, w, direction);
          if (found !== null) {
            expect(flip, `found at ${found}`).not.toBeNull();
            const passed = ((flip?.weight ?? 0) - found) * direction;
            expect(passed).toBeLessThanOrEqual(1e-9);
          }
          if (!flip) continue;
          expect((flip.weight - w) * direction).toBeGreaterThanOrEqual(0);
          expect(flip.weight).toBeGreaterThanOrEqual(0);
          expect(flip.weight).toBeLessThanOrEqual(1);
          // Up to the flip no arm is ahead, at the flip the two are level, and beyond it the named arm is ahead.
          const best = bestAt(items, w);
          const other = items.find(({ arm }) => arm === flip.arm) as Line;
          const gap = (at: number) => scoreAt(other, at) - scoreAt(best, at);
          expect(gap(flip.weight)).toBeCloseTo(0, 9);
          expect(gap(flip.weight + direction * 0.5)).toBeGreaterThanOrEqual(0);
          const before = w + (flip.weight - w) * 0.999;
          expect(scoreAt(bestAt(items, before), before)).toBeLessThanOrEqual(scoreAt(best, before) + 1e-9);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('have a closed form for a good expensive arm against a poor free one', () => {
    const items = [
      { arm: 'good', exploredQuality: 0.9, costUsd: UNIT, penalty: 0 },
      { arm: 'free', exploredQuality: 0.5, costUsd: 0, penalty: 0 },
    ];
    // 0.9 w − (1 − w) = 0.5 w at w = 1 / 1.4
    expect(flips(scored(items, 0.9), 0.9, UNIT)).toEqual({
      flipBelow: { weight: expect.closeTo(1 / 1.4, 12), arm: 'free' },
      flipAbove: null,
    });
    expect(flips(scored(items, 0.5), 0.5, UNIT)).toEqual({
      flipBelow: null,
      flipAbove: { weight: expect.closeTo(1 / 1.4, 12), arm: 'good' },
    });
  });

  it('are null if one arm leads at every weight, or there is only one, or all are equal', () => {
    const better = { arm: 'better', exploredQuality: 0.9, costUsd: 0, penalty: 0 };
    const none = { flipBelow: null, flipAbove: null };
    expect(flips(scored([better], 0.5), 0.5, UNIT)).toEqual(none);
    expect(flips(scored([{ ...better, arm: 'worse', penalty: 0.1 }, better], 0.5), 0.5, UNIT)).toEqual(none);
    expect(flips(scored([{ ...better, arm: 'same' }, better], 0.5), 0.5, UNIT)).toEqual(none);
  });
});
