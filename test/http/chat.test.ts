import fc from 'fast-check';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import {
  ask,
  get,
  PROVIDER_KEY,
  plainAnswer,
  send,
  settled,
  startTestGateway,
  type TestGateway,
} from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { COMPLETION, chunk, type RawUpstream, sse, startRawUpstream, USAGE_CHUNK } from '../support/raw-upstream.ts';

const kept = cleanup();

async function behind(upstream: RawUpstream, config = {}): Promise<TestGateway> {
  return kept(
    await startTestGateway({ urls: { big: upstream.url }, models: { big: { model: 'upstream-name' } }, config }),
  );
}

const completions = ({ url }: TestGateway) => `${url}/v1/chat/completions`;

describe('a plain answer of an OpenAI upstream', () => {
  it('is passed on even if its usage is absurd, and the usage is estimated instead', async () => {
    const usage = { prompt_tokens: 1e308, completion_tokens: 1e300 };
    const upstream = kept(await startRawUpstream((response) => response.end(JSON.stringify({ ...COMPLETION, usage }))));
    const gateway = await behind(upstream);
    const { status, headers, json } = await send(completions(gateway), ask('Hello'));
    expect([status, json.usage]).toEqual([200, usage]);
    await settled(gateway);
    const { json: decision } = await get(`${gateway.url}/v1/decisions/${headers.get('x-mixllm-decision-id')}`);
    expect(decision.outcome.usage.estimated).toBe(true);
    expect(decision.outcome.cost_usd).toBeLessThan(1);
    expect(Number(headers.get('x-mixllm-cost-usd'))).toBeCloseTo(decision.outcome.cost_usd, 12);
  });

  it('with an error under status 200 becomes a 502 with its message but not the provider key', async () => {
    const error = { message: `no room for ${PROVIDER_KEY}`, type: 'overloaded', code: 503 };
    const upstream = kept(await startRawUpstream((response) => response.end(JSON.stringify({ error }))));
    const gateway = await behind(upstream);
    for (const stream of [false, true]) {
      const { status, json } = await send(completions(gateway), ask('Hello', { model: 'big', stream }));
      expect([status, json]).toEqual([502, { error: { ...error, message: 'no room for [redacted]' } }]);
    }
  });

  it('reaches the client byte for byte, with the headers that explain it', async () => {
    const upstream = kept(await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION, null, 1))));
    const gateway = await behind(upstream);
    const { status, headers, text } = await send(completions(gateway), ask('Hello'), {
      headers: { 'x-request-id': 'trace-42' },
    });
    expect(status).toBe(200);
    expect(text).toBe(JSON.stringify(COMPLETION, null, 1));
    expect(headers.get('x-request-id')).toBe('trace-42');
    expect(headers.get('x-mixllm-model')).toBe('big');
    expect(headers.get('x-mixllm-provider')).toBe('big');
    expect(headers.get('x-mixllm-attempts')).toBe('1');
    expect(headers.get('x-mixllm-decision-id')).toMatch(/^dec_[0-9a-f]{24}$/);
    expect(Number(headers.get('x-mixllm-overhead-ms'))).toBeGreaterThan(0);
    // 8 plain and 3 cached input tokens at 10 USD a million, 7 output tokens at 40.
    expect(Number(headers.get('x-mixllm-cost-usd'))).toBeCloseTo((11 * 10 + 7 * 40) / 1e6, 12);
  });

  it('is requested with every field the client sent: unknown ones, big integers, original order', async () => {
    const upstream = kept(await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION))));
    const gateway = await behind(upstream);
    const body =
      '{ "zeta": {"deep":[{"seed":9007199254740993123}]}, "model" : "auto:0.9","messages":[{"role":"user","content":"\\u00e9 é","name":"n"}],"seed":-9223372036854775808, "temperature":0.30 }';
    expect((await send(completions(gateway), body)).status).toBe(200);
    expect(upstream.bodies).toEqual([body.replace('"auto:0.9"', '"upstream-name"')]);
  });

  it('is requested with the provider key and never with that of the client', async () => {
    const upstream = kept(await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION))));
    const gateway = await behind(upstream);
    await send(completions(gateway), ask('Hello'), {
      headers: { authorization: 'Bearer client-secret', cookie: 'c=1' },
    });
    expect(upstream.headers[0].authorization).toBe(`Bearer ${PROVIDER_KEY}`);
    expect(JSON.stringify(upstream.headers[0])).not.toContain('client-secret');
    expect(upstream.headers[0].cookie).toBeUndefined();
  });
});

