import { expect, it } from 'vitest';
import type { GatewayError } from '../../../src/domain/errors.ts';
import { KeyLimiter } from '../../../src/gateway/key-limiter.ts';
import { KeySpendLedger } from '../../../src/gateway/key-spend-ledger.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import type { KeyLimits } from '../../../src/gateway/runtime.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { completed, decided } from './support.ts';

it('counts the tokens of all choices that a request asks for', () => {
  const limiter = new KeyLimiter({
    clock: new ManualClock(),
    metrics: new Metrics(),
    keySpend: () => new KeySpendLedger(),
  });
  const key = { name: 'team', rpm: null, tpm: 1000, budget: null } as KeyLimits;
  // 100 input tokens, and 300 for each answer.
  const asking = (choices: number) => () => limiter.reserve(key, 'd', decided('d', { choices }).decision);
  expect(asking(4)).toThrow('requested 1300');
  const refusal = (choices: number) => {
    try {
      return asking(choices)();
    } catch (error) {
      return (error as GatewayError).responseHeaders;
    }
  };
  // More than the limit itself: a retry would be useless.
  expect(refusal(4)).toMatchObject({ 'x-should-retry': 'false' });
  expect(refusal(4)).not.toHaveProperty('retry-after');
  expect(asking(2)).not.toThrow();
  expect(asking(1)).toThrow('used 700, requested 400');
});

it('counts at least the predicted tokens if the client left before the usage was reported', () => {
  const limiter = new KeyLimiter({
    clock: new ManualClock(),
    metrics: new Metrics(),
    keySpend: () => new KeySpendLedger(),
  });
  const key = { name: 'team', rpm: null, tpm: 2000, budget: null } as KeyLimits;
  const left = (fields: Parameters<typeof completed>[1], isFree = false) => {
    const decision = { ...decided('d'), key: 'team' };
    if (isFree) for (const arm of decision.decision.arms) Object.assign(arm, { costUsd: 0, worstCaseUsd: 0 });
    limiter.reserve(key, 'd', decision.decision);
    limiter.settle(decision, completed('d', fields));
    return Number(limiter.headers(key)['x-ratelimit-remaining-tokens']);
  };
  const usage = { inputTokens: 100, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 5 };
  expect(left({ outcome: 'aborted', arm: null, usage, usageEstimated: true, costUsd: 0 })).toBe(1600);
  expect(left({ outcome: 'aborted', usage, usageEstimated: false })).toBe(1495);
  expect(left({ outcome: 'ok', usage, usageEstimated: true })).toBe(1390);
  // As with the cost, even without an answer: a model that timed out may have been writing all the time.
  const timedOut = { arm: decided('d').decision.arm, result: 'timeout' as const, status: null, durationMs: 1 };
  const unanswered = { outcome: 'failed' as const, arm: null, usage: null, usageEstimated: false, costUsd: null };
  expect(left({ ...unanswered, attempts: [{ ...timedOut, result: 'connection' }] })).toBe(1390);
  expect(left({ ...unanswered, attempts: [timedOut] })).toBe(990);
  expect(left({ ...unanswered, attempts: [timedOut] }, true)).toBe(590);
});

it('forgets removed keys, but not what their running requests have reserved', () => {
  const ledger = new KeySpendLedger();
  const limiter = new KeyLimiter({ clock: new ManualClock(), metrics: new Metrics(), keySpend: () => ledger });
  const budget = { usd: 1, per: 'day' as const, strict: false };
  const key = { name: 'team', rpm: 2, tpm: 1e6, budget } as KeyLimits;
  const body = { model: 'auto', messages: [] };
  const { decision } = decided('d');
  const arms = decision.arms.map((arm) => ({ ...arm, worstCaseUsd: 0.25 }));
  const left = () => limiter.budget(key, body)?.leftUsd;
  const remaining = () => limiter.headers(key)['x-ratelimit-remaining-requests'];
  limiter.takeRequest(key);
  limiter.reserve(key, 'd', { ...decision, arms });
  limiter.retain(new Set(['another']));
  expect([left(), remaining()]).toEqual([0.75, '1']);
  limiter.settle({ ...decided('d'), key: 'team' }, completed('d', { costUsd: 0.1 }));
  limiter.booked('d');
  limiter.retain(new Set(['team']));
  expect([left(), remaining()]).toEqual([1, '1']);
  limiter.retain(new Set(['another']));
  expect([left(), remaining()]).toEqual([1, '2']);
});
