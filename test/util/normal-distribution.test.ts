import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookUpNormal, normalCdf, normalDensity } from '../../src/util/normal-distribution.ts';

describe('normalCdf', () => {
  // Tabulated values to about fifteen digits.
  it.each([
    [0, 0.5],
    [0.5, 0.691462461274013],
    [1, 0.841344746068543],
    [1.959963984540054, 0.975],
    [2, 0.977249868051821],
    [3, 0.99865010196837],
    [6, 0.999999999013412],
  ])('Φ(%f) = %f', (z, value) => {
    expect(normalCdf(z)).toBeCloseTo(value, 14);
    expect(normalCdf(-z)).toBeCloseTo(1 - value, 14);
  });

  it.each([
    [-5, 2.86651571879194e-7],
    [-7, 1.27981254388584e-12],
    [-8, 6.22096057427178e-16],
    [-10, 7.61985302416053e-24],
    [-30, 4.90671392714819e-198],
  ])('keeps its relative precision in the tail: Φ(%f)', (z, value) => {
    expect(normalCdf(z) / value).toBeCloseTo(1, 7);
  });

  it('reaches 0 and 1, and is NaN for NaN', () => {
    expect([normalCdf(-40), normalCdf(40)]).toEqual([0, 1]);
    expect([normalCdf(Number.NEGATIVE_INFINITY), normalCdf(Number.POSITIVE_INFINITY)]).toEqual([0, 1]);
    expect(normalCdf(Number.NaN)).toBeNaN();
  });

  it('is symmetric and increasing, also where its two formulas meet', () => {
    const z = fc.oneof(
      fc.double({ min: -12, max: 12, noNaN: true }),
      fc.double({ min: 7.07, max: 7.072, noNaN: true }),
    );
    fc.assert(
      fc.property(z, fc.double({ min: 0, max: 1, noNaN: true }), (at, step) => {
        expect(normalCdf(at) + normalCdf(-at)).toBeCloseTo(1, 14);
        expect(normalCdf(at + step)).toBeGreaterThanOrEqual(normalCdf(at) - 1e-15);
      }),
    );
  });

  it('has the density as its slope', () => {
    for (let z = -6; z <= 6; z += 0.25) {
      const slope = (normalCdf(z + 1e-5) - normalCdf(z - 1e-5)) / 2e-5;
      expect(slope).toBeCloseTo(normalDensity(z), 8);
    }
    expect(normalDensity(0)).toBeCloseTo(1 / Math.sqrt(2 * Math.PI), 15);
  });

  it('the lookup table has the promised precision, and values beyond it are computed', () => {
    const looked = { cdf: 0, density: 0 };
    const z = fc.oneof(
      fc.double({ min: -6.1, max: 6.1, noNaN: true }),
      fc.integer({ min: -6 * 256, max: 6 * 256 }).map((cell) => cell / 256),
      fc.double(),
    );
    fc.assert(
      fc.property(z, (at) => {
        lookUpNormal(at, looked);
        if (Number.isNaN(at)) {
          expect(looked).toEqual({ cdf: Number.NaN, density: Number.NaN });
          return;
        }
        expect(Math.abs(looked.cdf - normalCdf(at))).toBeLessThan(1e-12);
        expect(Math.abs(looked.density - normalDensity(at))).toBeLessThan(1e-9);
      }),
      { numRuns: 2000 },
    );
  });
});