describe('a streamed answer of an OpenAI upstream', () => {
  const events = [
    chunk({ role: 'assistant', content: '' }),
    chunk({ content: 'Grüße ' }),
    chunk({ content: '👋' }),
    chunk({}, 'stop'),
  ];

  async function streamed(bytes: Buffer, body: object, cuts: number[] = []): Promise<string> {
    const upstream = await startRawUpstream(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      let from = 0;
      for (const to of [...cuts, bytes.length]) {
        response.write(bytes.subarray(from, to));
        from = to;
        // Lets each piece travel separately.
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    const gateway = await startTestGateway({ urls: { big: upstream.url } });
    try {
      return (await send(completions(gateway), ask('Hello', { stream: true, ...body }))).text;
    } finally {
      await gateway.close();
      await upstream.close();
    }
  }

  it('is passed on unchanged however it is split, minus a usage chunk that the client did not ask for', async () => {
    const withUsage = Buffer.from(sse(...events, USAGE_CHUNK, '[DONE]'));
    const expected = sse(...events, '[DONE]');
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: withUsage.length - 1 }), { maxLength: 12 }),
        async (cuts) => {
          expect(
            await streamed(
              withUsage,
              {},
              cuts.sort((a, b) => a - b),
            ),
          ).toBe(expected);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('keeps the usage chunk, comments and line endings for a client that asked for usage', async () => {
    const bytes = `: hello\r\n\r\n${sse(...events, USAGE_CHUNK, '[DONE]').replaceAll('\n', '\r\n')}`;
    expect(await streamed(Buffer.from(bytes), { stream_options: { include_usage: true } })).toBe(bytes);
  });

  it('is requested with usage, which the decision then shows', async () => {
    const upstream = kept(await startRawUpstream((response) => response.end(sse(...events, USAGE_CHUNK, '[DONE]'))));
    const gateway = await behind(upstream);
    const { headers } = await send(completions(gateway), ask('Hello', { stream: true }));
    expect(JSON.parse(upstream.bodies[0]).stream_options).toEqual({ include_usage: true });
    const record = await send(`${gateway.url}/v1/decisions/${headers.get('x-mixllm-decision-id')}`, null, {
      method: 'GET',
    });
    expect(record.json.outcome).toMatchObject({
      result: 'ok',
      answered_by: 'big',
      completion_id: 'chatcmpl-raw1',
      served_model: 'upstream-name-2026',
      finish_reason: 'stop',
      usage: { prompt_tokens: 11, completion_tokens: 7 },
    });
    expect(record.json.outcome.cost_usd).toBeCloseTo((11 * 10 + 7 * 40) / 1e6, 12);
  });

  for (const end of ['stays open', 'is reset'] as const) {
    it(`is complete at [DONE], even if the upstream's connection ${end} after it`, async () => {
      const clock = new ManualClock();
      const upstream = kept(
        await startRawUpstream((response) => {
          response.write(sse(...events, USAGE_CHUNK, '[DONE]'), () => {
            if (end === 'is reset') response.destroy();
          });
        }),
      );
      const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, clock }));
      const response = await fetch(completions(gateway), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(ask('Hello', { stream: true })),
      });
      let text = '';
      for await (const bytes of response.body ?? []) {
        text += Buffer.from(bytes).toString('utf8');
        const isWhole = text.includes('[DONE]');
        if (isWhole) expect((await gateway.gateway.eventLog.findDecision('chatcmpl-raw1')).length).toBe(2);
        // Only after the last byte: the gateway waits a second for the connection to end by itself.
        if (isWhole) for (let turn = 0; turn < 20; turn++) await settled(gateway).then(() => clock.advance(100));
      }
      expect(text).toBe(sse(...events, '[DONE]'));
      const line = gateway.logged.map((entry) => JSON.parse(entry)).find(({ msg }) => msg === 'chat completion');
      expect(line).toMatchObject({ outcome: 'ok', status: 200 });
    });
  }

  it('ends in an error event, never cleanly, when the upstream breaks off', async () => {
    const upstream = kept(
      await startRawUpstream((response) => {
        response.write(sse(events[0], events[1]));
        setImmediate(() => response.destroy());
      }),
    );
    const gateway = await behind(upstream);
    const { text } = await send(completions(gateway), ask('Hello', { stream: true }));
    expect(text).toContain('Grüße');
    expect(text).not.toContain('[DONE]');
    expect(JSON.parse(text.trim().split('\n\n').at(-1)?.slice('data: '.length) ?? '').error.message).toBeTruthy();
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: 'auto',
      stream: true,
      messages: [{ role: 'user', content: 'x' }],
    });
    await expect(async () => {
      for await (const _ of stream);
    }).rejects.toThrow();
  });
});

