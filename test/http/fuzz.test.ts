import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { send, settled, startTestGateway } from '../support/gateway.ts';
import { parseAnswer, sendAllBytes } from '../support/raw-client.ts';
import { COMPLETION, chunk, sse, startRawUpstream, USAGE_CHUNK } from '../support/raw-upstream.ts';

const kept = cleanup();
// Large, because most batches contain a request that never ends, and wait for it.
const BATCH = 204;
const BATCHES = 10;
const TEAM = 'key-of-team-000000';
const ADMIN = 'key-of-admin-000000';
const fixture = (name: string) => readFileSync(new URL(`../fixtures/providers/anthropic/${name}`, import.meta.url));

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapMb(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** Upstreams that accept anything: a 5xx is then the gateway's own. */
async function startUpstreams() {
  const openai = kept(
    await startRawUpstream((response, body) => {
      if (/"stream"\s*:\s*true/.test(body)) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(sse(chunk({ content: 'Hi' }), chunk({}, 'stop'), USAGE_CHUNK, '[DONE]'));
      } else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(COMPLETION));
    }),
  );
  const anthropic = kept(
    await startRawUpstream((response, body) => {
      const stream = /"stream"\s*:\s*true/.test(body);
      response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
      response.end(fixture(stream ? 'text.sse' : 'thinking.json'));
    }),
  );
  return { big: openai.url, claude: anthropic.url.replace(/\/v1$/, ''), small: openai.url };
}

const odd = fc.constantFrom(
  '',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '\0',
  '\ud800',
  '%',
  '%00',
  '%zz',
  '../../etc/passwd',
  'a\r\nx-evil: 1',
  'null',
  'NaN',
  '-1',
  '1e999',
  'x'.repeat(600),
  'big',
  'auto',
  'auto:0.5',
  'auto:__proto__',
  "'; DROP TABLE events; --",
);
const text = fc.oneof(odd, fc.string({ unit: 'binary', maxLength: 30 }), fc.string({ maxLength: 30 }));
const quoted = (arbitrary: fc.Arbitrary<string>) => arbitrary.map((value) => JSON.stringify(value));
/** JSON text with numbers and names that no serialiser would write. */
const json: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('null', 'true', '0', '-1', '1e999', '-1e999', '1e308', '9007199254740993', '0.1', '""', '{}', '[]'),
    quoted(text),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(text, tie('value')), { maxLength: 4 })
      .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`),
  ),
})).value;

/** An object of the given members, some of them replaced, omitted or joined by odd ones. */
const objectOf = (members: Record<string, fc.Arbitrary<string>>) =>
  fc
    .tuple(
      fc.record(
        Object.fromEntries(
          Object.entries(members).map(([name, good]) => [
            name,
            fc.oneof(
              { weight: 12, arbitrary: good },
              { weight: 1, arbitrary: json },
              { weight: 1, arbitrary: fc.constant(null) },
            ),
          ]),
        ),
      ),
      fc.array(fc.tuple(text, json), { maxLength: 2 }),
    )
    .map(([own, more]) => {
      const all = [...Object.entries(own), ...more].filter(([, value]) => value !== null);
      return `{${all.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
    });

