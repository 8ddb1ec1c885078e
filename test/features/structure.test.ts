import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TEXT_DIMENSIONS, textFeatures } from '../../src/features/structure.ts';

describe('textFeatures', () => {
  it('gives finite numbers within ±4 for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 300 })), (text) => {
        const features = textFeatures(text);
        expect(features).toHaveLength(TEXT_DIMENSIONS);
        expect(features.every((feature) => Math.abs(feature) <= 4)).toBe(true);
      }),
    );
  });

  it('counts like the regular expressions it replaces', () => {
    const text = 'In 1998,\tBob paid $3.50 for {x}; then\n\n“12 <b>”\u00a0more…\n';
    const n = text.length;
    const words = text.match(/\S+/g) ?? [];
    const mean = words.reduce((sum, word) => sum + word.length, 0) / words.length;
    const features = textFeatures(text);
    expect(features[0]).toBeCloseTo((Math.log1p(n) - 5.0997) / 0.9002);
    expect(features[1]).toBeCloseTo((Math.log1p(words.length) - 3.3061) / 0.9096);
    expect(features[2]).toBeCloseTo((3 / 50 - 0.0675) / 0.0721);
    expect(features[3]).toBeCloseTo(((9 / n) * 10 - 0.1824) / 0.4242);
    expect(features[4]).toBeCloseTo(((5 / n) * 10 - 0.0651) / 0.2464);
    expect(features[8]).toBeCloseTo((mean / 10 - 0.568) / 0.3023);
    expect(features[9]).toBeCloseTo((4 / 10 - 0.2386) / 0.7116);
  });

  it.each([
    [5, 'def f(x):', 'a definition'],
    [5, '```js```', 'a note'],
    [6, 'the sum \\frac{1}{2}', 'the sum of a half'],
    [6, '$5', 'five dollars'],
    [7, 'Why?', 'Because.'],
  ])('feature %i distinguishes %j from %j', (feature, with_, without) => {
    expect(textFeatures(with_)[feature]).toBeGreaterThan(textFeatures(without)[feature]);
  });
});
