import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { snapshotName } from '../../src/gateway/learning/snapshots.ts';
import { cleanup } from '../support/cleanup.ts';
import { FakeStore } from '../support/fake-store.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';

const kept = cleanup();
const TEAM = 'key-of-team-000000';
const ADMIN = 'key-of-admin-000000';
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const chat = (gateway: TestGateway, key = TEAM, fields: object = {}) =>
  send(`${gateway.url}/v1/chat/completions`, ask('x', fields), { headers: bearer(key) });
const withKeys = (...keys: object[]) => ({ auth: { keys } });
/** A million tokens cost one dollar, input or output. */
const PLAIN_PRICE = { price: { input: 1, output: 1 } };

class ReadOnlyStore extends FakeStore {
  override async append(): Promise<never> {
    throw new Error(this.failing ? 'the disk is away' : 'there is no room');
  }
}

let folder: string | null = null;
afterEach(() => {
  if (folder) rmSync(folder, { recursive: true });
  folder = null;
});
function databaseInFolder() {
  folder = mkdtempSync(join(tmpdir(), 'mixllm-keys-'));
  return { storage: { url: `sqlite:${join(folder, 'log.db')}` } };
}

const USER = { role: 'user', content: 'Hello' };
const LONG = 'long '.repeat(20_000);
const imageAt = (url: string) => ({ type: 'image_url', image_url: { url } });

describe('requests per minute', () => {
  it("are limited by a 429 that says when to retry, and OpenAI's headers report how many are left", async () => {
    const clock = new ManualClock();
    const config = withKeys({ name: 'team', key: TEAM, rpm: 3 }, { name: 'other', key: 'key-of-other-0000' });
    const gateway = kept(await startTestGateway({ clock, config }));
    const left: (string | null)[] = [];
    for (let i = 0; i < 3; i++) {
      const answer = await chat(gateway);
      expect(answer.status).toBe(200);
      left.push(answer.headers.get('x-ratelimit-remaining-requests'));
      clock.advance(10_000);
    }
    expect(left).toEqual(['2', '1', '0']);
    const refused = await chat(gateway);
    expect([refused.status, refused.json.error.type, refused.json.error.code]).toEqual([
      429,
      'rate_limit_error',
      'rate_limit_exceeded',
    ]);
    expect(refused.headers.get('retry-after')).toBe('31');
    expect(refused.headers.get('x-ratelimit-limit-requests')).toBe('3');
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(refused.headers.get('x-ratelimit-reset-requests')).toBe('51s');
    expect((await send(`${gateway.url}/v1/route`, ask('x'), { headers: bearer(TEAM) })).status).toBe(429);
    expect((await chat(gateway, 'key-of-other-0000')).headers.get('x-ratelimit-limit-requests')).toBeNull();
    // Lookups and ratings are not counted.
    expect((await get(`${gateway.url}/v1/models`, bearer(TEAM))).status).toBe(200);
    clock.advance(31_000);
    expect((await chat(gateway)).status).toBe(200);
    expect((await chat(gateway)).status).toBe(429);
    expect((await get(`${gateway.url}/metrics`)).text).toContain(
      'mixllm_limited_requests_total{key="team",limit="requests"} 3',
    );
  });

  it("make OpenAI's own client wait and retry", async () => {
    const clock = new ManualClock();
    const gateway = kept(await startTestGateway({ clock, config: withKeys({ name: 'team', key: TEAM, rpm: 1 }) }));
    const waits: string[] = [];
    const client = new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey: TEAM,
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        const wait = response.headers.get('retry-after');
        if (!wait) return response;
        waits.push(wait);
        clock.advance(Number(wait) * 1000);
        // The gateway waits on the test's clock; the client need not wait on the real one.
        return new Response(response.body, { status: response.status, headers: { 'retry-after-ms': '1' } });
      },
    });
    const create = () => client.chat.completions.create({ model: 'auto', messages: [{ role: 'user', content: 'x' }] });
    expect((await create()).choices).toHaveLength(1);
    expect((await create()).choices).toHaveLength(1);
    expect(waits).toEqual(['61']);
  });
});

