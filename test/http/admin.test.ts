import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshotName } from '../../src/gateway/learning/snapshots.ts';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { parseAnswer, sendBytes } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const kept = cleanup();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mixllm-admin-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const models = ({ url }: TestGateway, path = '') => `${url}/admin/models${path}`;
const patch = (gateway: TestGateway, id: string, body: object) =>
  send(models(gateway, `/${id}`), body, { method: 'PATCH' });
const retire = (gateway: TestGateway, id: string) => send(models(gateway, `/${id}`), null, { method: 'DELETE' });
const reset = (gateway: TestGateway, id: string) => send(models(gateway, `/${id}/reset`), null);
const chat = (gateway: TestGateway, model: string) => send(`${gateway.url}/v1/chat/completions`, ask('x', { model }));
const listed = async (gateway: TestGateway) =>
  (await get(`${gateway.url}/v1/models`)).json.data
    .map(({ id }: { id: string }) => id)
    .filter((id: string) => !/^auto/.test(id));
const one = async (gateway: TestGateway, id: string) =>
  (await get(models(gateway))).json.data.find((model: { id: string }) => model.id === id);
const NEW = {
  id: 'org/new',
  provider: 'big',
  model: 'new-2026',
  price: { input: 2, output: 8 },
  capabilities: ['tools'],
};

