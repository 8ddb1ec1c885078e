import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/util/clock.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';

const kept = cleanup();
const completions = ({ url }: TestGateway) => `${url}/v1/chat/completions`;
const metrics = async ({ url }: TestGateway) => (await get(`${url}/metrics`)).text;
/** What `/v1/route` says of one model. */
const explained = async ({ url }: TestGateway, model: string, fields = {}) => {
  const { json } = await send(`${url}/v1/route`, ask('x', fields));
  return json.models.find((arm: { model: string }) => arm.model === model);
};

describe('the circuit breaker', () => {
  it('leaves a failing model out, with the reason, metric and log line, probes it once and takes it back', async () => {
    const clock = new ManualClock();
    let healthy = false;
    const gateway = kept(
      await startTestGateway({
        clock,
        answers: {
          big: plainAnswer(),
          small: (request) => plainAnswer(healthy ? {} : { status: 500, errorMessage: 'out of order' })(request),
        },
        config: { resilience: { retries: 0, breaker: { failures: 3, cooldown_s: 20 } } },
      }),
    );
    const cheap = () => send(completions(gateway), ask('x', { model: 'auto:0' }));
    expect(await metrics(gateway)).toContain('mixllm_breaker_state{model="small"} 0');
    for (let i = 0; i < 6; i++) expect((await cheap()).headers.get('x-mixllm-model')).toBe('big');
    expect(gateway.upstreams.small.requests).toBe(3);
    expect(await explained(gateway, 'small')).toMatchObject({
      eligible: false,
      excluded: 'breaker open for 20 s after 3 failures',
    });
    expect(await metrics(gateway)).toContain('mixllm_breaker_state{model="small"} 2');
    expect(await metrics(gateway)).toContain('mixllm_breaker_openings_total{model="small"} 1');
    expect(gateway.logged.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ level: 40, model: 'small', failures: 3, msg: expect.stringContaining('breaker') }),
    );

    clock.advance(20_000);
    expect(await metrics(gateway)).toContain('mixllm_breaker_state{model="small"} 1');
    await cheap();
    expect([gateway.upstreams.small.requests, (await explained(gateway, 'small')).excluded]).toEqual([
      4,
      'breaker open for 20 s after 4 failures',
    ]);
    healthy = true;
    clock.advance(20_000);
    expect((await cheap()).headers.get('x-mixllm-model')).toBe('small');
    expect(await explained(gateway, 'small')).toMatchObject({ eligible: true });
    expect(await metrics(gateway)).toContain('mixllm_breaker_state{model="small"} 0');
  });

  it('never leaves nobody: a named model is asked all the same, and so is the last one', async () => {
    const gateway = kept(
      await startTestGateway({
        answers: { big: plainAnswer({ status: 503, errorMessage: 'no' }), small: plainAnswer({ status: 500 }) },
        config: { resilience: { retries: 0, breaker: { failures: 1, cooldown_s: 60 } } },
      }),
    );
    for (let i = 1; i <= 3; i++) {
      expect((await send(completions(gateway), ask('x', { model: 'big' }))).status).toBe(503);
      expect(gateway.upstreams.big.requests).toBe(i);
    }
    for (let i = 0; i < 3; i++) expect((await send(completions(gateway), ask('x'))).status).toBeGreaterThanOrEqual(500);
    expect(gateway.upstreams.small.requests).toBeGreaterThanOrEqual(2);
  });

  it("is not opened by the client's own fault, by rate limits or by clients that leave", async () => {
    const answers = [400, 413, 422, 429].map((status) => plainAnswer({ status, errorMessage: 'no' }));
    let asked = 0;
    const gateway = kept(
      await startTestGateway({
        answers: { big: (request) => answers[asked++ % 4](request) },
        config: { resilience: { retries: 0, breaker: { failures: 1, cooldown_s: 60 } } },
      }),
    );
    for (let i = 0; i < 8; i++) await send(completions(gateway), ask('x'));
    expect(await metrics(gateway)).toContain('mixllm_breaker_state{model="big"} 0');
  });
});

describe('a rate limit', () => {
  it('is what routing takes for the wait, until it is over', async () => {
    const clock = new ManualClock();
    let limited = true;
    const gateway = kept(
      await startTestGateway({
        clock,
        answers: {
          big: plainAnswer(),
          small: (request) => plainAnswer(limited ? { status: 429, retryAfterS: 40 } : {})(request),
        },
        config: { routing: { weight: 0.5, latency: { budget_s: 30 } } },
      }),
    );
    const first = await send(completions(gateway), ask('x', { model: 'auto:0' }));
    expect([first.status, first.headers.get('x-mixllm-model')]).toEqual([200, 'big']);
    expect(await explained(gateway, 'small')).toMatchObject({ eligible: true, expected_wait_s: 40 });
    expect(await metrics(gateway)).toContain('mixllm_rate_limited_total{model="small"} 1');
    await send(completions(gateway), ask('x', { model: 'auto:0.5' }));
    expect(gateway.upstreams.small.requests).toBe(1);
    clock.advance(30_000);
    expect((await explained(gateway, 'small')).expected_wait_s).toBe(10);
    limited = false;
    clock.advance(10_000);
    expect((await explained(gateway, 'small')).expected_wait_s).toBe(0);
    await send(completions(gateway), ask('x', { model: 'auto:0' }));
    expect(gateway.upstreams.small.requests).toBe(2);
    await settled(gateway);
  });
});
