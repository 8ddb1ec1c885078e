import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text as streamText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { answerParserError } from '../../src/http/errors.ts';
import { seededRandom } from '../../src/util/random.ts';
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
import { parseAnswer, sendBytes } from '../support/raw-client.ts';
import { COMPLETION, startRawUpstream } from '../support/raw-upstream.ts';

const kept = cleanup();
const completions = ({ url }: TestGateway) => `${url}/v1/chat/completions`;

describe('bad input', () => {
  it('a late request gets a 408, and its connection is closed even if the client keeps its side open', async () => {
    const clock = new ManualClock();
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
    const [socket] = await once(server, 'connection');
    // As Node calls it when its own time limit has passed.
    answerParserError(Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket, clock);
    const answer = await streamText(client);
    expect(parseAnswer(answer)).toMatchObject({ status: 408, body: expect.stringContaining('malformed_http') });
    expect(socket.destroyed).toBe(false);
    clock.advance(2000);
    expect(socket.destroyed).toBe(true);
    client.destroy();
    server.close();
  });

  it('gets an OpenAI-style error with status and parameter, and no upstream is called', async () => {
    const gateway = kept(await startTestGateway());
    const message = { role: 'user', content: 'x' };
    const cases: [body: object | string | Uint8Array, status: number, param: string | null, code: string | null][] = [
      ['{"model":', 400, null, 'invalid_json'],
      ['', 400, null, 'invalid_json'],
      ['[]', 400, null, null],
      [new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400, null, 'invalid_utf8'],
      [`${'['.repeat(1000)}${']'.repeat(1000)}`, 400, null, 'invalid_json'],
      [{ messages: [message] }, 400, 'model', null],
      [{ model: 7, messages: [message] }, 400, 'model', null],
      [{ model: 'auto' }, 400, 'messages', null],
      [{ model: 'auto', messages: [] }, 400, 'messages', null],
      [{ model: 'auto', messages: [message, 'x'] }, 400, 'messages[1]', null],
      [{ model: 'auto', messages: [message], stream: 'yes' }, 400, 'stream', null],
      [`{"a":"${'\\'.repeat(9)}`, 400, null, 'invalid_json'],
      [`{"model":"auto","messages":[${'{"role":"user"},'.repeat(150_000)}]}`, 400, null, 'invalid_json'],
      ['{"model":"auto","messages":[{"role":"user"}],"temperature":NaN}', 400, null, 'invalid_json'],
      ['{"model":"auto","messages":[{"role":"user"}],"temperature":-1e999}', 400, 'temperature', null],
      ['{"model":"auto","messages":[{"role":"user"}],"toString":1e999}', 400, 'toString', null],
      [{ model: 'auto', messages: [message], max_tokens: -1 }, 400, 'max_tokens', null],
      [{ model: 'auto', messages: [message], max_tokens: 1e300 }, 400, 'max_tokens', null],
      [{ model: 'auto', messages: [message], max_completion_tokens: 1.5 }, 400, 'max_completion_tokens', null],
      [{ model: 'auto', messages: [message], max_tokens: '5' }, 400, 'max_tokens', null],
      [{ model: 'auto', messages: [message], n: 1000 }, 400, 'n', null],
      [{ model: '__proto__', messages: [message] }, 404, 'model', 'model_not_found'],
      [{ model: 'auto:constructor', messages: [message] }, 404, 'model', 'model_not_found'],
      [{ model: 'auto:1.5', messages: [message] }, 400, 'model', 'invalid_weight'],
      [{ model: 'auto:-0.1', messages: [message] }, 400, 'model', 'invalid_weight'],
      [{ model: 'auto:best', messages: [message] }, 404, 'model', 'model_not_found'],
      [{ model: 'gpt-nope', messages: [message] }, 404, 'model', 'model_not_found'],
      [{ model: 'auto', messages: [message], Model: 'big' }, 400, 'Model', null],
      [{ model: 'auto', messages: [message], Stream_Options: {} }, 400, 'Stream_Options', null],
      [{ model: 'auto', messages: [message], reasoning_Effort: 'high' }, 400, 'reasoning_Effort', null],
      [
        `{"max_tokens":9,"model":"auto","messages":[${JSON.stringify(message)}],"max_tokens":1}`,
        400,
        'max_tokens',
        null,
      ],
      [{ model: 'auto', messages: [message], 'max_to\u212aens': 1 }, 400, 'max_to\u212aens', null],
      [{ model: 'auto', messages: [message], 'me\u017f\u017fages': [] }, 400, 'me\u017f\u017fages', null],
      [{ model: 'x'.repeat(513), messages: [message] }, 400, 'model', null],
    ];
    for (const [body, status, param, code] of cases) {
      for (const path of ['/v1/chat/completions', '/v1/route']) {
        const answer = await send(gateway.url + path, body);
        expect([answer.status, answer.json.error.param, answer.json.error.code]).toEqual([status, param, code]);
        expect(answer.json.error.type).toBe('invalid_request_error');
        expect(answer.json.error.message.length).toBeGreaterThan(10);
      }
    }
    for (const [name, value] of [
      ['x-mixllm-weight', '1.1'],
      ['x-mixllm-weight', 'NaN'],
      ['x-mixllm-weight', ''],
      ['x-mixllm-models', 'big,unknown'],
      ['x-mixllm-models', ' , '],
    ]) {
      const answer = await send(completions(gateway), ask('x'), { headers: { [name]: value } });
      expect([answer.status, answer.json.error.param]).toEqual([400, name]);
    }
    expect(gateway.upstreams.big.requests + gateway.upstreams.small.requests).toBe(0);
  });

  it('a wrong path, content type or size, or malformed HTTP, gets an OpenAI-style error too', async () => {
    const gateway = kept(await startTestGateway({ config: { server: { port: 0, max_body_mb: 0.01 } } }));
    const unknown = await get(`${gateway.url}/v2/nothing`);
    expect([unknown.status, unknown.json.error.code]).toEqual([404, 'unknown_url']);
    for (const [path, wayOut] of [
      ['/v1/responses', 'Chat Completions API'],
      ['/v1/embeddings', 'serves /v1/chat/completions alone'],
      ['/v1/messages', 'serves /v1/chat/completions alone'],
      ['/chat/completions', "/v1/chat/completions is served: the client's base URL must end in /v1"],
      ['/v1/v1/models', '/v1/models is served: '],
      ['/v1/metrics', ' /metrics is served.'],
    ]) {
      expect((await send(`${gateway.url}${path}`, {})).json.error.message).toContain(wayOut);
    }
    const method = await send(completions(gateway), null, { method: 'GET' });
    expect([method.status, method.json.error.code, method.headers.get('allow')]).toEqual([
      405,
      'method_not_allowed',
      'POST',
    ]);
    // Before the body has arrived: no key has been asked for yet.
    const head = 'host: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{';
    expect(await sendBytes(gateway.url, `POST /v2/nothing HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1.1 404 /);
    expect(await sendBytes(gateway.url, `POST /metrics HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1.1 405 /);
    for (const path of ['/v1/chat/completions', '/v1/route', '/feedback']) {
      expect((await send(gateway.url + path, null)).status).toBe(400);
    }
    for (const pattern of ['/a*b', '/:a(b', '/v1/:x']) expect((await get(gateway.url + pattern)).status).toBe(404);
    const odd = await get(`${gateway.url}/v1/models/%zz`);
    expect([odd.status, odd.json.error.type]).toEqual([400, 'invalid_request_error']);
    expect((await get(`${gateway.url}/v1/models/`)).json.object).toBe('list');
    const other = await send(completions(gateway), ask('x', { model: 'big' }), {
      headers: { 'x-mixllm-models': 'small' },
    });
    expect([other.status, other.json.error.code]).toEqual([400, 'no_eligible_model']);
    const xml = await send(completions(gateway), '<a/>', { headers: { 'content-type': 'text/xml' } });
    expect([xml.status, xml.json.error.code]).toEqual([415, 'unsupported_media_type']);
    expect(xml.json.error.message).toContain('content-type: application/json');
    const zipped = await send(completions(gateway), gzipSync('{}'), { headers: { 'content-encoding': 'gzip' } });
    expect([zipped.status, zipped.json.error.code]).toEqual([415, 'unsupported_content_encoding']);
    const large = await send(completions(gateway), ask('x'.repeat(20_000)));
    expect([large.status, large.json.error.code]).toEqual([413, 'request_too_large']);
    const manyMembers = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, 1]));
    const wide = await startTestGateway();
    kept(wide);
    for (const [more, status] of [
      [{}, 400],
      [{ k0: undefined, k1: undefined }, 200],
    ] as const) {
      const answer = await send(completions(wide), { ...ask('x'), ...manyMembers, ...more });
      expect(answer.status).toBe(status);
      if (status === 400) expect(answer.json.error.message).toBe('The body has more than 1000 members.');
    }
    const rating = await send(`${wide.url}/feedback`, { id: 'x', rating: 'up', comment: 'x'.repeat(300_000) });
    expect([rating.status, rating.json.error.code]).toEqual([413, 'request_too_large']);
    const garbage = await sendBytes(gateway.url, 'hello?\r\n\r\n');
    expect(garbage).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(garbage.split('\r\n\r\n')[1]).error.code).toBe('malformed_http');
    const hostless = parseAnswer(
      await sendBytes(gateway.url, 'GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n'),
    );
    expect([hostless.status, JSON.parse(hostless.body).error.code]).toEqual([400, 'malformed_http']);
    const overflow = await sendBytes(gateway.url, `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`);
    expect(overflow).toMatch(/^HTTP\/1.1 431 /);
    for (const [head, status, code] of [
      [`GET /v1/decisions/${'x'.repeat(600)} HTTP/1.1`, 414, 'invalid_request'],
      [`GET /${'x'.repeat(20_000)} HTTP/1.1`, 431, 'malformed_http'],
      ['GET /v1/models HTTP/1.1\r\nexpect: miracles', 417, 'expectation_failed'],
      ['GET /v1/models HTTP/1.1\r\nx: a\x00b', 400, 'malformed_http'],
      ['POST /v1/route HTTP/1.1\r\ncontent-length: -1', 400, 'malformed_http'],
    ] as const) {
      const answer = parseAnswer(await sendBytes(gateway.url, `${head}\r\nhost: x\r\nconnection: close\r\n\r\n`));
      expect([answer.status, JSON.parse(answer.body).error.code]).toEqual([status, code]);
    }
  });

  it('a client that first sends all of a body that is far too large still gets the answer', async () => {
    const gateway = kept(await startTestGateway({ config: { server: { port: 0, max_body_mb: 0.01 } } }));
    const body = JSON.stringify(ask('x'.repeat(8 * 2 ** 20)));
    expect((await send(completions(gateway), body)).json.error.code).toBe('request_too_large');
    const { port } = new URL(gateway.url);
    const answer = await new Promise<string>((resolve) => {
      let received = '';
      const socket = connect(Number(port), '127.0.0.1').pause();
      socket.on('data', (chunk) => {
        received += chunk;
      });
      socket.on('error', () => {}).on('close', () => resolve(received));
      const head = `POST /v1/route HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}`;
      socket.write(`${head}\r\n\r\n${body}`, () => socket.resume());
    });
    expect(JSON.parse(parseAnswer(answer).body).error.code).toBe('request_too_large');
  });

  it("the server's time limits are 20 s for headers and 300 s for a whole request", async () => {
    const { server } = kept(await startTestGateway()).gateway.server;
    expect([server.headersTimeout, server.requestTimeout]).toEqual([20_000, 300_000]);
  });

  it('names that would pollute a prototype are rejected at any depth, on every route', async () => {
    const gateway = kept(await startTestGateway());
    const chat = (more: string) => `{"model":"big","messages":[{"role":"user","content":"x"}],${more}}`;
    const bodies = [
      chat('"__proto__":{"polluted":1}'),
      chat('"__proto__" : null'),
      chat('"tools":[{"function":{"parameters":{"properties":{"\\u005f_proto\\u005F_":{}}}}}]'),
      chat('"metadata":{"constructor":{"prototype":{"polluted":1}}}'),
    ];
    for (const body of bodies) {
      for (const path of ['/v1/chat/completions', '/v1/route', '/feedback', '/admin/models']) {
        const { status, json } = await send(gateway.url + path, body);
        expect([status, json.error.type, json.error.code]).toEqual([400, 'invalid_request_error', 'invalid_json']);
      }
    }
    expect('polluted' in {}).toBe(false);
  });

  it('text may still mention such names, and properties may be called constructor', async () => {
    const upstream = kept(await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION))));
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url } }));
    const parameters = '{"properties":{"constructor":{"type":"string"},"prototype":{},"toString":{}}}';
    const body = `{"model":"big","messages":[{"role":"user","content":"{\\"__proto__\\": 1}"}],"tools":[{"type":"function","function":{"name":"f","parameters":${parameters}}}]}`;
    expect((await send(completions(gateway), body)).status).toBe(200);
    expect(upstream.bodies[0]).toBe(body);
  });

  it('cannot inject a line into the headers of the answer', async () => {
    const gateway = kept(await startTestGateway());
    const bytes = (name: string, value: string) =>
      `GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${name}: ${value}\r\n\r\n`;
    for (const value of ['a\nx-evil: 1', 'a\rx-evil: 1', 'a\u0085x', 'a b', 'x'.repeat(200)]) {
      const { headers } = parseAnswer(
        await sendBytes(gateway.url, Buffer.from(bytes('x-request-id', value), 'latin1')),
      );
      expect(headers).not.toMatch(/x-evil|a b|xxx|\u0085/);
    }
  });
});

