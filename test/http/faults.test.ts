import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';
import { WIRES } from '../support/wire.ts';

const kept = cleanup();
const completions = ({ url }: TestGateway) => `${url}/v1/chat/completions`;
const metrics = async ({ url }: TestGateway) => (await get(`${url}/metrics`)).text;
/** What `/v1/route` says about one model. */
const explained = async ({ url }: TestGateway, model: string, fields = {}) => {
  const { json } = await send(`${url}/v1/route`, ask('x', fields));
  return json.models.find((arm: { model: string }) => arm.model === model);
};

describe('the circuit breaker', () => {
  it('excludes a failing model, reports why, probes it once, and readmits it when it works', async () => {
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
    expect(await metrics(gateway)).toContain('mixllm_drift_alarms_total{model="small",direction="worse"} 0');
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
    // The log line of the answer tells why another model answered.
    const lines = gateway.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'chat completion');
    expect(lines[0]).toMatchObject({
      model: 'big',
      attempts: 2,
      failures: [{ model: 'small', failure: 'status', status: 500 }],
    });
    expect(lines.at(-1)).not.toHaveProperty('failures');

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

  it('moves a model whose breaker opened after the decision to the end of the fallbacks', async () => {
    let fail = () => {};
    const failed = new Promise<void>((resolve) => {
      fail = resolve;
    });
    const broken = plainAnswer({ status: 500, errorMessage: 'out of order' });
    const gateway = kept(
      await startTestGateway({
        answers: {
          dear: plainAnswer(),
          mid: broken,
          cheap: async (request) => {
            await failed;
            return broken(request);
          },
        },
        config: { resilience: { retries: 0, breaker: { failures: 1, cooldown_s: 60 } } },
      }),
    );
    const answer = send(completions(gateway), ask('x', { model: 'auto:0' }));
    await until(() => gateway.upstreams.cheap.requests === 1);
    await send(completions(gateway), ask('x', { model: 'mid' }));
    fail();
    expect((await answer).headers.get('x-mixllm-model')).toBe('dear');
    expect(gateway.upstreams.mid.requests).toBe(1);
  });

  it('never blocks every model: a named model is still called, and so is the last one left', async () => {
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

  it("is not opened by the client's own mistakes or by rate limits", async () => {
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

describe('clients that leave an upstream that hangs', () => {
  it.each([
    ['nothing', false],
    ['headers', true],
  ])('open its breaker, although no time limit passed, if it sent %s', async (_, sendsHeaders) => {
    const clock = new ManualClock();
    const hung: ServerResponse[] = [];
    const upstream = kept(
      await startRawUpstream((response) => {
        if (sendsHeaders) response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        hung.push(response);
      }),
    );
    const config = { resilience: { breaker: { failures: 2 } } };
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, clock, config }));
    for (const seconds of [5, 7, 7]) {
      const leaving = new AbortController();
      const answer = send(completions(gateway), ask('x', { stream: sendsHeaders }), { signal: leaving.signal });
      await until(() => hung.length > 0);
      expect(await metrics(gateway)).toContain('mixllm_breaker_state{model="big"} 0');
      clock.advance(1000 * seconds);
      const closed = once(hung.pop() as ServerResponse, 'close');
      leaving.abort();
      await Promise.allSettled([answer, closed]);
    }
    await until(async () => (await metrics(gateway)).includes('mixllm_breaker_state{model="big"} 2'));
    expect(gateway.logged.join('')).toContain('"failure":"no answer before the client left"');
  });
});

async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await sleep(10);
}

describe('the time limits', () => {
  /** Time limits of a minute or more, for models whose upstream hangs. */
  const patient = {
    resilience: { retries: 0, timeouts: { connect_s: 60, first_byte_s: 60, idle_s: 60, total_s: 90 } },
  };

  for (const format of ['openai', 'anthropic'] as const) {
    const wire = WIRES[format];
    const cases: [limit: string, timeouts: object, written: string, message: RegExp][] = [
      ['first_byte_s, with nothing sent', { first_byte_s: 0.1 }, '', /no content within 0.1 s/],
      ['first_byte_s, with no content sent', { first_byte_s: 0.2 }, wire.opening, /no content within 0.2 s/],
      ['idle_s, before the content', { idle_s: 0.1 }, wire.opening, /nothing for 0.1 s/],
      ['total_s', { total_s: 0.1 }, wire.opening, /longer than 0.1 s/],
    ];
    for (const [limit, timeouts, written, message] of cases) {
      it(`of a model override the common ones, and another model answers: ${limit}, ${format}`, async () => {
        let closed = 0;
        const upstream = kept(
          await startRawUpstream((response) => {
            response.once('close', () => closed++);
            if (written !== '') response.write(written);
          }),
        );
        const good = kept(
          await startRawUpstream((response) => response.end(wire.opening + wire.content('hello') + wire.closing)),
        );
        const gateway = kept(
          await startTestGateway({
            urls: { good: good.url, slow: upstream.url },
            formats: { good: format, slow: format },
            models: { slow: { timeouts } },
            config: patient,
          }),
        );
        const fields = { model: 'auto:0', stream: true };
        const answered = await send(completions(gateway), ask('x', fields));
        expect([answered.status, answered.headers.get('x-mixllm-model')]).toEqual([200, 'good']);
        expect(answered.text).toContain('[DONE]');
        await until(() => closed > 0);
        const alone = await send(completions(gateway), ask('x', fields), {
          headers: { 'x-mixllm-no-fallback': 'true' },
        });
        expect([alone.status, alone.json.error.code]).toEqual([504, 'upstream_timeout']);
        expect(alone.json.error.message).toMatch(message);
      });
    }

    for (const [limit, timeouts] of [
      ['idle_s', { idle_s: 0.2 }],
      ['total_s', { total_s: 0.2 }],
    ] as const) {
      it(`end a stream that stalls after its first content with an error event: ${limit}, ${format}`, async () => {
        const upstream = kept(
          await startRawUpstream((response) => void response.write(wire.opening + wire.content('first'))),
        );
        const gateway = kept(
          await startTestGateway({
            urls: { big: upstream.url },
            formats: { big: format },
            models: { big: { timeouts } },
            config: patient,
          }),
        );
        const { text } = await send(completions(gateway), ask('x', { stream: true }));
        expect(text).toContain('first');
        expect(text).not.toContain('[DONE]');
        expect(text.trim().split('\n\n').at(-1)).toContain('upstream_timeout');
        expect(upstream.bodies).toHaveLength(1);
      });
    }
  }

  it('an answer cut off within its last event ends with an error event of its own', async () => {
    const wire = WIRES.openai;
    const upstream = kept(
      await startRawUpstream((response) =>
        response.end(wire.opening + wire.content('first') + wire.content('last').trimEnd()),
      ),
    );
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, config: patient }));
    const { text } = await send(completions(gateway), ask('x', { stream: true }));
    const events = text.split('\n\n').filter((event) => event.trim() !== '');
    const said = events.map((event) => JSON.parse(event.trim().replace(/^data: /, '')));
    expect(said.at(-2).choices[0].delta.content).toBe('last');
    expect(said.at(-1).error.message).toContain('ended before the answer did');
  });

  it('running out while the client does not read do not count against the model', async () => {
    const wire = WIRES.openai;
    const clock = new ManualClock();
    let isStuck = false;
    const upstream = kept(
      await startRawUpstream(async (response) => {
        response.write(wire.opening);
        while (!response.destroyed && !isStuck) {
          if (response.write(wire.content('x'.repeat(2 ** 18)))) await nextTurn();
          // Nothing moving for many turns of the event loop means that all buffers up to the client are full.
          else isStuck = await Promise.race([once(response, 'drain').then(() => false), manyTurns().then(() => true)]);
        }
      }),
    );
    const gateway = kept(
      await startTestGateway({
        clock,
        urls: { big: upstream.url },
        models: { big: { timeouts: { total_s: 40 } } },
        config: { resilience: { breaker: { failures: 1, cooldown_s: 60 } } },
      }),
    );
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').pause();
    const body = JSON.stringify(ask('x', { stream: true }));
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await until(() => isStuck);
    clock.advance(40_000);
    await settled(gateway);
    const events = await gateway.gateway.store.readAfter(0, 10);
    expect(events.find(({ type }) => type === 'completed')).toMatchObject({
      outcome: 'interrupted',
      attempts: [{ result: 'unread' }],
    });
    expect(await metrics(gateway)).toContain('mixllm_breaker_state{model="big"} 0');
    socket.destroy();
  });

  it('of a model override the common ones: connect_s', async () => {
    // Accepts connections, but never answers the TLS handshake.
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
    for (const format of ['openai', 'anthropic'] as const) {
      const gateway = kept(
        await startTestGateway({
          urls: { big: url },
          formats: { big: format },
          models: { big: { timeouts: { connect_s: 0.1 } } },
          config: patient,
        }),
      );
      const { status, json } = await send(completions(gateway), ask('x'));
      expect([status, json.error.code]).toEqual([502, 'upstream_connection']);
      expect(json.error.message).toContain('connect_s');
    }
    silent.close();
  });
});

