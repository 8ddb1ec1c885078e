import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/domain/errors.ts';
import type { GatewayEvent } from '../../../src/domain/events.ts';
import { Exchange, type ExchangeParts } from '../../../src/gateway/exchange.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { Breakers } from '../../../src/routing/breaker.ts';
import { Load } from '../../../src/routing/load.ts';
import { RateLimits } from '../../../src/routing/rate-limits.ts';
import { Silence, type WaitingCall } from '../../../src/routing/silence.ts';
import { armOf } from '../../routing/support.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { decided, metricValue, RecordingLogger } from './support.ts';

const arm = armOf('big');

/** The exchange of a routed request for so many choices; one answer of the reference should cost 0.012 USD. */
function begun(choices = 1) {
  const [clock, metrics, log] = [new ManualClock(), new Metrics(), new RecordingLogger()];
  const conditions = {
    load: new Load(),
    breakers: new Breakers(clock, { failures: 5, cooldownMs: 1000 }),
    rateLimits: new RateLimits(clock),
    silence: new Silence(clock),
  };
  const recorded: GatewayEvent[] = [];
  const eventLog = { record: (event: GatewayEvent) => recorded.push(event) } as unknown as ExchangeParts['eventLog'];
  const conversation = { answeredBy: () => {}, used: () => {}, called: () => {} };
  const { decision } = decided('d', { choices });
  const request = { requestId: 'r', arrivedAt: 0, conversation } as unknown as ConstructorParameters<
    typeof Exchange
  >[2];
  const parts = { clock, metrics, eventLog, conditions, log, tokensPerByte: () => 0.25, serviceSeconds: () => 2 };
  const exchange = new Exchange('d', decision, request, parts);
  exchange.callStarts(arm);
  return { exchange, metrics, recorded, clock, ...conditions };
}

async function savedBy(choices: number): Promise<number> {
  const { exchange, metrics } = begun(choices);
  exchange.answeredBy(arm, 0);
  const usage = { inputTokens: 100, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 900 * choices };
  exchange.received({ usage } as Parameters<Exchange['received']>[0]);
  exchange.finish('ok', 200);
  return metricValue(metrics.savedUsd);
}

const FAILURE = new Error('failed');
const UNUSABLE = new UpstreamError('status', 'refused', { status: 429, unusable: true });
const OF_REQUEST = new UpstreamError('status', 'Request too large', { status: 429, modelSpecific: true });

