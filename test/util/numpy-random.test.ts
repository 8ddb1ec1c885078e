import { describe, expect, it } from 'vitest';
import { numpyPermutation } from '../../src/util/numpy-random.ts';

describe('numpyPermutation', () => {
  // Printed by numpy 1.24.2: numpy.random.default_rng(seed).permutation(size)
  it.each([
    [0, [9, 2, 7, 4, 5, 11, 0, 3, 6, 10, 8, 1]],
    [1, [8, 11, 4, 7, 5, 0, 1, 9, 2, 10, 6, 3]],
    [7, [4, 6, 10, 0, 1, 3, 8, 7, 2, 5, 9, 11]],
    [4294967295, [1, 4, 0, 6, 8, 7, 10, 3, 11, 5, 2, 9]],
  ])('matches numpy for seed %i', (seed, order) => {
    expect(numpyPermutation(seed, 12)).toEqual(order);
  });

  it('also matches numpy for sizes that are not a power of two', () => {
    expect(numpyPermutation(3, 2205).slice(-8)).toEqual([1606, 2107, 144, 569, 1828, 711, 1013, 760]);
    expect(numpyPermutation(1100, 1414).slice(0, 8)).toEqual([906, 606, 504, 782, 1088, 565, 1176, 703]);
  });

  it('contains every number once', () => {
    expect(numpyPermutation(5, 1000).sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
    expect(numpyPermutation(5, 0)).toEqual([]);
    expect(numpyPermutation(5, 1)).toEqual([0]);
  });
});