const number = fc.oneof(
  fc.constantFrom('-1', '0', '1', '0.5', '1e999', '1e300', 'NaN', '"1"', 'null'),
  fc.double().map(String),
);
const message = objectOf({
  role: fc.constantFrom('"user"', '"system"', '"assistant"', '"tool"'),
  content: quoted(text),
});
const tool = objectOf({
  type: fc.constant('"function"'),
  function: objectOf({ name: fc.constant('"f"'), parameters: json }),
});
const listOf = (item: fc.Arbitrary<string>) => fc.array(item, { maxLength: 4 }).map((items) => `[${items.join(',')}]`);
const chatBody = fc.oneof(
  objectOf({
    model: fc.constantFrom('"auto"', '"auto:0.3"', '"big"', '"claude"', '"small"'),
    messages: fc.array(message, { minLength: 1, maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    stream: fc.constantFrom('true', 'false', 'null'),
  }),
  objectOf({
    model: fc.constantFrom('"auto"', '"claude"'),
    messages: fc.constant('[{"role":"user","content":"x"}]'),
    max_tokens: number,
    temperature: number,
    n: number,
    stop: json,
    tools: listOf(tool),
    tool_choice: json,
    response_format: json,
  }),
);
const ratingBody = (ids: fc.Arbitrary<string>) =>
  fc.oneof(
    objectOf({ id: quoted(ids), score: fc.constantFrom('0', '0.5', '1'), comment: quoted(text) }),
    objectOf({ id: quoted(ids), rating: fc.constantFrom('"up"', '"down"'), idempotency_key: quoted(text) }),
    objectOf({ id: quoted(ids), score: number, rating: json, source: json }),
  );
const modelBody = objectOf({
  id: fc.constantFrom('"added"', '"org/added"', '"big"', '"auto"'),
  provider: fc.constantFrom('"big"', '"none"'),
  price: objectOf({ input: number, output: number }),
  context_window: number,
  capabilities: json,
  prior: json,
});

interface Case {
  method: string;
  path: string;
  headers: [name: string, value: string][];
  body: Buffer | null;
  /** The claimed content-length, if it is not the real one. */
  claimed: string | null;
}

/** @param ids of real decisions, completions and ratings */
function caseOf(ids: readonly string[]): fc.Arbitrary<Case> {
  const id = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ids) }, odd, text);
  const inUrl = (arbitrary: fc.Arbitrary<string>) =>
    fc.oneof(
      arbitrary.map((value) => encodeURIComponent(value.toWellFormed())),
      arbitrary.map((value) => value.replace(/[^!-~]/g, '')),
    );
  const bodies = {
    chat: chatBody,
    rating: ratingBody(id),
    model: modelBody,
    none: fc.constant(''),
    any: fc.oneof(json, text),
  };
  const routes: [method: string, path: fc.Arbitrary<string>, body: keyof typeof bodies][] = [
    ['POST', fc.constant('/v1/chat/completions'), 'chat'],
    ['POST', fc.constant('/v1/chat/completions'), 'chat'],
    ['POST', fc.constant('/v1/route'), 'chat'],
    ['POST', fc.constantFrom('/feedback', '/v1/feedback'), 'rating'],
    ['DELETE', inUrl(id).map((value) => `/feedback/${value}`), 'none'],
    ['GET', inUrl(id).map((value) => `/v1/decisions/${value}`), 'none'],
    ['GET', fc.constant('/v1/models'), 'none'],
    ['GET', inUrl(text).map((value) => `/v1/models/${value}`), 'none'],
    ['GET', fc.constantFrom('/admin/models', '/metrics', '/health/live', '/health/ready', '/', '/favicon.ico'), 'none'],
    ['POST', fc.constant('/admin/models'), 'model'],
    ['PATCH', inUrl(fc.constantFrom('added', 'org/added', 'small')).map((value) => `/admin/models/${value}`), 'model'],
    ['DELETE', inUrl(fc.constantFrom('added', 'org/added', 'none')).map((value) => `/admin/models/${value}`), 'none'],
    [
      'POST',
      inUrl(fc.constantFrom('added', 'small', '__proto__')).map((value) => `/admin/models/${value}/reset`),
      'none',
    ],
    ['OPTIONS', inUrl(text).map((value) => `/${value}`), 'any'],
  ];
  const right = fc
    .constantFrom(...routes)
    .chain(([method, path, body]) => fc.record({ method: fc.constant(method), path, body: bodies[body] }));
  const wrong = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'TRACE', 'CONNECT', 'get', 'BREW'),
    path: fc.oneof(
      fc.constantFrom(...routes).chain(([, path]) => path),
      inUrl(text).map((value) => `/${value}?${value}`),
    ),
    body: fc.oneof(bodies.any, bodies.chat),
  });
  const headerValue = fc.oneof(text, fc.constantFrom('0.5', '2', 'big,small', 'true', 'x'.repeat(20_000)));
  const strange = fc.tuple(
    fc.constantFrom(
      'x-mixllm-weight',
      'x-mixllm-models',
      'x-session-id',
      'x-mixllm-no-fallback',
      'x-request-id',
      'accept',
      'expect',
      'content-encoding',
      'transfer-encoding',
      'content-type',
      'host',
      'x-evil\r\nx',
    ),
    headerValue,
  );
  const authorization = fc.constantFrom(TEAM, TEAM, ...Array(6).fill(ADMIN), 'nobody', '');
  return fc
    .record({
      request: fc.oneof({ weight: 8, arbitrary: right }, { weight: 1, arbitrary: wrong }),
      contentType: fc.oneof(
        { weight: 12, arbitrary: fc.constant('application/json') },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            'text/plain',
            'application/x-www-form-urlencoded',
            'application/problem+json; charset=latin1',
            '',
            'a;b;c',
          ),
        },
      ),
      key: authorization,
      strange: fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(strange, { maxLength: 3 }) },
      ),
      claimed: fc.oneof(
        { weight: 30, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.constantFrom('-1', '1e3', '99999999999', '3', 'x', '') },
      ),
      damage: fc.oneof(
        { weight: 12, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }) },
      ),
    })
    .map(({ request, contentType, key, strange: more, claimed, damage }) => {
      const bytes = Buffer.from(request.body, 'utf8');
      const body = damage
        ? Buffer.concat([bytes.subarray(0, bytes.length / 2), damage, bytes.subarray(bytes.length / 2)])
        : bytes;
      const headers: [string, string][] = [['authorization', `Bearer ${key}`], ...more];
      if (body.length > 0) headers.push(['content-type', contentType]);
      return { method: request.method, path: request.path, headers, body: body.length > 0 ? body : null, claimed };
    });
}

