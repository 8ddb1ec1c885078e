import { describe, expect, it } from 'vitest';
import { Exchange, type ExchangeParts } from '../../../src/gateway/exchange.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { Breakers } from '../../../src/routing/breaker.ts';
import { Load } from '../../../src/routing/load.ts';
import { RateLimits } from '../../../src/routing/rate-limits.ts';
import { armOf } from '../../routing/support.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { decided, metricValue, RecordingLogger } from './support.ts';

/** Of a routed request for so many answers; one of the reference was predicted to cost 0.012 USD. */
async function savedBy(choices: number): Promise<number> {
  const [clock, metrics, log] = [new ManualClock(), new Metrics(), new RecordingLogger()];
  const conditions = {
    load: new Load(),
    breakers: new Breakers(clock, { failures: 5, cooldownMs: 1000 }),
    rateLimits: new RateLimits(clock),
  };
  const eventLog = { record: () => {} } as unknown as ExchangeParts['eventLog'];
  const conversation = { answeredBy: () => {}, used: () => {}, called: () => {} };
  const { decision } = decided('d', { choices });
  const request = { requestId: 'r', arrivedAt: 0, conversation } as unknown as ConstructorParameters<
    typeof Exchange
  >[2];
  const parts = { clock, metrics, eventLog, conditions, log, tokensPerCharacter: () => 0.25 };
  const exchange = new Exchange('d', decision, request, parts);
  const arm = armOf('big');
  exchange.callStarts(arm);
  exchange.answeredBy(arm, 0);
  const usage = { inputTokens: 100, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 900 * choices };
  exchange.received({ usage } as Parameters<Exchange['received']>[0]);
  exchange.finish('ok', 200);
  return metricValue(metrics.savedUsd);
}

describe('Exchange', () => {
  it('counts as saved what one answer cost less than was predicted of the reference, and nothing of several at once', async () => {
    expect(await savedBy(1)).toBeCloseTo(0.012 - 0.01, 12);
    expect(await savedBy(4)).toBe(0);
  });
});
