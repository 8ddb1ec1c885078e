import { describe, expect, it } from 'vitest';
import type { LoadedConfig } from '../../src/config/load.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { COMPLETION, startRawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';

const kept = cleanup();

type Models = LoadedConfig['config']['models'];

function reloaded(gateway: TestGateway['gateway'], models: (before: Models) => Models): void {
  const { config } = gateway;
  gateway.reload({ config: { ...config, models: models(config.models) }, missingKeys: new Map() });
}

/** `small` is down or asks for a pause; `big` is healthy. */
async function start(status: number, headers: Record<string, string> = {}) {
  const down = kept(
    await startRawUpstream((response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end('{"error":{"message":"not now"}}');
    }),
  );
  const well = kept(await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION))));
  const config = { resilience: { retries: 0, breaker: { failures: 2, cooldown_s: 600 } } };
  const gateway = kept(await startTestGateway({ urls: { big: well.url, small: down.url }, config }));
  const chat = () => send(`${gateway.url}/v1/chat/completions`, ask('x', { model: 'auto:0' }));
  for (let i = 0; i < 3; i++) expect((await chat()).headers.get('x-mixllm-model')).toBe('big');
  const reload = (models: Parameters<typeof reloaded>[1]) => reloaded(gateway.gateway, models);
  const small = async () => {
    const { json } = await send(`${gateway.url}/v1/route`, ask('x', { model: 'auto:0' }));
    return json.models.find(({ model }: { model: string }) => model === 'small');
  };
  return { gateway, chat, reload, small };
}

describe('a model that moved to another upstream', () => {
  it.each([
    ['another provider', { provider: 'big' }],
    ['another model of it', { model: 'small-2' }],
  ])('is not held back by failures of the old one: %s', async (_, change) => {
    const { gateway, reload, small } = await start(500);
    expect((await small()).excluded).toContain('breaker open');
    reload((models) => models.map((model) => (model.id === 'small' ? { ...model, ...change } : model)));
    expect((await small()).excluded).toBeNull();
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_breaker_state{model="small"} 0');
  });

  it('ignores a pause that the old one asked for', async () => {
    const { chat, reload, small } = await start(429, { 'retry-after': '600' });
    expect((await small()).expected_wait_s).toBeGreaterThan(500);
    reload((models) => models.map((model) => (model.id === 'small' ? { ...model, provider: 'big' } : model)));
    expect((await small()).expected_wait_s).toBe(0);
    expect((await chat()).headers.get('x-mixllm-model')).toBe('small');
  });

  it('is not avoided for calls that still wait for the old one', async () => {
    const clock = new ManualClock();
    const hung: unknown[] = [];
    const silent = kept(await startRawUpstream((response) => hung.push(response)));
    const well = kept(await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION))));
    const test = kept(await startTestGateway({ urls: { big: well.url, small: silent.url }, clock }));
    const leaving = new AbortController();
    const chat = (signal?: AbortSignal) =>
      send(`${test.url}/v1/chat/completions`, ask('x', { model: 'auto:0' }), { signal });
    const waiting = [chat(leaving.signal), chat(leaving.signal)];
    kept({
      close: async () => {
        leaving.abort();
        await Promise.allSettled(waiting);
      },
    });
    await until(() => hung.length === 2);
    clock.advance(36_000);
    expect((await chat()).headers.get('x-mixllm-model')).toBe('big');
    reloaded(test.gateway, (models) => models.map((model) => ({ ...model, provider: 'big' })));
    expect((await chat()).headers.get('x-mixllm-model')).toBe('small');
  });

  it('stays excluded if only its price changed', async () => {
    const { reload, small } = await start(500);
    const price = { input: 0.1, output: 0.1, cached_input: 0.1, cache_write: 0.1 };
    reload((models) => models.map((model) => (model.id === 'small' ? { ...model, price } : model)));
    expect((await small()).excluded).toContain('breaker open');
  });
});

it('gauges of a removed model disappear', async () => {
  const { gateway, reload } = await start(500);
  reload((models) => models.filter(({ id }) => id !== 'small'));
  const { text } = await get(`${gateway.url}/metrics`);
  for (const gauge of ['breaker_state', 'in_flight_requests'])
    expect(text).not.toContain(`mixllm_${gauge}{model="small"}`);
  expect(text).toContain('mixllm_breaker_openings_total{model="small"} 1');
});