describe('models', () => {
  it("are listed in OpenAI's format: auto, its named weights, then every arm", async () => {
    const gateway = kept(
      await startTestGateway({
        answers: { 'meta/big': plainAnswer(), small: plainAnswer() },
        config: { providers: { p: { type: 'openai', base_url: 'http://127.0.0.1:9/v1' } } },
        models: { 'meta/big': { provider: 'p' }, small: { provider: 'p' } },
      }),
    );
    const { json } = await get(`${gateway.url}/v1/models`);
    expect(json.object).toBe('list');
    expect(json.data.map(({ id }: { id: string }) => id)).toEqual([
      'auto',
      'auto:economy',
      'auto:balanced',
      'auto:quality',
      'meta/big',
      'small',
    ]);
    expect(json.data[4]).toEqual({ id: 'meta/big', object: 'model', created: expect.any(Number), owned_by: 'p' });
    for (const id of ['auto:quality', 'meta/big', 'meta%2Fbig']) {
      expect((await get(`${gateway.url}/v1/models/${id}`)).json.id).toBe(decodeURIComponent(id));
    }
    expect((await get(`${gateway.url}/v1/models/none`)).json.error.code).toBe('model_not_found');
  });
});

describe('a decision', () => {
  const long = 'word '.repeat(3000);
  const tool = { type: 'function', function: { name: 'f', parameters: {} } };
  const image = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }];

  it('excludes arms that cannot serve the request, with the reason; a 400 lists them if none is left', async () => {
    const gateway = kept(
      await startTestGateway({
        models: { small: { capabilities: [], context_window: 1000, max_output_tokens: 100 } },
      }),
    );
    for (const [fields, reason] of [
      [{ tools: [tool] }, /needs tools/],
      [{ messages: image }, /needs vision/],
      [{ response_format: { type: 'json_object' } }, /needs json/],
      [{ messages: [{ role: 'user', content: long }] }, /context window of 1000/],
      [{ max_tokens: 200 }, /output limit of 100/],
    ] as const) {
      const { json } = await send(`${gateway.url}/v1/route`, ask('Hello', fields));
      expect(json.model).toBe('big');
      const small = json.models.find(({ model }: { model: string }) => model === 'small');
      expect([small.eligible, small.score]).toEqual([false, null]);
      expect(small.excluded).toMatch(reason);
      const only = await send(completions(gateway), ask('Hello', fields), { headers: { 'x-mixllm-models': 'small' } });
      const code = 'messages' in fields && fields.messages !== image ? 'context_length_exceeded' : 'no_eligible_model';
      expect([only.status, only.json.error.code]).toEqual([400, code]);
      expect(only.json.error.message).toMatch(/big: .*; small: /);
      expect(only.json.error.message).toMatch(reason);
    }
  });

  it('is explained by consistent numbers, and recorded as it was explained', async () => {
    const gateway = kept(await startTestGateway({ random: seededRandom(1) }));
    const { json } = await send(`${gateway.url}/v1/route`, ask('Hello', { model: 'auto:0.7' }));
    expect([json.weight, json.weight_from, json.exploration, json.reference.model]).toEqual([
      0.7,
      'model',
      'thompson',
      'big',
    ]);
    for (const arm of json.models) {
      const relative = arm.cost_usd / json.reference.mean_cost_usd;
      expect(arm.score).toBeCloseTo(0.7 * arm.explored_quality - 0.3 * relative - arm.penalty, 9);
      expect(arm.quality_sd).toBeGreaterThan(0);
      expect(arm.expected_wait_s).toBe(0);
      expect([arm.ratings, arm.awaited_ratings]).toEqual([0, 0]);
    }
    const [best, second] = [...json.models].sort((a, b) => b.score - a.score);
    expect(json.runner_up).toEqual({ model: second.model, score: second.score });
    const { above } = json.flip_weight;
    const at = (arm: typeof best) =>
      above.weight * arm.explored_quality - ((1 - above.weight) * arm.cost_usd) / json.reference.mean_cost_usd;
    expect(at(best)).toBeCloseTo(at(second), 9);
    expect(json.models.reduce((sum: number, arm: typeof best) => sum + arm.propensity, 0)).toBeCloseTo(1, 9);
    await settled(gateway);
    expect(gateway.gateway.learner.knowledge.sequence).toBe(0);

    const { headers } = await send(completions(gateway), ask('Hello', { model: 'auto:0.7' }));
    const record = await get(`${gateway.url}/v1/decisions/${headers.get('x-mixllm-decision-id')}`);
    expect(record.json).toMatchObject({
      requested_model: 'auto:0.7',
      weight: 0.7,
      model: headers.get('x-mixllm-model'),
    });
    const chosen = record.json.models.find(({ model }: { model: string }) => model === record.json.model);
    expect(record.json.propensity).toBe(chosen.propensity);
    const next = (await send(`${gateway.url}/v1/route`, ask('Hello', { model: 'auto:0.7' }))).json;
    const awaited = next.models.filter((arm: { awaited_ratings: number }) => arm.awaited_ratings > 0);
    expect(awaited).toEqual([expect.objectContaining({ model: record.json.model, awaited_ratings: 1 })]);
  });

  it("takes its weight from the model name, else the header, else the config, within the key's bounds", async () => {
    const keys = [
      { name: 'free', key: 'key-of-free-000000' },
      { name: 'thrifty', key: 'key-of-thrifty-0000', weight: { max: 0.6 }, models: ['small'] },
    ];
    const gateway = kept(await startTestGateway({ config: { auth: { keys }, routing: { weight: 0.3 } } }));
    const weigh = async (key: string, model: string, header?: string) => {
      const headers = { authorization: `Bearer ${key}`, ...(header ? { 'x-mixllm-weight': header } : {}) };
      const { json } = await send(`${gateway.url}/v1/route`, ask('x', { model }), { headers });
      return [json.weight, json.weight_from];
    };
    expect(await weigh(keys[0].key, 'auto')).toEqual([0.3, 'config']);
    expect(await weigh(keys[0].key, 'auto', '0.9')).toEqual([0.9, 'header']);
    expect(await weigh(keys[0].key, 'auto:0.1', '0.9')).toEqual([0.1, 'model']);
    // As Python formats small numbers.
    expect(await weigh(keys[0].key, 'auto', '5e-05')).toEqual([5e-5, 'header']);
    expect(await weigh(keys[0].key, 'auto:quality')).toEqual([0.95, 'model']);
    expect(await weigh(keys[1].key, 'auto:quality')).toEqual([0.6, 'key']);
    const headers = { authorization: `Bearer ${keys[1].key}` };
    expect((await send(completions(gateway), ask('x', { model: 'big' }), { headers })).status).toBe(404);
    const routed = await send(completions(gateway), ask('x', { model: 'auto:1' }), { headers });
    expect(routed.headers.get('x-mixllm-model')).toBe('small');
    const id = routed.headers.get('x-mixllm-decision-id');
    const stranger = { authorization: `Bearer ${keys[0].key}` };
    expect((await send(`${gateway.url}/feedback`, { id, score: 1 }, { headers: stranger })).status).toBe(404);
    expect((await send(`${gateway.url}/feedback`, { id, score: 1 }, { headers })).status).toBe(202);
    for (const authorization of ['', 'Bearer nope', 'Basic eA==']) {
      const refused = await send(completions(gateway), ask('x'), { headers: { authorization } });
      expect([refused.status, refused.json.error.type, refused.json.error.code]).toEqual([
        401,
        'invalid_request_error',
        'invalid_api_key',
      ]);
    }
  });

  it('stays with the arm that last answered the session, as long as it can serve', async () => {
    const gateway = kept(await startTestGateway({ models: { small: { capabilities: [] } } }));
    const headers = { 'x-session-id': 'session-1' };
    expect((await send(completions(gateway), ask('x', { model: 'big' }), { headers })).status).toBe(200);
    for (let i = 0; i < 5; i++) {
      const { json } = await send(`${gateway.url}/v1/route`, ask('x', { model: 'auto:0' }), { headers });
      expect([json.model, json.chosen_by, json.propensity]).toEqual(['big', 'session', 1]);
    }
    const stranger = await send(`${gateway.url}/v1/route`, ask('x', { model: 'auto:0' }), {
      headers: { 'x-session-id': 'other' },
    });
    expect([stranger.json.model, stranger.json.chosen_by]).toEqual(['small', 'score']);
    await send(completions(gateway), ask('x', { model: 'small', stream: true }), { headers });
    const moved = await send(`${gateway.url}/v1/route`, ask('x', { model: 'auto:1' }), { headers });
    expect([moved.json.model, moved.json.chosen_by]).toEqual(['small', 'session']);
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const unable = await send(`${gateway.url}/v1/route`, ask('x', { tools }), { headers });
    expect([unable.json.model, unable.json.chosen_by]).toEqual(['big', 'score']);
    expect((await send(completions(gateway), ask('x'), { headers: { 'x-session-id': 'x'.repeat(300) } })).status).toBe(
      400,
    );
  });

  it('avoids an arm whose queue is long', async () => {
    const gates: (() => void)[] = [];
    const gateway = kept(
      await startTestGateway({
        answers: {
          big: plainAnswer(),
          small: async (request) => {
            if (request.lastUserText === 'slow') await new Promise<void>((resolve) => gates.push(resolve));
            return plainAnswer()(request);
          },
        },
        models: { small: { max_concurrency: 1 } },
        config: { routing: { weight: 0.5, latency: { budget_s: 2 } } },
      }),
    );
    const before = await send(`${gateway.url}/v1/route`, ask('x'));
    expect([before.json.model, before.json.models[1].penalty]).toEqual(['small', 0]);
    const running = [1, 2, 3].map(() => send(completions(gateway), ask('slow', { model: 'small' })));
    while (gates.length < 3) await settled(gateway);
    const during = await send(`${gateway.url}/v1/route`, ask('x'));
    // Three under way on one slot, at two seconds each until one has ended.
    expect(during.json.models[1].expected_wait_s).toBeCloseTo(6, 9);
    expect(during.json.model).toBe('big');
    for (const open of gates) open();
    await Promise.all(running);
    expect((await send(`${gateway.url}/v1/route`, ask('x'))).json.models[1].expected_wait_s).toBe(0);
  });
});