function bytesOf({ method, path, headers, body, claimed }: Case): Buffer {
  const length = claimed ?? (body ? String(body.length) : null);
  const all = [
    ['host', '127.0.0.1'],
    ['connection', 'close'],
    ...headers,
    ...(length === null ? [] : [['content-length', length]]),
  ];
  const head = `${method} ${path} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'utf8'), body ?? Buffer.alloc(0)]);
}

/** @returns the status; 0 if the request was never complete */
function checkAnswer(request: Case, text: string): number {
  if (text === '') return 0;
  const { status, headers, body } = parseAnswer(text);
  const seen = JSON.stringify({ ...request, body: request.body?.toString('latin1').slice(0, 500) });
  expect(status, `${seen} -> ${text.slice(0, 300)}`).toBeLessThan(500);
  expect(headers.toLowerCase(), seen).not.toMatch(/^x-evil/m);
  if (status < 400 || body === '' || request.method === 'HEAD') return status;
  const { error } = JSON.parse(body);
  expect([typeof error.message, typeof error.type], seen).toEqual(['string', 'string']);
  expect(Object.keys(error).sort(), seen).toEqual(['code', 'message', 'param', 'type']);
  return status;
}

describe('hostile clients', () => {
  it(`sending ${BATCH * BATCHES} malformed requests cause no 5xx, no crash and no memory growth`, async () => {
    const urls = await startUpstreams();
    const keys = [
      { name: 'team', key: TEAM, budget: { usd: 1000, per: 'day' }, tpm: 1e9 },
      { name: 'ops', key: ADMIN, role: 'admin' },
    ];
    const gateway = kept(
      await startTestGateway({
        urls,
        formats: { claude: 'anthropic' },
        config: { auth: { keys }, logging: { level: 'warn' } },
      }),
    );
    const headers = { authorization: `Bearer ${TEAM}` };
    const first = await send(
      `${gateway.url}/v1/chat/completions`,
      { model: 'auto', messages: [{ role: 'user', content: 'x' }] },
      { headers },
    );
    const decision = String(first.headers.get('x-mixllm-decision-id'));
    const rated = await send(`${gateway.url}/feedback`, { id: decision, score: 1 }, { headers });

    const statuses = new Map<number, number>();
    const heap: number[] = [];
    let batches = 0;
    const run = await fc.check(
      fc.asyncProperty(
        fc.array(caseOf([decision, first.json.id, rated.json.feedback_id]), { minLength: BATCH, maxLength: BATCH }),
        async (cases) => {
          const answers = await sendAllBytes(gateway.url, cases.map(bytesOf));
          for (const [i, answer] of answers.entries()) {
            const status = checkAnswer(cases[i], answer);
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
          }
          // The logged lines are the test's own memory.
          gateway.logged.length = 0;
          batches++;
          if (batches === BATCHES / 2 || batches === BATCHES) heap.push(heapMb());
        },
      ),
      { numRuns: BATCHES, endOnFailure: true },
    );
    // Without the batch, which would fill pages: the error names the request.
    if (run.failed) throw new Error(`seed ${run.seed}, path ${run.counterexamplePath}`, { cause: run.errorInstance });
    await settled(gateway);
    const count = (status: number) => statuses.get(status) ?? 0;
    const total = [...statuses.values()].reduce((sum, each) => sum + each, 0);
    expect(total).toBe(BATCH * BATCHES);
    expect(count(0)).toBeLessThan(total / 20);
    // Enough requests must get through, or else the rest would prove little.
    expect(count(200)).toBeGreaterThan(total / 10);
    for (const status of [202, 400, 401, 403, 404]) expect(count(status), String(status)).toBeGreaterThan(0);
    expect(heap[1] - heap[0]).toBeLessThan(8);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(
      (
        await send(
          `${gateway.url}/v1/chat/completions`,
          { model: 'big', messages: [{ role: 'user', content: 'x' }] },
          { headers },
        )
      ).status,
    ).toBe(200);
  });
});
