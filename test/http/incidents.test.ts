import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/config/load.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { chunk, sse, startRawUpstream } from '../support/raw-upstream.ts';

const kept = cleanup();
const completions = ({ url }: TestGateway) => `${url}/v1/chat/completions`;
const metrics = async ({ url }: TestGateway) => (await get(`${url}/metrics`)).text;
const linesOf = ({ logged }: TestGateway, message: string) =>
  logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === message);
const KEYS = [
  { name: 'shop', key: 'key-of-shop-0000000000' },
  { name: 'ops', key: 'key-of-ops-00000000000', role: 'admin' },
];
const by = (name: string) => ({ headers: { authorization: `Bearer ${KEYS.find((key) => key.name === name)?.key}` } });

describe('the operator on call', () => {
  it('finds in the log why requests were refused; a flood of refusals adds one line a second', async () => {
    const clock = new ManualClock();
    const gateway = kept(await startTestGateway({ clock, config: { auth: { keys: KEYS } } }));
    const ids: (string | null)[] = [];
    const refused = async (model: string, options: object) => {
      ids.push(
        (await send(completions(gateway), ask('secret prompt', { model }), options)).headers.get('x-request-id'),
      );
    };
    for (let i = 0; i < 5; i++) await refused('nope', by('shop'));
    await refused('nope', by('ops'));
    await refused('auto', { headers: { authorization: 'Bearer key-of-nobody-00000000' } });
    clock.advance(1000);
    await refused('nope', by('shop'));
    clock.advance(1000);
    // Different errors of one client do not hide each other; possible client text is left out.
    for (const fields of [{ messages: [] }, { n: 0 }, { n: 0 }]) {
      await send(completions(gateway), ask('x', fields), by('shop'));
    }
    expect((await send(`${gateway.url}/admin/models`, null, { method: 'GET', ...by('shop') })).status).toBe(403);
    const [empty, none, admin, ...more] = linesOf(gateway, 'request refused').slice(-3);
    expect([empty, none, admin, more]).toMatchObject([
      { key: 'shop', status: 400, param: 'messages' },
      { key: 'shop', status: 400, param: 'n' },
      { key: 'shop', status: 403, code: 'admin_required' },
      [],
    ]);
    const told = linesOf(gateway, 'request refused')
      .slice(0, -3)
      .map(({ requestId, key, status, code, suppressed }) => {
        return [ids.indexOf(requestId), key, status, code, suppressed];
      });
    expect(told).toEqual([
      [0, 'shop', 404, 'model_not_found', undefined],
      [5, 'ops', 404, 'model_not_found', undefined],
      [6, undefined, 401, 'invalid_api_key', undefined],
      [7, 'shop', 404, 'model_not_found', 4],
    ]);
    expect(gateway.logged.join('')).not.toMatch(/secret prompt|nobody/);
  });

  it('sees who asked, in the log, the metrics and the decision record', async () => {
    const gateway = kept(await startTestGateway({ config: { auth: { keys: KEYS } } }));
    const answer = await send(completions(gateway), ask('x'), by('shop'));
    await settled(gateway);
    expect(linesOf(gateway, 'chat completion')).toMatchObject([
      { level: 30, key: 'shop', status: 200, inputTokens: 20, outputTokens: 10 },
    ]);
    const text = await metrics(gateway);
    expect(text).toContain('mixllm_key_decisions_total{key="shop"} 1');
    expect(text).toContain('mixllm_key_decisions_total{key="ops"} 0');
    expect(text).toContain('mixllm_key_tokens_total{key="shop",kind="output"} 10');
    const id = answer.headers.get('x-mixllm-decision-id');
    const { json } = await send(`${gateway.url}/v1/decisions/${id}`, null, { method: 'GET', ...by('ops') });
    expect(json.key).toBe('shop');
  });

  it.each([
    [400, 30],
    [401, 40],
    [500, 40],
  ])(
    'gets a warning for a failed request unless the client caused it: status %i at level %i',
    async (status, level) => {
      const gateway = kept(
        await startTestGateway({
          answers: { big: plainAnswer({ status, errorMessage: 'no' }) },
          config: { resilience: { retries: 0 } },
        }),
      );
      expect((await send(completions(gateway), ask('x'))).status).toBe(status);
      expect(linesOf(gateway, 'chat completion')).toMatchObject([{ level, outcome: 'failed', status }]);
      expect(await metrics(gateway)).toContain(
        `mixllm_upstream_errors_total{model="big",failure="status",status="${status}"} 1`,
      );
    },
  );

  it('gets a warning for an exhausted account, even if the upstream reports it with a 400', async () => {
    const gateway = kept(
      await startTestGateway({
        answers: {
          big: plainAnswer({ status: 400, errorMessage: 'Your credit balance is too low to access the API.' }),
        },
        config: { resilience: { retries: 0 } },
      }),
    );
    await send(completions(gateway), ask('x'));
    expect(linesOf(gateway, 'chat completion')).toMatchObject([{ level: 40, outcome: 'failed', status: 400 }]);
  });

  it('sees why the last call failed in the log line of an opened breaker', async () => {
    const gateway = kept(
      await startTestGateway({
        answers: { big: plainAnswer(), small: plainAnswer({ status: 401, errorMessage: 'no such key' }) },
        config: { resilience: { retries: 0, breaker: { failures: 1 } } },
      }),
    );
    await send(completions(gateway), ask('x', { model: 'auto:0' }));
    const message = "A model's breaker opened: the model is left out until a probe succeeds.";
    expect(linesOf(gateway, message)).toMatchObject([{ model: 'small', failures: 1, failure: 'status 401' }]);
  });

  it('sees from the start which models are off because their key is missing', async () => {
    const gateway = kept(
      await startTestGateway({
        config: {
          providers: {
            big: { type: 'openai', api_key: 'k', base_url: 'http://127.0.0.1:9' },
            small: { type: 'openai', api_key: `\${NOT_SET}` },
          },
        },
      }),
    );
    const text = await metrics(gateway);
    expect(text).toContain('mixllm_model_off{model="big"} 0');
    expect(text).toContain('mixllm_model_off{model="small"} 1');
  });

  it('sees models as off while they are, including those added by an admin, but not retired ones', async () => {
    const clock = new ManualClock();
    const gateway = kept(await startTestGateway({ clock }));
    const model = (id: string) => ({ id, provider: 'small', price: { input: 1, output: 2 } });
    for (const id of ['added', 'former']) await send(`${gateway.url}/admin/models`, model(id));
    await send(`${gateway.url}/admin/models/former`, null, { method: 'DELETE' });
    await settled(gateway);
    const { config } = gateway.gateway;
    gateway.gateway.reload({ config, missingKeys: new Map([['small', 'KEY']]) });
    clock.advance(20 * 60_000);
    await new Promise((resolve) => setImmediate(resolve));
    const off = (await metrics(gateway)).split('\n').filter((line) => line.startsWith('mixllm_model_off{'));
    expect(off.sort()).toEqual(
      ['added', 'big', 'small'].map((id) => `mixllm_model_off{model="${id}"} ${id === 'big' ? 0 : 1}`),
    );
    gateway.gateway.reload({ config, missingKeys: new Map() });
    expect(await metrics(gateway)).toContain('mixllm_model_off{model="added"} 0');
  });

  it('gets a warning for a stream that broke off', async () => {
    const broken = kept(
      await startRawUpstream((response) => {
        response.write(sse(chunk({ content: 'half' })));
        setTimeout(() => response.destroy(), 20);
      }),
    );
    const gateway = kept(await startTestGateway({ urls: { big: broken.url }, config: { resilience: { retries: 0 } } }));
    await send(completions(gateway), ask('x', { stream: true }));
    await settled(gateway);
    expect(linesOf(gateway, 'chat completion')).toMatchObject([{ level: 40, outcome: 'interrupted' }]);
  });

  it('can remove a key and add it again, which resets its request count', async () => {
    const limited = [{ ...KEYS[0], rpm: 1 }, KEYS[1]];
    const gateway = kept(await startTestGateway({ clock: new ManualClock(), config: { auth: { keys: limited } } }));
    const asked = async () => (await send(completions(gateway), ask('x'), by('shop'))).status;
    expect([await asked(), await asked()]).toEqual([200, 429]);
    const { config } = parseConfig(
      stringify({
        ...gateway.gateway.config,
        auth: { keys: limited },
      }),
      'test.yaml',
      {},
    );
    gateway.gateway.reload({ config, missingKeys: new Map() });
    expect(await asked()).toBe(429);
    for (const keys of [config.auth.keys.slice(1), config.auth.keys]) {
      gateway.gateway.reload({ config: { ...config, auth: { keys } }, missingKeys: new Map() });
    }
    expect(await asked()).toBe(200);
  });
});
