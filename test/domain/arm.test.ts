import { expect, it } from 'vitest';
import { costOf } from '../../src/domain/arm.ts';

it('an answer with more input than the limit of usual prices costs the prices of long prompts throughout', () => {
  const price = {
    ...{ input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 },
    longPrompt: { above: 1000, input: 6, cachedInput: 0.6, cacheWrite: 7.5, output: 22.5 },
  };
  const usage = { inputTokens: 1000, cachedInputTokens: 400, cacheWriteTokens: 100, outputTokens: 20 };
  expect(costOf(price, usage) * 1e6).toBeCloseTo(500 * 3 + 400 * 0.3 + 100 * 3.75 + 20 * 15, 9);
  const long = { ...usage, inputTokens: 1001 };
  expect(costOf(price, long) * 1e6).toBeCloseTo(501 * 6 + 400 * 0.6 + 100 * 7.5 + 20 * 22.5, 9);
});