describe('a rate limit', () => {
  it('counts as the expected wait, and excludes the model while the wait is long', async () => {
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
    expect(await explained(gateway, 'small')).toMatchObject({
      eligible: false,
      excluded: 'its upstream asked for a pause of another 40 s',
      expected_wait_s: 40,
    });
    expect(await metrics(gateway)).toContain('mixllm_rate_limited_total{model="small"} 1');
    await send(completions(gateway), ask('x', { model: 'auto:0.5' }));
    expect(gateway.upstreams.small.requests).toBe(1);
    clock.advance(36_000);
    expect(await explained(gateway, 'small')).toMatchObject({ eligible: true, expected_wait_s: 4 });
    limited = false;
    clock.advance(4000);
    expect((await explained(gateway, 'small')).expected_wait_s).toBe(0);
    await send(completions(gateway), ask('x', { model: 'auto:0' }));
    expect(gateway.upstreams.small.requests).toBe(2);
    await settled(gateway);
  });
});

describe('a pause requested by an upstream', () => {
  const limited = (pauseS: number, also: object = {}) => ({
    big: plainAnswer(),
    small: plainAnswer({ status: 429, retryAfterS: pauseS }),
    ...also,
  });

  it('excludes no model that retries would wait for (max_retry_after_s)', async () => {
    const gateway = kept(
      await startTestGateway({
        clock: new ManualClock(),
        answers: limited(40),
        config: { resilience: { retries: 0, max_retry_after_s: 50 } },
      }),
    );
    await send(completions(gateway), ask('x', { model: 'small' }));
    expect(await explained(gateway, 'small')).toMatchObject({ eligible: true, expected_wait_s: 40 });
  });

  it.each([
    [{}, [200, 'big']],
    // With targets, the paused model was never judged by them.
    [{ targets: { quality: 0.9 } }, [500, 'small']],
    [{ targets: { budget: { usd_per_day: 10 } } }, [500, 'small']],
  ])('can end in time for a fallback when the others fail, unless there are targets: %j', async (routing, expected) => {
    const clock = new ManualClock();
    let isLimited = true;
    const gateway = kept(
      await startTestGateway({
        clock,
        answers: {
          big: (request) => plainAnswer(isLimited ? { status: 429, retryAfterS: 6 } : {})(request),
          small: (request) => {
            clock.advance(2000);
            return plainAnswer({ status: 500, errorMessage: 'out of order' })(request);
          },
        },
        config: { resilience: { retries: 0 }, routing },
      }),
    );
    expect((await send(completions(gateway), ask('x', { model: 'big' }))).status).toBe(429);
    isLimited = false;
    const answer = await send(completions(gateway), ask('x'));
    expect([answer.status, answer.headers.get('x-mixllm-model')]).toEqual(expected);
    if (answer.status !== 200) return;
    await settled(gateway);
    const id = answer.headers.get('x-mixllm-decision-id');
    const { json } = await get(`${gateway.url}/v1/decisions/${id}`).then(({ text }) => ({ json: JSON.parse(text) }));
    expect([json.model, json.outcome.answered_by]).toEqual(['small', 'big']);
    expect(json.models[0].excluded).toBe('its upstream asked for a pause of another 6 s');
  });
});