describe('/admin/models', () => {
  it('a change reaches an idle gateway on the same log within a second', async () => {
    const config = { storage: { url: `sqlite:${join(folder, 'log.db')}` } };
    const first = kept(await startTestGateway({ config }));
    const urls = Object.fromEntries(Object.entries(first.upstreams).map(([id, { url }]) => [id, url]));
    const clock = new ManualClock();
    const idle = kept(await startTestGateway({ urls, config, clock }));
    expect((await retire(first, 'small')).status).toBe(200);
    expect(await listed(idle)).toEqual(['big', 'small']);
    clock.advance(1000);
    await until(() => idle.gateway.learner.knowledge.modelChanges.size > 0);
    await idle.gateway.learner.idle();
    expect(await listed(idle)).toEqual(['big']);
  });

  it('adds, changes and retires models at once; changes survive restarts, even without a snapshot', async () => {
    const storage = { storage: { url: `sqlite:${join(folder, 'log.db')}` } };
    const upstreams = kept(await startTestGateway());
    const urls = Object.fromEntries(Object.entries(upstreams.upstreams).map(([id, { url }]) => [id, url]));
    const start = () => startTestGateway({ urls, config: storage });
    const first = await start();
    const added = await send(models(first), NEW);
    expect([added.status, added.json.state, added.json.source, added.json.max_concurrency]).toEqual([
      201,
      'active',
      'admin',
      32,
    ]);
    expect(await listed(first)).toEqual(['big', 'small', 'org/new']);
    const answer = await chat(first, 'org/new');
    expect([answer.status, answer.json.model, answer.headers.get('x-mixllm-provider')]).toEqual([
      200,
      'new-2026',
      'big',
    ]);
    expect(answer.headers.get('x-mixllm-cost-usd')).toBe('0.00012');

    const changed = await patch(first, 'org/new', { price: { output: 80 }, max_output_tokens: 500 });
    expect([changed.status, changed.json.price]).toEqual([200, { input: 2, output: 80 }]);
    expect((await chat(first, 'org/new')).headers.get('x-mixllm-cost-usd')).toBe('0.00084');
    expect((await patch(first, 'small', { price: { input: 0, output: 0 } })).json).toMatchObject({
      source: 'config',
      changed: { price: { input: 0, output: 0 } },
    });
    const gone = await retire(first, 'big');
    expect([gone.status, gone.json.state]).toEqual([200, 'retired']);
    for (const id of ['big', 'org/new']) {
      expect((await get(models(first, `/${id}`))).json).toEqual(await one(first, id));
    }
    expect((await get(models(first, '/none'))).status).toBe(404);
    await first.close();

    const second = await start();
    expect(await listed(second)).toEqual(['small', 'org/new']);
    expect((await chat(second, 'small')).headers.get('x-mixllm-cost-usd')).toBe('0');
    expect((await chat(second, 'org/new')).headers.get('x-mixllm-cost-usd')).toBe('0.00084');
    expect((await chat(second, 'big')).json.error.code).toBe('model_not_found');
    expect(await one(second, 'big')).toMatchObject({ state: 'retired', source: 'config' });
    expect(second.logged.join()).not.toMatch(/cannot be used/);

    // Also without a usable snapshot, from the log alone.
    await second.close();
    const store = new SqliteEventStore(join(folder, 'log.db'));
    await store.saveSnapshot(snapshotName(second.gateway.learner.knowledge), {
      sequence: 0,
      body: Buffer.from('lost'),
    });
    await store.close();
    const third = kept(await start());
    expect(await listed(third)).toEqual(['small', 'org/new']);
    const metrics = await get(`${third.url}/metrics`);
    expect(metrics.text).toContain('mixllm_learner_snapshots_rejected_total 1');
  });

  it('makes bit-identical predictions after a restart, even with admin prices that set a prior', async () => {
    const config = { storage: { url: `sqlite:${join(folder, 'log.db')}` } };
    const { upstreams } = kept(await startTestGateway());
    const urls = Object.fromEntries(Object.entries(upstreams).map(([id, { url }]) => [id, url]));
    const first = await startTestGateway({ urls, config });
    // A model without a prior of its own gets its expected quality from the list prices.
    await patch(first, 'small', { price: { output: 30 } });
    for (let i = 0; i < 8; i++) {
      const prompt = ['What is 17 * 23?', 'Write a sonnet', 'SELECT name FROM users', 'Translate: good morning'][i % 4];
      const { json } = await send(`${first.url}/v1/chat/completions`, ask(`${prompt} ${i}`, { model: 'auto' }));
      await send(`${first.url}/feedback`, { id: json.id, score: ((i * 7) % 10) / 10 });
    }
    const predicted = async (gateway: TestGateway) => {
      const { json } = await send(`${gateway.url}/v1/route`, ask('What is 9 * 8?'));
      return json.models.map((model: { quality: number; quality_sd: number }) => [model.quality, model.quality_sd]);
    };
    const before = await predicted(first);
    await first.close();
    const second = await startTestGateway({ urls, config });
    expect(await predicted(second)).toEqual(before);
    await second.close();
    // As after a kill: without the snapshot, from the log alone.
    const database = new DatabaseSync(join(folder, 'log.db'));
    database.exec('DELETE FROM snapshots');
    database.close();
    expect(await predicted(kept(await startTestGateway({ urls, config })))).toEqual(before);
  });

  it('lets running requests of a retired model finish, and keeps late ratings for when it is added again', async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const gateway = kept(
      await startTestGateway({
        answers: {
          big: async (request) => {
            if (request.stream) await gate;
            return plainAnswer()(request);
          },
          small: plainAnswer(),
        },
      }),
    );
    const early = await chat(gateway, 'big');
    const running = send(`${gateway.url}/v1/chat/completions`, ask('x', { model: 'big', stream: true }));
    while ((await one(gateway, 'big')).in_flight === 0) await settled(gateway);
    await retire(gateway, 'big');
    expect((await chat(gateway, 'big')).status).toBe(404);
    open();
    const { status, text } = await running;
    expect([status, text.endsWith('data: [DONE]\n\n')]).toEqual([200, true]);
    expect((await send(`${gateway.url}/feedback`, { id: early.json.id, score: 1 })).status).toBe(202);
    expect(await one(gateway, 'big')).toMatchObject({ state: 'retired', ratings: 1, in_flight: 0 });
    // Fields missing from the new entry come from the config file.
    const back = await send(models(gateway), { id: 'big' });
    expect([back.status, back.json]).toEqual([
      201,
      expect.objectContaining({ state: 'active', ratings: 1, price: { input: 10, output: 40 } }),
    ]);
    expect(await listed(gateway)).toEqual(['big', 'small']);
  });

  it('treats a changed upstream model as a new snapshot that keeps a quarter of the learning, once', async () => {
    const storage = { storage: { url: `sqlite:${join(folder, 'log.db')}` } };
    const upstreams = kept(await startTestGateway());
    const urls = Object.fromEntries(Object.entries(upstreams.upstreams).map(([id, { url }]) => [id, url]));
    const start = (big: object = {}) => startTestGateway({ urls, config: storage, models: { big } });
    const ratings = async (gateway: TestGateway) => {
      await settled(gateway);
      // The snapshot change is an event of its own, recorded after the change that caused it.
      await settled(gateway);
      return (await one(gateway, 'big')).ratings;
    };
    const first = await start();
    for (let i = 0; i < 4; i++) {
      const { json } = await chat(first, 'big');
      await send(`${first.url}/feedback`, { id: json.id, score: 1 });
    }
    expect([await ratings(first), (await one(first, 'big')).snapshot_change]).toEqual([4, null]);
    await patch(first, 'big', { model: 'big-2026-11' });
    expect(await ratings(first)).toBe(1);
    const change = { from: 'big', to: 'big-2026-11', remains: 0.25, created: expect.any(Number) };
    expect((await one(first, 'big')).snapshot_change).toEqual(change);
    expect((await get(`${first.url}/metrics`)).text).toContain('mixllm_snapshot_changes_total{model="big"} 1');
    await first.close();

    const second = await start();
    expect(await ratings(second)).toBe(1);
    // Nothing has answered under the new name yet: correcting a mistake costs nothing.
    await patch(second, 'big', { model: null });
    expect(await ratings(second)).toBe(4);
    await chat(second, 'big');
    await second.close();
    // The config file can change the model too.
    const third = kept(await start({ model: 'big-2027-01' }));
    expect(await ratings(third)).toBe(1);
    expect((await one(third, 'big')).snapshot_change).toEqual({ ...change, from: 'big', to: 'big-2027-01' });
    expect(third.logged.join()).toContain('The upstream model has changed');
  });

  it('a reset forgets what was learned about a model; ratings of earlier answers no longer count', async () => {
    const gateway = kept(await startTestGateway());
    const rate = async (model: string) => {
      const { json } = await chat(gateway, model);
      return (await send(`${gateway.url}/feedback`, { id: json.id, score: 0 })).json.feedback_id;
    };
    const figures = async () => {
      const { json } = await send(`${gateway.url}/v1/route`, ask('x'));
      return json.models.map((arm: Record<string, unknown>) => [arm.ratings, arm.quality, arm.output_tokens]);
    };
    const fresh = await figures();
    const early = await rate('big');
    const answered = await chat(gateway, 'big');
    await settled(gateway);
    expect((await figures())[0][0]).toBe(1);
    const drift = { direction: 'worse', statistic: 16, threshold: 15, remains: 0.1 } as const;
    const alarm = {
      type: 'drifted',
      decisionId: null,
      time: 1_800_000_000_500,
      model: 'big',
      at: 1e6,
      ...drift,
    } as const;
    await gateway.gateway.eventLog.recordDurably(alarm);
    await settled(gateway);
    expect((await one(gateway, 'big')).drift).toEqual({ ...drift, created: 1_800_000_000 });
    // Some clients send a content type without a body.
    const done = await send(models(gateway, '/big/reset'), null, {
      headers: { 'content-type': 'application/json' },
      method: 'POST',
    });
    expect([done.status, done.json.ratings, done.json.drift]).toEqual([200, 0, null]);
    const after = await figures();
    [...after.flat()].forEach((figure, i) => {
      expect(figure).toBeCloseTo(fresh.flat()[i], 9);
    });
    expect((await send(`${gateway.url}/feedback/${early}`, null, { method: 'DELETE' })).status).toBe(200);
    expect((await send(`${gateway.url}/feedback`, { id: answered.json.id, score: 1 })).status).toBe(202);
    await settled(gateway);
    expect(await figures()).toEqual(after);
    await rate('big');
    await settled(gateway);
    expect((await figures())[0][0]).toBe(1);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_admin_changes_total{change="reset"} 1');
  });

  it('admin settings override the config file until removed, and are refused for a model it dropped', async () => {
    const gateway = kept(await startTestGateway());
    const reload = (price: { input: number; output: number }, others: string[] = ['small']) => {
      const { config } = gateway.gateway;
      const left = config.models.filter(({ id }) => id === 'big' || others.includes(id));
      const now = left.map((model) => (model.id === 'big' ? { ...model, price } : model));
      gateway.gateway.reload({ config: { ...config, models: now }, missingKeys: new Map() });
    };
    await patch(gateway, 'big', { price: { output: 5 } });
    reload({ input: 3, output: 7 });
    expect((await one(gateway, 'big')).price).toEqual({ input: 3, output: 5 });
    expect((await patch(gateway, 'big', { price: null })).json.price).toEqual({ input: 3, output: 7 });
    expect((await one(gateway, 'big')).changed).toBeNull();
    await send(models(gateway), NEW);
    await patch(gateway, 'small', { prior: { like: 'org/new' } });
    // The file drops a model that an admin had changed: the change alone is not a complete model.
    reload({ input: 3, output: 7 }, []);
    expect(await listed(gateway)).toEqual(['big', 'org/new']);
    expect(await one(gateway, 'small')).toMatchObject({
      state: 'refused',
      problem: expect.stringMatching(/^provider: /),
    });
    expect(gateway.logged.join()).toMatch(/Changes to a model by admins cannot be used/);
  });

  it('ignores only those admin changes that a reloaded config made invalid', async () => {
    const gateway = kept(await startTestGateway());
    const reload = (change: (config: typeof gateway.gateway.config) => object) => {
      const { config } = gateway.gateway;
      gateway.gateway.reload({ config: { ...config, ...change(config) }, missingKeys: new Map() });
    };
    await patch(gateway, 'big', { price: { output: 99 }, provider: 'small', max_concurrency: 3 });
    await send(models(gateway), { ...NEW, prior: { like: 'small' } });
    reload(({ models: listed, providers: { big } }) => ({
      providers: { big },
      models: listed.filter(({ id }) => id === 'big'),
    }));
    const big = await one(gateway, 'big');
    expect(big).toMatchObject({ state: 'active', provider: 'big', problem: expect.stringMatching(/^provider: /) });
    // The admin's price belonged to the other provider.
    expect([big.price.output, big.max_concurrency]).toEqual([40, 3]);
    expect((await patch(gateway, 'big', { max_concurrency: 5 })).json.max_concurrency).toBe(5);
    // Its `prior` refers to a model that is gone.
    const added = await one(gateway, NEW.id);
    expect(added).toMatchObject({ state: 'active', problem: expect.stringMatching(/^prior\.like: /) });
    expect(added.prior).toBeUndefined();
    // New changes that would be ignored are rejected, whatever is wrong already; others are accepted.
    for (const change of [{ prior: { like: 'nobody' } }, { price: { output: 55 } }, { model: 'x-2' }]) {
      expect([change, (await patch(gateway, 'big', change)).status]).toEqual([change, 400]);
    }
    expect((await patch(gateway, 'big', { provider: 'big' })).json).toMatchObject({
      problem: null,
      price: { output: 99 },
    });
    expect((await patch(gateway, NEW.id, { prior: { quality: 0.7 } })).json.problem).toBeNull();
  });

  it('rejects invalid requests with OpenAI-style errors and changes nothing', async () => {
    const gateway = kept(await startTestGateway());
    const before = await get(models(gateway));
    const post = (body: object | string) => send(models(gateway), body);
    const cases: [
      Promise<{ status: number; json: { error: { param: string | null; code: string | null } } }>,
      number,
      string | null,
      string | null,
    ][] = [
      [post({ ...NEW, id: 'big' }), 409, 'id', 'model_exists'],
      [post({ ...NEW, id: 'auto:x' }), 400, 'id', null],
      [post({ ...NEW, id: 'a b' }), 400, 'id', null],
      [post({ ...NEW, id: 7 }), 400, 'id', null],
      [post({ ...NEW, provider: 'none' }), 400, 'provider', null],
      [post({ ...NEW, provider: '__proto__' }), 400, 'provider', null],
      [post({ id: 'x', provider: 'big' }), 400, 'price', null],
      [post({ ...NEW, price: { input: -1, output: 1 } }), 400, 'price.input', null],
      [post({ ...NEW, price: { input: 1e300, output: 1 } }), 400, 'price.input', null],
      [post('{"id":"x","provider":"big","price":{"input":1e999,"output":1}}'), 400, 'price.input', null],
      [post('{"id":"x","provider":"big","price":{"input":NaN,"output":1}}'), 400, null, 'invalid_json'],
      [post({ ...NEW, base_url: 'http://169.254.169.254/' }), 400, 'base_url', null],
      [patch(gateway, 'big', { price: { output: 3 }, colour: 'red' }), 400, 'colour', null],
      [post({ ...NEW, api_key: 'x' }), 400, 'api_key', null],
      [
        post('{"id":"x","provider":"big","price":{"input":1,"output":1},"__proto__":{"admin":true}}'),
        400,
        null,
        'invalid_json',
      ],
      [post({ ...NEW, context_window: 1.5 }), 400, 'context_window', null],
      [post('[]'), 400, null, null],
      [post(''), 400, null, 'invalid_json'],
      [patch(gateway, 'big', {}), 400, null, null],
      [patch(gateway, 'big', { id: 'small' }), 400, 'id', null],
      [patch(gateway, 'big', { price: 3 }), 400, 'price', null],
      [patch(gateway, 'big', { provider: 'none' }), 400, 'provider', null],
      [patch(gateway, 'none', { price: { input: 1 } }), 404, 'model', 'model_not_found'],
      [retire(gateway, 'none'), 404, 'model', 'model_not_found'],
      [reset(gateway, 'none'), 404, 'model', 'model_not_found'],
      [send(models(gateway, '/big/explode'), null), 404, 'model', 'model_not_found'],
    ];
    for (const [i, [answer, status, param, code]] of cases.entries()) {
      const { json, ...rest } = await answer;
      expect([i, rest.status, json.error?.param, json.error?.code]).toEqual([i, status, param, code]);
    }
    expect((await get(models(gateway))).json).toEqual(before.json);
    expect((await retire(gateway, 'big')).status).toBe(200);
    expect((await retire(gateway, 'big')).status).toBe(404);
    // No provider lacks its key, so the error must not send the operator looking for one.
    const { config } = gateway.gateway;
    const withoutSmall = { ...config, models: config.models.filter(({ id }) => id !== 'small') };
    expect(() => gateway.gateway.reload({ config: withoutSmall, missingKeys: new Map() })).toThrow(
      /^No model can be called: admins have retired "big"\./,
    );
    const last = await retire(gateway, 'small');
    expect([last.status, last.json.error.code]).toEqual([409, 'last_model']);
    expect('admin' in {}).toBe(false);
  });

  it('undoes a retirement that leaves no model because the config was reloaded meanwhile', async () => {
    const test = kept(await startTestGateway());
    const { gateway } = test;
    // A change that no longer fits the reloaded file must not get in the way.
    expect((await patch(test, 'big', { price: { input: 3 }, prior: { like: 'small' } })).status).toBe(200);
    const append = gateway.store.append.bind(gateway.store);
    gateway.store.append = (events) => {
      const withoutSmall = { ...gateway.config, models: gateway.config.models.filter(({ id }) => id !== 'small') };
      if (events.some(({ type }) => type === 'model_retired')) {
        gateway.reload({ config: withoutSmall, missingKeys: new Map() });
      }
      return append(events);
    };
    const answer = await retire(test, 'big');
    expect([answer.status, answer.json.error.code]).toEqual([409, 'last_model']);
    expect(await one(test, 'big')).toMatchObject({ state: 'active', price: { input: 3 } });
    expect((await chat(test, 'auto')).status).toBe(200);
  });

  it('undoes retirements that leave no model because another gateway retired the rest at the same time', async () => {
    const config = { storage: { url: `sqlite:${join(folder, 'log.db')}` } };
    const first = kept(await startTestGateway({ config }));
    const urls = Object.fromEntries(Object.entries(first.upstreams).map(([id, { url }]) => [id, url]));
    const second = kept(await startTestGateway({ urls, config }));
    const answers = await Promise.all([retire(first, 'big'), retire(second, 'small')]);
    expect(answers.map(({ status }) => status)).toContain(409);
    for (const gateway of [first, second]) {
      await until(async () => (await listed(gateway)).length > 0 && (await chat(gateway, 'auto')).status === 200);
    }
    const third = kept(await startTestGateway({ urls, config }));
    expect((await chat(third, 'auto')).status).toBe(200);
  });

  it('rejects models of a provider that has no key, and answers 503 to changes that cannot be stored', async () => {
    const gateway = kept(
      await startTestGateway({
        config: {
          providers: {
            on: { type: 'openai', base_url: 'http://127.0.0.1:9/v1' },
            off: { type: 'openai', api_key: '${' + 'ABSENT}' },
          },
        },
        models: { big: { provider: 'on' }, small: { provider: 'on' } },
      }),
    );
    const moved = await patch(gateway, 'small', { provider: 'off' });
    expect([moved.status, moved.json.error.code]).toEqual([400, 'provider_disabled']);
    const off = await send(models(gateway), { ...NEW, provider: 'off' });
    expect([off.status, off.json.error.code]).toEqual([400, 'provider_disabled']);
    const { store } = gateway.gateway;
    const append = store.append.bind(store);
    store.append = () => Promise.reject(new Error('the disk is full'));
    const failed = await patch(gateway, 'big', { price: { input: 1 } });
    expect([failed.status, failed.json.error.code]).toEqual([503, 'store_unavailable']);
    store.append = append;
    expect((await one(gateway, 'big')).changed).toBeNull();
    expect((await patch(gateway, 'big', { price: { input: 1 } })).status).toBe(200);
  });

  it('requires an admin key if set or reachable by others; rejects proxied and cross-site requests', async () => {
    const keys = [{ name: 'team', key: 'key-of-team-000000' }];
    const admin = { name: 'ops', key: 'key-of-admin-000000', role: 'admin' };
    const ask = async (gateway: TestGateway, headers: Record<string, string>) =>
      (await get(`${gateway.url.replace('0.0.0.0', '127.0.0.1')}/admin/models`, headers)).status;
    const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
    for (const config of [
      { server: { port: 0 }, auth: { keys: [...keys, admin] } },
      { server: { port: 0, host: '0.0.0.0' }, auth: { keys: [...keys, admin] } },
    ]) {
      const gateway = kept(await startTestGateway({ config }));
      expect(await ask(gateway, {})).toBe(401);
      expect(await ask(gateway, bearer(keys[0].key))).toBe(403);
      expect(await ask(gateway, bearer(admin.key))).toBe(200);
    }
    const exposed = kept(await startTestGateway({ config: { server: { port: 0, host: '0.0.0.0' }, auth: { keys } } }));
    expect([await ask(exposed, {}), await ask(exposed, bearer(keys[0].key))]).toEqual([401, 403]);
    const own = kept(await startTestGateway());
    expect(await ask(own, {})).toBe(200);
    // Others who come by way of this machine: through a proxy on it, or a page in a browser on it.
    for (const [name, value] of [
      ['x-forwarded-for', '203.0.113.9'],
      ['sec-fetch-site', 'cross-site'],
      ['origin', 'https://example.com'],
      ['origin', 'null'],
    ]) {
      expect(await ask(own, { [name]: value })).toBe(403);
    }
    expect(await ask(own, { origin: own.url })).toBe(200);
    // A page whose host name was rebound to this machine. Sent as raw bytes because fetch would not send another host.
    const rebound = async (path: string, page: string, to: TestGateway = own) => {
      const bytes = `${path} HTTP/1.1\r\nhost: evil.example:81\r\n${page}connection: close\r\ncontent-length: 0\r\n\r\n`;
      return parseAnswer(await sendBytes(to.url, bytes)).status;
    };
    for (const path of ['/v1/chat/completions', '/v1/route', '/feedback', '/admin/models']) {
      expect(await rebound(`POST ${path}`, 'origin: http://evil.example:81\r\n')).toBe(403);
      // As Firefox sends it when the page asks it to hide its origin.
      expect(await rebound(`POST ${path}`, 'origin: null\r\n')).toBe(403);
    }
    expect(await rebound('GET /v1/models', 'referer: http://evil.example:81/page\r\n')).toBe(403);
    // A program that calls the gateway by another host name, for instance through a proxy, is not a page.
    expect(await rebound('GET /v1/models', '')).toBe(200);
    const config = { server: { port: 0, cors_origins: ['https://chat.example.com'] } };
    const opened = kept(await startTestGateway({ config }));
    expect(await rebound('GET /v1/models', 'origin: https://chat.example.com\r\n', opened)).toBe(200);
    expect(await rebound('GET /v1/models', 'origin: http://evil.example:81\r\n', opened)).toBe(403);
  });
});