describe('Exchange', () => {
  const told = { inputTokens: 100, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1 };
  const piece = (fields: object) => fields as Parameters<Exchange['received']>[0];

  it.each<[string, number, object[], number | null]>([
    ['told at the end', 1, [{ generatedBytes: 400 }, { usage: told }], null],
    ['told with each piece', 1, [{ generatedBytes: 400, usage: told }, { finishReason: 'stop' }], null],
    ['told before the answer alone', 1, [{ usage: told }, { generatedBytes: 400 }, { finishReason: 'stop' }], 100],
    ['0 for an answer that is not empty', 1, [{ generatedBytes: 400, usage: { ...told, outputTokens: 0 } }], 100],
    ['0 for an empty answer', 1, [{ usage: { ...told, outputTokens: 0 } }], null],
  ])('treats a reported usage as complete only if it can be: %s', async (_, choices, pieces, estimated) => {
    const { exchange } = begun(choices);
    exchange.answeredBy(arm, 0);
    for (const fields of pieces) exchange.received(piece(fields));
    exchange.finish('ok', 200);
    const { usage, usageEstimated } = await exchange.finished;
    expect([usage?.inputTokens, usageEstimated]).toEqual([100, estimated !== null]);
    if (estimated !== null) expect(usage?.outputTokens).toBe(estimated);
  });

  it('does not treat a usage as complete if the client left while other choices were still running', async () => {
    for (const choices of [1, 2]) {
      const { exchange } = begun(choices);
      exchange.answeredBy(arm, 0);
      exchange.received(piece({ generatedBytes: 4, usage: told, finishReason: 'stop' }));
      exchange.finish('aborted', null);
      expect((await exchange.finished).usageEstimated).toBe(choices === 2);
    }
  });

  it('bills a client that leaves before any content for the cache write that its call has reported by then', async () => {
    const written = { inputTokens: 100_000, cachedInputTokens: 0, cacheWriteTokens: 100_000, outputTokens: 1 };
    for (const calls of [1, 2]) {
      const { exchange } = begun();
      exchange.heard(written);
      // What an earlier call reported is not billed as the latest one's.
      if (calls === 2) exchange.callStarts(arm);
      exchange.callFailed({ arm: 'big', result: 'aborted', status: null, durationMs: 1 }, FAILURE, null);
      exchange.finish('aborted', null);
      const { usage, usageEstimated } = await exchange.finished;
      expect([usage?.cacheWriteTokens, usageEstimated]).toEqual([calls === 1 ? 100_000 : 0, true]);
    }
  });

  it('bills a client that leaves before it has read any of the answer for the same', async () => {
    const { exchange } = begun();
    exchange.heard({ inputTokens: 900, cachedInputTokens: 0, cacheWriteTokens: 900, outputTokens: 1 });
    exchange.answeredBy(arm, 0);
    exchange.finish('aborted', null);
    expect((await exchange.finished).usage?.cacheWriteTokens).toBe(900);
  });

  it('records how long the answering call probably queued at its upstream, in service times', async () => {
    const queuedWith = async (others: number, slots: number) => {
      const { exchange, load } = begun();
      exchange.callFailed({ arm: 'big', result: 'timeout', status: null, durationMs: 1 }, FAILURE, null);
      for (let i = 0; i < others; i++) load.enter('big');
      exchange.callStarts({ ...arm, maxConcurrency: slots });
      exchange.answeredBy(arm, 0);
      exchange.finish('ok', 200);
      return (await exchange.finished).queued;
    };
    expect([await queuedWith(11, 4), await queuedWith(4, 4), await queuedWith(3, 4)]).toEqual([2, 0.25, undefined]);
  });

  it('counts a request for a rating once there is an answer', async () => {
    const { exchange, metrics } = begun();
    exchange.decision.ask = { audit: 0.5, teaches: null } as unknown as typeof exchange.decision.ask;
    expect(await metricValue(metrics.feedbackRequests)).toBe(0);
    exchange.answeredBy(arm, 0);
    expect(await metricValue(metrics.feedbackRequests)).toBe(1);
  });

  it("failures of an arm's former upstream affect neither breakers nor rate limits", () => {
    const refused = { arm: 'big', result: 'status', status: 429, durationMs: 1 } as const;
    const outcome = (hasCurrentUpstream: boolean) => {
      const { exchange, rateLimits, breakers } = begun();
      exchange.callFailed({ ...refused, result: 'aborted', status: null }, FAILURE, null);
      for (let i = 0; i < 5; i++) {
        exchange.callStarts(arm, hasCurrentUpstream);
        exchange.callFailed(refused, UNUSABLE, 9000);
      }
      return [rateLimits.waitSeconds('big') > 0, breakers.state('big')];
    };
    expect([outcome(true), outcome(false)]).toEqual([
      [true, 'open'],
      [false, 'closed'],
    ]);
  });

  it.each([
    ['status', 500, 0],
    ['connection', null, 0],
    ['timeout', null, 9],
    ['aborted', null, 9],
    ['error', null, 9],
  ] as const)("ends the upstream's silence unless the call ended unheard: %s", (result, status, seconds) => {
    const { exchange, silence, clock } = begun();
    for (let i = 0; i < 2; i++) silence.enter('big');
    clock.advance(9000);
    exchange.callFailed({ arm: 'big', result, status, durationMs: 9000 }, FAILURE, null);
    expect(silence.secondsOf('big')).toBe(seconds);
  });

  it.each([
    ['after a usual wait', 6000, () => {}, 'closed'],
    ['after an overdue silence', 6001, () => {}, 'open'],
    ['after a wait in which another call was answered', 6001, (other: WaitingCall) => other.ends(true), 'closed'],
    ['after a wait in which another call was left too', 6001, (other: WaitingCall) => other.ends(false), 'open'],
  ] as const)('a client that leaves %s', (_, waitMs, meanwhile, state) => {
    const { exchange, silence, breakers, clock } = begun();
    for (let i = 0; i < 5; i++) {
      if (i > 0) exchange.callStarts(arm);
      const other = silence.enter('big');
      clock.advance(1);
      meanwhile(other);
      clock.advance(waitMs - 1);
      exchange.callFailed({ arm: 'big', result: 'aborted', status: null, durationMs: waitMs }, FAILURE, null);
    }
    expect(breakers.state('big')).toBe(state);
  });

  it('allows for the queue before a client that leaves counts against the upstream', () => {
    for (const slots of [1, 20]) {
      const { exchange, load, breakers, clock } = begun();
      for (let i = 0; i < 10; i++) load.enter('big');
      for (let i = 0; i < 6; i++) {
        exchange.callStarts({ ...arm, maxConcurrency: slots });
        clock.advance(10_000);
        exchange.callFailed({ arm: 'big', result: 'aborted', status: null, durationMs: 10_000 }, FAILURE, null);
      }
      expect(breakers.state('big')).toBe(slots === 1 ? 'closed' : 'open');
    }
  });

  it("ends the upstream's silence with the first content of an answer, unless it is of a former upstream", () => {
    for (const hasCurrentUpstream of [true, false]) {
      const { exchange, silence, clock } = begun();
      exchange.callStarts(arm, hasCurrentUpstream);
      for (let i = 0; i < 2; i++) silence.enter('big');
      clock.advance(9000);
      exchange.answeredBy(arm, 0);
      expect(silence.secondsOf('big')).toBe(hasCurrentUpstream ? 0 : 9);
    }
  });

  it.each([403, 404, 429, 500])(
    'a refusal that concerns one request only (%i) does not count against the arm',
    (status) => {
      const { exchange, rateLimits, breakers } = begun();
      const outcome = (error: Error) => {
        for (let i = 0; i < 5; i++) {
          exchange.callStarts(arm);
          exchange.callFailed({ arm: 'big', result: 'status', status, durationMs: 1 }, error, 9000);
        }
        return [rateLimits.waitSeconds('big') > 0, breakers.state('big')];
      };
      expect(outcome(OF_REQUEST)).toEqual([false, 'closed']);
      expect(outcome(FAILURE)).toEqual([true, status === 429 ? 'closed' : 'open']);
    },
  );

  it("lets another call probe the arm once a probe's answer has begun, unless it is of a former upstream", () => {
    for (const hasCurrentUpstream of [true, false]) {
      const { exchange, breakers, clock } = begun();
      for (let i = 0; i < 5; i++) breakers.enter('big')('failed');
      clock.advance(1000);
      exchange.callStarts(arm, hasCurrentUpstream);
      if (!hasCurrentUpstream) breakers.enter('big');
      exchange.answeredBy(arm, 0);
      expect(breakers.reason('big') === null).toBe(hasCurrentUpstream);
    }
  });

  it("an answer of an arm's former upstream does not end a pause", () => {
    for (const hasCurrentUpstream of [true, false]) {
      const { exchange, rateLimits } = begun();
      rateLimits.refused('big', 9000, 0);
      exchange.callStarts(arm, hasCurrentUpstream);
      exchange.answeredBy(arm, 0);
      expect(rateLimits.waitSeconds('big') > 0).toBe(!hasCurrentUpstream);
    }
  });

  it('counts savings against the prediction for the reference, but none for several choices at once', async () => {
    expect(await savedBy(1)).toBeCloseTo(0.012 - 0.01, 12);
    expect(await savedBy(4)).toBe(0);
  });

  it.each([
    ['status', 1],
    ['timeout', 1],
    ['aborted', 0],
    ['error', 0],
  ] as const)(
    'counts upstream failures, but not a client that left or a request that was never sent: %s',
    async (result, count) => {
      const { exchange, metrics, load } = begun();
      expect(load.inFlight('big')).toBe(1);
      exchange.callFailed({ arm: 'big', result, status: null, durationMs: 1 }, FAILURE, null);
      expect(load.inFlight('big')).toBe(0);
      expect(await metricValue(metrics.upstreamErrors)).toBe(count);
      exchange.finish('failed', 502);
      await expect(exchange.finished).resolves.toMatchObject({ attempts: [{ arm: 'big', result }] });
    },
  );

  it.each([
    ['ECONNREFUSED', 'open'],
    ['EMFILE', 'closed'],
  ])(
    'counts a failed connection against the upstream, unless this process has run out of sockets: %s',
    async (code, state) => {
      const { exchange, breakers } = begun();
      const failure = { arm: 'big', result: 'connection' as const, status: null, code, durationMs: 1 };
      for (let i = 0; i < 5; i++) {
        if (i > 0) exchange.callStarts(arm);
        exchange.callFailed(failure, FAILURE, null);
      }
      expect(breakers.state('big')).toBe(state);
    },
  );

  it('records its end once, and leaves the queue', async () => {
    const { exchange, recorded, load } = begun();
    exchange.answeredBy(arm, 0);
    exchange.finish('interrupted', 200);
    exchange.finish('ok', 200);
    expect(recorded).toMatchObject([{ type: 'completed', outcome: 'interrupted' }]);
    expect(load.inFlight('big')).toBe(0);
  });

  it('estimates the usage if the upstream did not report it, and marks it', async () => {
    const { exchange, recorded } = begun();
    exchange.answeredBy(arm, 0);
    exchange.received({ bytes: new Uint8Array(0), content: true, generatedBytes: 400 });
    exchange.finish('aborted', null);
    expect(recorded).toMatchObject([{ usage: { outputTokens: 100 }, usageEstimated: true }]);
  });
});
