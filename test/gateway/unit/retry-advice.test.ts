import { describe, expect, it } from 'vitest';
import { askedPauseMs, forbidsRetry } from '../../../src/gateway/retry-advice.ts';

describe('retry headers of an upstream', () => {
  const now = Date.UTC(2025, 0, 1);

  it.each([
    [undefined, null],
    ['', null],
    ['  ', null],
    ['1.5', 1500],
    ['-3', null],
    ['0', 0],
    ['try 5', null],
    ['2025-01-01T00:00:07Z', 7000],
    ['01 Jan 2025 00:00:07 GMT', 7000],
    ['1,2', null],
    ['NaN', null],
    ['Infinity', null],
    ['tomorrow', null],
    ['Wed, 01 Jan 2025 00:00:07 GMT', 7000],
    ['Tue, 31 Dec 2024 00:00:00 GMT', 0],
  ])('retry-after: %s → %s ms', (header, expected) => {
    expect(askedPauseMs({ 'retry-after': header }, now)).toBe(expected);
  });

  it.each([
    ['700', 700],
    ['-1', 3000],
    ['0', 3000],
    ['', 3000],
    ['soon', 3000],
  ])('retry-after-ms takes precedence if it is a positive number: %s → %s ms', (exact, expected) => {
    expect(askedPauseMs({ 'retry-after': '3', 'retry-after-ms': exact }, now)).toBe(expected);
  });

  it('only x-should-retry: false forbids a retry', () => {
    expect([{}, { 'x-should-retry': 'true' }, { 'x-should-retry': 'false' }].map(forbidsRetry)).toEqual([
      false,
      false,
      true,
    ]);
  });
});
