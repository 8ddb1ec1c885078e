import { describe, expect, it } from 'vitest';
import { numericWeight } from '../../src/domain/auto-model.ts';

describe('numericWeight', () => {
  it.each([
    ['0.7', 0.7],
    ['1', 1],
    ['1.', 1],
    ['.5', 0.5],
    ['-0.1', -0.1],
    ['+2.5', 2.5],
    ['1e-05', 0.00001],
    ['7E-1', 0.7],
  ])('parses %s', (text, weight) => expect(numericWeight(text)).toBe(weight));

  it.each(['', '.', '1e', 'e5', '0x1', '1.2.3', ' 1', 'Infinity'])('rejects "%s" as a number', (text) =>
    expect(numericWeight(text)).toBeNaN(),
  );

  it('takes linear time for many digits', () => {
    // Quadratic time would be half a minute.
    expect(numericWeight(`${'1'.repeat(200_000)}x`)).toBeNaN();
  }, 10_000);
});