describe('tokens per minute', () => {
  it('are reserved as predicted and counted as used', async () => {
    const clock = new ManualClock();
    const config = withKeys({ name: 'team', key: TEAM, tpm: 700 });
    const gateway = kept(await startTestGateway({ clock, config }));
    // About 300 tokens are expected of the first answer; it uses 30.
    const first = await chat(gateway);
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('670');
    const streamed = await chat(gateway, TEAM, { stream: true });
    expect(Number(streamed.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThan(670);
    await settled(gateway);
    expect((await chat(gateway)).headers.get('x-ratelimit-remaining-tokens')).toBe('610');
    let refused = await chat(gateway);
    for (let i = 0; refused.status === 200 && i < 30; i++) refused = await chat(gateway);
    expect([refused.status, refused.json.error.code]).toEqual([429, 'rate_limit_exceeded']);
    expect(refused.json.error.message).toMatch(/tokens per minute: limit 700/);
    expect(refused.headers.get('retry-after')).toBe('61');
    clock.advance(61_000);
    expect((await chat(gateway)).headers.get('x-ratelimit-remaining-tokens')).toBe('670');
    expect((await chat(gateway, TEAM, { n: 128 })).json.error?.code).toBe('rate_limit_exceeded');
  });
});

describe('tokens per minute of files', () => {
  it('are estimated from their size, and the estimate alone never blocks a file for good', async () => {
    const clock = new ManualClock();
    const config = withKeys({ name: 'team', key: TEAM, tpm: 700 });
    const models = { big: { capabilities: ['files'] } };
    const gateway = kept(await startTestGateway({ clock, config, models }));
    const file = { type: 'file', file: { file_data: 'A'.repeat(400_000) } };
    const send = () => chat(gateway, TEAM, { messages: [{ role: 'user', content: [file] }] });
    const [one, other] = await Promise.all([send(), send()]);
    expect([one.status, other.status].toSorted()).toEqual([200, 429]);
  });
});

describe('a budget', () => {
  const usage = { inputTokens: 20, outputTokens: 80 };
  const models = { big: PLAIN_PRICE };
  const start = (budget: object, options: Parameters<typeof startTestGateway>[0] = {}) =>
    startTestGateway({
      answers: { big: plainAnswer(usage) },
      models,
      ...options,
      config: {
        ...withKeys({ name: 'team', key: TEAM, budget }, { name: 'other', key: 'key-of-other-0000' }),
        ...options.config,
      },
    });

  it('is never overdrawn by concurrent requests; further ones are refused as OpenAI does', async () => {
    // An answer costs 100 millionths of a dollar; about 130 are reserved for it.
    const gateway = kept(await start({ usd: 0.001, per: 'day' }, { clock: new ManualClock() }));
    // The series starts at 0: if it began with the first refusal, Prometheus would see no increase.
    const refusals = /^mixllm_limited_requests_total\{.*\} .*$/gm;
    expect((await get(`${gateway.url}/metrics`)).text.match(refusals)).toEqual([
      'mixllm_limited_requests_total{key="team",limit="budget"} 0',
    ]);
    const answers = await Promise.all(Array.from({ length: 30 }, () => chat(gateway, TEAM, { max_tokens: 80 })));
    const served = answers.filter(({ status }) => status === 200);
    for (const { status, json, headers } of answers) {
      if (status === 200) continue;
      expect([status, json.error.type, json.error.code]).toEqual([429, 'insufficient_quota', 'insufficient_quota']);
      expect(json.error.message).toMatch(/budget of key "team" \(\$0\.001 per day\)/);
      expect([headers.get('x-should-retry'), headers.get('retry-after')]).toEqual([
        'false',
        expect.stringMatching(/^\d+$/),
      ]);
    }
    const spent = served.reduce((sum, { headers }) => sum + Number(headers.get('x-mixllm-cost-usd')), 0);
    expect(served.length).toBeGreaterThan(5);
    expect(spent).toBeLessThanOrEqual(0.001 + 1e-12);
    // What was reserved but not used can be spent.
    while ((await chat(gateway, TEAM, { max_tokens: 80 })).status === 200) served.push(answers[0]);
    await settled(gateway);
    const ledger = gateway.gateway.learner.knowledge.keySpend.spent('team', 'day', 1_700_000_000_000);
    expect(ledger).toBeCloseTo(served.length * 0.0001, 12);
    expect(ledger).toBeGreaterThan(0.0009 - 1e-9);
    expect((await chat(gateway, 'key-of-other-0000')).status).toBe(200);
    expect((await chat(gateway, TEAM, { model: 'big' })).json.error.code).toBe('insufficient_quota');
    expect((await send(`${gateway.url}/v1/route`, ask('x'), { headers: bearer(TEAM) })).status).toBe(429);
  });

  it('is not overdrawn by a burst of very long answers if it is strict', async () => {
    const long = {
      answers: { big: plainAnswer({ inputTokens: 20, outputTokens: 10_000 }) },
      models: { big: { ...PLAIN_PRICE, max_output_tokens: 10_000 } },
    };
    const spentBy = async (strict: boolean) => {
      const gateway = kept(await start({ usd: 0.025, per: 'day', strict }, long));
      const answers = await Promise.all(Array.from({ length: 20 }, () => chat(gateway, TEAM)));
      return answers.reduce((sum, { headers }) => sum + Number(headers.get('x-mixllm-cost-usd')), 0);
    };
    expect(await spentBy(true)).toBeCloseTo(2 * 0.01002, 9);
    expect(await spentBy(false)).toBeGreaterThan(0.025);
  });

  it('reserves for all n answers, and for the full max_tokens', async () => {
    const gateway = kept(await start({ usd: 0.001, per: 'day' }));
    expect((await chat(gateway, TEAM, { max_tokens: 80, n: 20 })).status).toBe(429);
    expect((await chat(gateway, TEAM, { max_tokens: 980 })).status).toBe(429);
    expect((await chat(gateway, TEAM, { max_tokens: 80, n: 2 })).status).toBe(200);
  });

  it('reserves for a file or a sound by its size, but no more than the context window holds', async () => {
    const capabilities = ['files', 'audio'];
    const sized = { big: { ...models.big, capabilities } };
    const gateway = kept(await start({ usd: 0.001, per: 'day' }, { models: sized }));
    const file = (characters: number) => [
      { role: 'user', content: [{ type: 'file', file: { file_data: 'A'.repeat(characters) } }] },
    ];
    expect((await chat(gateway, TEAM, { max_tokens: 80, messages: file(4_000) })).status).toBe(200);
    const refused = await chat(gateway, TEAM, { max_tokens: 80, messages: file(40_000) });
    expect([refused.status, refused.json.error.code]).toEqual([429, 'insufficient_quota']);
    const sound = [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'A'.repeat(400_000) } }] }];
    expect((await chat(gateway, TEAM, { max_tokens: 80, messages: sound })).status).toBe(429);
    const narrow = { big: { ...sized.big, context_window: 600 } };
    const other = kept(await start({ usd: 0.001, per: 'day' }, { models: narrow }));
    expect((await chat(other, TEAM, { max_tokens: 80, messages: file(40_000) })).status).toBe(200);
  });

  it.each([
    ['a function call', { messages: [{ role: 'assistant', function_call: { name: 'f', arguments: LONG } }, USER] }],
    ['a name', { messages: [{ ...USER, name: LONG }] }],
    ['thoughts', { messages: [{ role: 'assistant', content: 'a', reasoning_content: LONG }, USER] }],
    ['a refusal', { messages: [{ role: 'assistant', content: [{ type: 'refusal', refusal: LONG }] }, USER] }],
    ['a predicted answer', { prediction: { type: 'content', content: LONG } }],
    ['a field that nobody knows', { documents: [{ [LONG]: 1 }] }],
    ['a text in the place of an image', { messages: [USER, { role: 'user', content: [imageAt(LONG)] }] }],
    ['thinking', { max_tokens: undefined, thinking: { type: 'enabled', budget_tokens: 60_000 } }],
    ['an effort', { max_tokens: undefined, n: 3, reasoning_effort: 'high' }],
  ])('reserves for input outside of message text, and for thinking: %s', async (_, fields) => {
    const sighted = { big: { ...models.big, capabilities: ['vision'] } };
    const gateway = kept(await start({ usd: 0.03, per: 'day' }, { models: sighted }));
    expect((await chat(gateway, TEAM, { max_tokens: 80 })).status).toBe(200);
    const refused = await chat(gateway, TEAM, { max_tokens: 80, ...fields });
    expect([refused.status, refused.json.error.code]).toEqual([429, 'insufficient_quota']);
  });

  it('excludes the arms it can no longer pay for, with the reason, while cheap ones still serve', async () => {
    const gateway = kept(
      await start(
        { usd: 0.001, per: 'day' },
        {
          answers: { big: plainAnswer(usage), small: plainAnswer(usage), free: plainAnswer(usage) },
          models: {
            ...models,
            small: { price: { input: 0.1, output: 0.1 } },
            free: { price: { input: 0, output: 0 } },
          },
        },
      ),
    );
    const route = async () => {
      const { json } = await send(`${gateway.url}/v1/route`, ask('x', { model: 'auto:1', max_tokens: 800 }), {
        headers: bearer(TEAM),
      });
      return Object.fromEntries(json.models.map((arm: { model: string }) => [arm.model, arm]));
    };
    expect((await route()).big.excluded).toBeNull();
    expect((await chat(gateway, TEAM, { model: 'big', max_tokens: 500 })).status).toBe(200);
    await chat(gateway, TEAM, { model: 'big', max_tokens: 500 });
    await chat(gateway, TEAM, { model: 'big', max_tokens: 500 });
    const { big, small, free } = await route();
    expect(big.excluded).toMatch(/may cost up to \$0\.0008\d+, and \$0\.000700 of the key's budget is left/);
    expect(big.worst_case_cost_usd).toBeGreaterThan(0.0008);
    expect([small.excluded, small.score !== null, free.worst_case_cost_usd]).toEqual([null, true, 0]);
    const answer = await chat(gateway, TEAM, { max_tokens: 800 });
    expect([answer.status, ['small', 'free'].includes(String(answer.headers.get('x-mixllm-model')))]).toEqual([
      200,
      true,
    ]);
    expect((await chat(gateway, TEAM, { model: 'free', max_tokens: 1e9 })).status).toBe(200);
  });

  it('does not fall back to an arm that it cannot pay for', async () => {
    const gateway = kept(
      await start(
        { usd: 0.001, per: 'day' },
        {
          answers: { big: plainAnswer(usage), small: plainAnswer({ status: 500 }) },
          models: { ...models, small: { price: { input: 0.1, output: 0.1 } } },
          config: { resilience: { retries: 0 }, routing: { weight: 0 } },
        },
      ),
    );
    const running = await Promise.all([1, 2, 3, 4].map(() => chat(gateway, TEAM, { max_tokens: 400 })));
    expect(running.map(({ status }) => status).sort()).toEqual([200, 200, 500, 500]);
    expect(gateway.upstreams.big.requests).toBe(2);
    // None counts as refused: an alert on that would say that the budget is spent.
    expect((await get(`${gateway.url}/metrics`)).text).toContain(
      'mixllm_limited_requests_total{key="team",limit="budget"} 0',
    );
  });

  it('survives a restart (even without a snapshot), follows a reload, and is renewed every period', async () => {
    const clock = new ManualClock(Date.parse('2026-03-31T20:00:00Z'));
    const storage = databaseInFolder();
    const options = { clock, config: storage };
    const count = async (gateway: TestGateway) => {
      let served = 0;
      while ((await chat(gateway, TEAM, { max_tokens: 80 })).status === 200) served++;
      return served;
    };
    const first = await start({ usd: 0.0005, per: 'day' }, options);
    // Each costs 0.0001, and about 0.00013 must be left.
    expect(await count(first)).toBe(4);
    await first.close();

    const second = await start({ usd: 0.0005, per: 'day' }, options);
    expect(await count(second)).toBe(0);
    const reload = (budget: object) => {
      const { config } = second.gateway;
      const [key, other] = config.auth.keys;
      const keys = [
        { ...key, key: TEAM, budget },
        { ...other, key: 'key-of-other-0000' },
      ] as typeof config.auth.keys;
      second.gateway.reload({ config: { ...config, auth: { keys } }, missingKeys: new Map() });
    };
    reload({ usd: 0.0008, per: 'month' });
    expect(await count(second)).toBe(3);
    await settled(second);
    // As after a crash before any snapshot.
    const snapshot = snapshotName(second.gateway.learner.knowledge);
    await second.gateway.store.saveSnapshot(snapshot, { sequence: 0, body: Buffer.from('lost') });
    const { store } = second.gateway;
    expect((await store.loadSnapshot(snapshot))?.body).toHaveLength(4);
    clock.advance(4 * 3_600_000);
    reload({ usd: 0.0008, per: 'day' });
    expect(await count(second)).toBe(7);
    await second.close();

    const third = kept(await start({ usd: 0.0009, per: 'month' }, options));
    expect(await count(third)).toBe(1);
  });

  it('counts spending not in the log yet, when a failed store becomes readable before writable', async () => {
    const [clock, store] = [new ManualClock(), new ReadOnlyStore()];
    store.failing = true;
    const gateway = kept(await start({ usd: 0.0005, per: 'day' }, { clock, store }));
    while ((await chat(gateway, TEAM, { max_tokens: 80 })).status === 200);
    store.failing = false;
    while (!gateway.logged.join('').includes('no room')) {
      clock.advance(1000);
      await settled(gateway);
    }
    expect(store.reads).not.toHaveLength(0);
    expect((await chat(gateway, TEAM, { max_tokens: 80 })).json.error.code).toBe('insufficient_quota');
  });

  it('is charged the predicted cost when a client leaves before there is any usage', async () => {
    const gateway = kept(
      await start({ usd: 0.01, per: 'day' }, { answers: { big: plainAnswer({ ...usage, delayMs: 60_000 }) } }),
    );
    const leave = new AbortController();
    const left = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(TEAM) },
      body: JSON.stringify(ask('x')),
      signal: leave.signal,
    });
    while (gateway.upstreams.big.requests === 0) await settled(gateway);
    leave.abort();
    await expect(left).rejects.toThrow();
    while (gateway.upstreams.big.aborted === 0) await settled(gateway);
    await settled(gateway);
    const spent = gateway.gateway.learner.knowledge.keySpend.spent('team', 'day', Date.now());
    // About 300 tokens.
    expect(spent).toBeGreaterThan(0.00025);
    expect(spent).toBeLessThan(0.00035);
  });
});