describe('a reload', () => {
  it('keeps the connections of a running request, however many models it has yet to try', async () => {
    const clock = new ManualClock();
    const silent = () => new Promise<never>(() => {});
    const gateway = kept(
      await startTestGateway({
        clock,
        answers: { first: silent, second: silent, third: plainAnswer() },
        models: { first: { prior: { quality: 0.99 } }, second: { prior: { quality: 0.9 } } },
        config: {
          resilience: { retries: 0, timeouts: { first_byte_s: 60, total_s: 60 } },
          learning: { exploration: 'none' },
        },
      }),
    );
    expect((await send(completions(gateway), ask('x', { model: 'third' }))).status).toBe(200);
    const answer = send(completions(gateway), ask('x', { model: 'auto:1' }));
    await until(() => gateway.upstreams.first.requests === 1);
    const { config } = gateway.gateway;
    const providers = Object.entries(config.providers).map(([name, own]) => [name, { ...own, stream_usage: false }]);
    gateway.gateway.reload({
      config: { ...config, providers: Object.fromEntries(providers) },
      missingKeys: new Map(),
    });
    clock.advance(60_000);
    await until(() => gateway.upstreams.second.requests === 1);
    clock.advance(60_000);
    const { status, headers } = await answer;
    expect([status, headers.get('x-mixllm-model')]).toEqual([200, 'third']);
  });
});
