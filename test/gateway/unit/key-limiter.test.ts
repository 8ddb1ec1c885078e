import { expect, it } from 'vitest';
import { KeyLimiter } from '../../../src/gateway/key-limiter.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import type { KeyLimits } from '../../../src/gateway/runtime.ts';
import { SpendLedger } from '../../../src/gateway/spend-ledger.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { decided } from './support.ts';

it('counts the tokens of all answers that a request asks for', () => {
  const limiter = new KeyLimiter({ clock: new ManualClock(), metrics: new Metrics(), ledger: () => new SpendLedger() });
  const key = { name: 'team', rpm: null, tpm: 1000, budget: null } as KeyLimits;
  // 100 tokens in, and 300 for each answer.
  const asking = (choices: number) => () => limiter.reserve(key, 'd', decided('d', { choices }).decision);
  expect(asking(4)).toThrow('requested 1300');
  expect(asking(2)).not.toThrow();
  expect(asking(1)).toThrow('used 700, requested 400');
});