describe('an admin', () => {
  it("sees every key's decisions; other keys see only their own, and foreign ids look unknown", async () => {
    const config = withKeys(
      { name: 'team', key: TEAM },
      { name: 'other', key: 'key-of-other-0000' },
      { name: 'ops', key: ADMIN, role: 'admin' },
    );
    const gateway = kept(await startTestGateway({ config }));
    const { headers, json } = await chat(gateway);
    const id = String(headers.get('x-mixllm-decision-id'));
    const rated = await send(`${gateway.url}/feedback`, { id, score: 1 }, { headers: bearer(TEAM) });
    const feedbackId = rated.json.feedback_id;
    const other = { headers: bearer('key-of-other-0000') };
    for (const named of [id, json.id]) {
      const unknown = String(named).replace(/.$/, '!');
      const asBefore = (text: string) => text.replaceAll(unknown, named);
      for (const ask of [
        (which: string) => get(`${gateway.url}/v1/decisions/${encodeURIComponent(which)}`, other.headers),
        (which: string) => send(`${gateway.url}/v1/feedback`, { id: which, score: 0 }, other),
      ]) {
        const [strange, none] = [await ask(named), await ask(unknown)];
        expect([strange.status, strange.text]).toEqual([404, asBefore(none.text)]);
      }
    }
    const withdraw = (key: string) =>
      send(`${gateway.url}/feedback/${feedbackId}`, null, { method: 'DELETE', headers: bearer(key) });
    const refused = await withdraw('key-of-other-0000');
    const unknown = await send(`${gateway.url}/feedback/fb_0`, null, { method: 'DELETE', ...other });
    expect([refused.status, refused.text]).toEqual([404, unknown.text.replace('fb_0', feedbackId)]);
    expect((await get(`${gateway.url}/v1/decisions/${id}`, bearer(ADMIN))).json.ratings).toHaveLength(1);
    expect(
      (await send(`${gateway.url}/feedback`, { id, score: 0, source: 'audit' }, { headers: bearer(ADMIN) })).status,
    ).toBe(202);
    expect((await withdraw(ADMIN)).status).toBe(200);
  });

  it('alone may read the metrics of a gateway that others can reach', async () => {
    const config = {
      server: { port: 0, host: '0.0.0.0' },
      ...withKeys({ name: 'team', key: TEAM }, { name: 'ops', key: ADMIN, role: 'admin' }),
    };
    const gateway = kept(await startTestGateway({ config }));
    const url = gateway.url.replace('0.0.0.0', '127.0.0.1');
    expect((await get(`${url}/metrics`)).json.error.code).toBe('invalid_api_key');
    const refused = await get(`${url}/metrics`, bearer(TEAM));
    expect([refused.status, refused.json.error.code]).toEqual([403, 'admin_required']);
    expect((await get(`${url}/metrics`, bearer(ADMIN))).text).toContain('mixllm_');
    expect((await get(`${url}/health/ready`)).status).toBe(200);
    // A proxy on this machine asks on behalf of others.
    const own = kept(await startTestGateway({ config: withKeys({ name: 'team', key: 'short' }) }));
    expect((await get(`${own.url}/metrics`)).status).toBe(200);
    expect((await get(`${own.url}/metrics`, { 'x-forwarded-for': '203.0.113.9' })).status).toBe(401);
    expect(own.logged.join()).toMatch(/"key":"team","msg":"This key has fewer than 16 characters/);
    const closed = kept(await startTestGateway({ config: { ...config, ...withKeys({ name: 'team', key: TEAM }) } }));
    expect(closed.logged.join()).toMatch(/role: admin.*closed to everyone/);
  });

  it('is warned if a large body of one key can block those of other keys', async () => {
    const told = async (max_body_mb: number, ...names: string[]) => {
      const keys = names.map((name) => ({ name, key: `key-of-${name}-000000` }));
      const config = { server: { port: 0, max_body_mb, max_bodies_mb: 10 }, auth: { keys } };
      const gateway = kept(await startTestGateway({ config }));
      return gateway.logged.join().includes('large bodies of other keys are refused');
    };
    expect([await told(6, 'a', 'b'), await told(5, 'a', 'b'), await told(6, 'a')]).toEqual([true, false, false]);
  });

  it('cannot find keys in the config in memory, which holds only hashes', async () => {
    const gateway = kept(await startTestGateway({ config: withKeys({ name: 'team', key: TEAM }) }));
    expect(JSON.stringify(gateway.gateway.config)).not.toContain(TEAM);
    expect((await chat(gateway)).status).toBe(200);
  });
});