describe('the official OpenAI client through the gateway', () => {
  for (const format of ['openai', 'anthropic'] as const) {
    it(`gets text and tool calls, streamed and not, from an ${format} upstream`, async () => {
      const toolCalls = [
        { name: 'weather', arguments: '{"city":"Zürich"}' },
        { name: 'time', arguments: '{"zone":"CET"}' },
      ];
      const gateway = kept(
        await startTestGateway({
          formats: { big: format },
          answers: {
            big: (request) =>
              ({
                ...plainAnswer()(request),
                ...(JSON.stringify(request.body).includes('both') ? { toolCalls } : {}),
              }) as never,
          },
        }),
      );
      const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
      const tools = toolCalls.map(({ name }) => ({
        type: 'function' as const,
        function: { name, parameters: { type: 'object', properties: {} } },
      }));
      const plain = await client.chat.completions.create({
        model: 'auto',
        messages: [{ role: 'user', content: 'Hi' }],
      });
      expect(plain.choices[0].message.content).toBe('answered by big');
      expect(plain.model).toBe('big');
      const request = { model: 'auto', messages: [{ role: 'user' as const, content: 'both, please' }], tools };
      const whole = await client.chat.completions.create(request);
      const streamed = await client.chat.completions.stream(request).finalChatCompletion();
      for (const { choices } of [whole, streamed]) {
        expect(choices[0].finish_reason).toBe('tool_calls');
        expect(
          choices[0].message.tool_calls?.map(
            (call) => call.type === 'function' && { name: call.function.name, arguments: call.function.arguments },
          ),
        ).toEqual(toolCalls);
      }
    });
  }
});