describe('an Anthropic upstream', () => {
  it('gets every parameter it supports; a header lists the dropped ones, whatever their names', async () => {
    const gateway = kept(await startTestGateway({ answers: { big: plainAnswer() }, formats: { big: 'anthropic' } }));
    const fields = { seed: 7, temperature: 1.5, stop: ['END'], max_completion_tokens: 50, 'größe, \r\n😀\ud800': 1 };
    for (const stream of [false, true]) {
      const { status, headers } = await send(completions(gateway), ask('Hello', { ...fields, stream }));
      expect(status).toBe(200);
      const dropped = String(headers.get('x-mixllm-dropped-params'));
      expect(dropped.split(', ')).toEqual(expect.arrayContaining(['seed', 'temperature']));
      expect(dropped).toContain('gr%C3%B6%C3%9Fe%2C');
    }
  });
});

describe('what the operator sees', () => {
  it('has probes, metrics and a log line per request, with no prompts or keys anywhere', async () => {
    const gateway = kept(
      await startTestGateway({
        answers: {
          big: plainAnswer(),
          small: plainAnswer({ status: 401, errorMessage: `no such key ${PROVIDER_KEY}` }),
        },
        config: { resilience: { retries: 0 }, auth: { keys: [{ name: 'team', key: 'gateway-key-secret-1' }] } },
      }),
    );
    const headers = { authorization: 'Bearer gateway-key-secret-1' };
    expect((await get(`${gateway.url}/health/live`)).status).toBe(200);
    expect((await get(`${gateway.url}/health/ready`)).status).toBe(200);
    const seen: string[] = [];
    for (const model of ['auto:0', 'big', 'small', 'nope']) {
      const answer = await send(completions(gateway), ask('prompt-secret', { model }), { headers });
      seen.push(answer.text, JSON.stringify([...answer.headers]));
      const id = answer.headers.get('x-mixllm-decision-id');
      if (!id) continue;
      await send(`${gateway.url}/feedback`, { id, rating: 'down' }, { headers });
      seen.push((await get(`${gateway.url}/v1/decisions/${id}`, headers)).text);
    }
    await settled(gateway);
    const metrics = (await get(`${gateway.url}/metrics`)).text;
    for (const line of [
      'mixllm_requests_total{model="big",provider="big",status="200"} 2',
      'mixllm_requests_total{model="small",provider="small",status="401"} 1',
      'mixllm_fallbacks_total{from="small",to="big"} 1',
      'mixllm_ratings_total 3',
      'mixllm_tokens_total{model="big",kind="output"} 20',
      'mixllm_learner_lag_events 0',
      'mixllm_degraded{part="store"} 0',
      'mixllm_upstream_errors_total{model="small",failure="status",status="401"} 2',
    ]) {
      expect(metrics).toContain(line);
    }
    expect(metrics).toMatch(/mixllm_cost_usd_total\{model="big"\} 0\.0012/);
    expect(metrics).toMatch(/mixllm_saved_usd -?\d/);
    const stored = await gateway.gateway.store.readAfter(0, 1000);
    const events = JSON.stringify(stored);
    // Field by field: a search for the text would not find an answer stored as bytes.
    expect(Object.keys(stored.find(({ type }) => type === 'completed') ?? {}).sort()).toEqual(
      [
        ...['type', 'sequence', 'decisionId', 'time', 'outcome', 'arm', 'attempts', 'status', 'completionId'],
        ...[
          'upstreamModel',
          'servedModel',
          'finishReason',
          'usage',
          'usageEstimated',
          'costUsd',
          'timeToFirstTokenMs',
          'serviceMs',
          'latencyMs',
          'overheadMs',
        ],
      ].sort(),
    );
    const everything = [...seen, metrics, events, ...gateway.logged].join('\n');
    for (const secret of ['prompt-secret', PROVIDER_KEY, 'gateway-key-secret-1'])
      expect(everything).not.toContain(secret);
    const line = gateway.logged.map((text) => JSON.parse(text)).find(({ msg }) => msg === 'chat completion');
    expect(line).toMatchObject({ outcome: 'ok', model: 'big', attempts: 2, requestId: expect.stringMatching(/^req_/) });
  });
});
