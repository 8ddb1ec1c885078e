import { expect, it } from 'vitest';
import { costOf } from '../../src/domain/arm.ts';
import { worstCaseUsd } from '../../src/routing/affordable.ts';
import { armOf } from './support.ts';

it('is ready for a prompt that is written to a cache, for minutes or for an hour', () => {
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
    // Half as much again for the estimate of tokens, and a few for the message itself.
    expect(worst).toBeLessThan(1.51 * cost);
  }
});