describe('chat completions', () => {
  it('fall back to the next model without the client noticing, and ratings teach the one that answered', async () => {
    const gateway = kept(
      await startTestGateway({
        answers: { big: plainAnswer(), small: plainAnswer({ status: 500, errorMessage: 'out of order' }) },
        config: { resilience: { retries: 0 } },
      }),
    );
    const { json, headers } = await send(completions(gateway), ask('Hello'), { headers: { 'x-mixllm-weight': '0.1' } });
    expect(headers.get('x-mixllm-model')).toBe('big');
    expect(headers.get('x-mixllm-attempts')).toBe('2');
    await send(`${gateway.url}/feedback`, { id: json.id, score: 0.3 });
    await settled(gateway);
    const { policy } = gateway.gateway.learner.knowledge;
    expect([policy.ratingsOf('big'), policy.ratingsOf('small')]).toEqual([1, 0]);
    const record = await send(`${gateway.url}/v1/decisions/${json.id}`, null, { method: 'GET' });
    expect(record.json.model).toBe('small');
    expect(record.json.outcome.answered_by).toBe('big');
    expect(
      record.json.outcome.attempts.map((attempt: { model: string; result: string }) => [attempt.model, attempt.result]),
    ).toEqual([
      ['small', 'status'],
      ['big', 'ok'],
    ]);
  });

  it("pass on the last upstream's status, body and retry-after when all fail, with keys redacted", async () => {
    const body = `{"error":{"message":"slow down ${PROVIDER_KEY}","type":"tokens","code":"rate_limit_exceeded","extra":1}}`;
    const upstream = kept(
      await startRawUpstream((response) => {
        response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '17' });
        response.end(body);
      }),
    );
    const gateway = await behind(upstream, { resilience: { retries: 0 } });
    const { status, text, headers } = await send(completions(gateway), ask('Hello'));
    expect(status).toBe(429);
    expect(text).toBe(body.replace(PROVIDER_KEY, '[redacted]'));
    expect(headers.get('retry-after')).toBe('17');
    expect(headers.get('x-mixllm-decision-id')).toMatch(/^dec_/);
  });

  it('ask no other model if the request is at fault or the client wants no fallback', async () => {
    const gateway = kept(
      await startTestGateway({
        answers: {
          big: plainAnswer(),
          small: (request) => ({
            ...plainAnswer()(request),
            status: request.lastUserText === 'bad' ? 400 : 503,
            errorMessage: 'no',
          }),
        },
        config: { resilience: { retries: 0 } },
      }),
    );
    const cheap = { 'x-mixllm-weight': '0.1' };
    expect((await send(completions(gateway), ask('bad'), { headers: cheap })).status).toBe(400);
    const alone = await send(completions(gateway), ask('busy'), {
      headers: { ...cheap, 'x-mixllm-no-fallback': 'true' },
    });
    expect(alone.status).toBe(503);
    expect((await send(completions(gateway), ask('busy', { model: 'small' }))).status).toBe(503);
    expect(gateway.upstreams.big.requests).toBe(0);
  });

  it('route a name that is an alias of auto, and call the model that another alias stands for', async () => {
    const aliases = { 'gpt-4o': 'auto:0', mini: 'big' };
    const gateway = kept(await startTestGateway({ config: { routing: { aliases } } }));
    const routed = await send(completions(gateway), ask('Hello', { model: 'gpt-4o' }));
    expect([routed.status, routed.json.model, routed.headers.get('x-mixllm-model')]).toEqual([200, 'small', 'small']);
    const called = await send(completions(gateway), ask('Hello', { model: 'mini', stream: true }));
    expect(called.headers.get('x-mixllm-model')).toBe('big');
    expect((await send(completions(gateway), ask('Hello', { model: 'gpt-4' }))).status).toBe(404);
    // Clients that look the name up first find every name they may ask for.
    for (const name of ['gpt-4o', 'auto:0.25', 'auto:economy', 'big']) {
      expect((await get(`${gateway.url}/v1/models/${name}`)).json).toMatchObject({ id: name, object: 'model' });
    }
    expect((await get(`${gateway.url}/v1/models/none`)).status).toBe(404);
  });

  it('routes an alias for a group of models among these alone, and falls back within the group', async () => {
    const aliases = { group: { model: 'auto:0', models: ['big', 'middle'] } };
    const gateway = kept(
      await startTestGateway({
        answers: { big: plainAnswer(), middle: plainAnswer({ status: 500 }), small: plainAnswer() },
        models: { big: { price: { input: 10, output: 10 } }, middle: { price: { input: 1, output: 1 } } },
        config: { routing: { aliases } },
      }),
    );
    const { headers, status } = await send(completions(gateway), ask('Hello', { model: 'group' }));
    expect([status, headers.get('x-mixllm-model')]).toEqual([200, 'big']);
    expect(gateway.upstreams.small.requests).toBe(0);
  });

  it('adapt a request that names a model by an alias, but not one that names it by its id', async () => {
    const bodies: string[] = [];
    const upstream = kept(
      await startRawUpstream((response, body) => {
        bodies.push(body);
        const isRefused = 'max_tokens' in JSON.parse(body);
        response.writeHead(isRefused ? 400 : 200, { 'content-type': 'application/json' });
        const error = { message: 'x', param: 'max_tokens', code: 'unsupported_parameter' };
        response.end(JSON.stringify(isRefused ? { error } : COMPLETION));
      }),
    );
    const config = { routing: { aliases: { 'gpt-4o': 'big' } } };
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, config }));
    const status = async (model: string) =>
      (await send(completions(gateway), ask('Hi', { model, max_tokens: 5 }))).status;
    expect([await status('gpt-4o'), await status('big')]).toEqual([200, 400]);
    expect(bodies.map((body) => 'max_tokens' in JSON.parse(body))).toEqual([true, false, true]);
  });

  it('ask another model if one rejects a field as unsupported', async () => {
    const body = {
      error: { message: 'Use max_completion_tokens.', param: 'max_tokens', code: 'unsupported_parameter' },
    };
    const upstream = kept(
      await startRawUpstream((response) => {
        response.writeHead(400, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      }),
    );
    const other = kept(await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION))));
    const gateway = kept(await startTestGateway({ urls: { other: other.url, picky: upstream.url } }));
    const cheap = { 'x-mixllm-weight': '0' };
    const answered = await send(completions(gateway), ask('Hello', { max_tokens: 5 }), { headers: cheap });
    expect([answered.status, answered.headers.get('x-mixllm-model')]).toEqual([200, 'other']);
    const alone = await send(completions(gateway), ask('Hello', { model: 'picky', max_tokens: 5 }));
    expect([alone.status, alone.json]).toEqual([400, body]);
  });

  it('turn an unreadable answer into a 502 with an OpenAI-style error', async () => {
    const upstream = kept(await startRawUpstream((response) => response.end('<html>hello</html>')));
    const gateway = await behind(upstream, { resilience: { retries: 0 } });
    const { status, json } = await send(completions(gateway), ask('Hello'));
    expect(status).toBe(502);
    expect(json.error).toMatchObject({ type: 'upstream_error', code: 'upstream_unreadable' });
  });
});
