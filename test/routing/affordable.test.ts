import { expect, it } from 'vitest';
import { costOf } from '../../src/domain/arm.ts';
import { worstCaseUsd } from '../../src/routing/affordable.ts';
import { armOf } from './support.ts';

it('the worst case covers writing the prompt to a cache, for minutes or for an hour', () => {
  const arm = armOf('claude', { price: { input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 } });
  const usage = { inputTokens: 100_000, cachedInputTokens: 0, cacheWriteTokens: 100_000, outputTokens: 10 };
  for (const [hourCache, hourCacheWriteTokens] of [
    [false, 0],
    [true, 100_000],
  ] as const) {
    const profile = {
      needs: [],
      images: 0,
      inputCharacters: 400_000,
      inputBytes: 400_000,
      maxOutputTokens: 10,
      hourCache,
    };
    const cost = costOf(arm.price, { ...usage, hourCacheWriteTokens });
    const worst = worstCaseUsd(arm, profile, 100_000, 10, { choices: 1, otherBytes: 0 });
    expect(worst).toBeGreaterThan(cost);
    // Half as much again because tokens are estimated, plus a few for the message itself.
    expect(worst).toBeLessThan(1.51 * cost);
  }
});

it('the worst case includes the prices of long prompts, unless none can be that long', () => {
  const price = { input: 1, cachedInput: 1, cacheWrite: 1, output: 1 };
  const longPrompt = { above: 1000, input: 2, cachedInput: 2, cacheWrite: 2, output: 3 };
  const profile = { needs: [], images: 0, inputCharacters: 4000, inputBytes: 4000, maxOutputTokens: 10 };
  const worst = (inputTokens: number, contextWindow: number | null = null) =>
    worstCaseUsd(armOf('a', { price: { ...price, longPrompt }, contextWindow }), profile, inputTokens, 10, {
      choices: 1,
      otherBytes: 0,
    }) * 1e6;
  expect(worst(600)).toBeCloseTo(950 + 10, 6);
  expect(worst(700)).toBeCloseTo(2 * 1100 + 3 * 10, 6);
  expect(worst(700, 1000)).toBeCloseTo(1000 + 10, 6);
});

it('without max_tokens, a strict budget reserves for the longest possible answer', () => {
  const price = { input: 0, cachedInput: 0, cacheWrite: 0, output: 1 };
  const profile = { needs: [], images: 0, inputCharacters: 4, inputBytes: 4, maxOutputTokens: null };
  const worst = (strict: boolean, limit: number | null, maxOutputTokens: number | null = null) =>
    worstCaseUsd(armOf('a', { price, maxOutputTokens: limit }), { ...profile, maxOutputTokens }, 1, 300, {
      choices: 2,
      otherBytes: 0,
      strict,
    }) * 1e6;
  expect(worst(false, 64_000)).toBeCloseTo(2 * 4 * 300, 6);
  expect(worst(true, 64_000)).toBeCloseTo(2 * 64_000, 6);
  expect(worst(true, null)).toBeCloseTo(2 * 128_000, 6);
  expect(worst(true, 64_000, 500)).toBeCloseTo(2 * 500, 6);
});
