import { describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, startTestGateway, type TestGateway } from '../support/gateway.ts';

const PAGE = 'https://chat.example.com';
const KEYS = { auth: { keys: [{ name: 'page', key: 'page-key-0001', role: 'admin', rpm: 100, tpm: 1e6 }] } };
const kept = cleanup();
const start = async (origins: string[]) =>
  kept(await startTestGateway({ config: { server: { port: 0, cors_origins: origins }, ...KEYS } }));
const preflight = ({ url }: TestGateway, path: string, origin = PAGE) =>
  send(`${url}${path}`, null, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-stainless-lang',
    },
  });
const allowed = ({ headers }: { headers: Headers }) => headers.get('access-control-allow-origin');
const asPage = { origin: PAGE, authorization: 'Bearer page-key-0001' };

describe('server.cors_origins', () => {
  it('lets pages of the listed origins use the client API, and no other pages', async () => {
    const gateway = await start([PAGE, 'app://obsidian.md']);
    for (const path of ['/v1/chat/completions', '/v1/models', '/feedback', '/v1/decisions/dec_1']) {
      const { status, headers } = await preflight(gateway, path);
      expect([path, status, headers.get('access-control-allow-origin')]).toEqual([path, 204, PAGE]);
      expect(headers.get('access-control-allow-headers')).toBe('authorization,content-type,x-stainless-lang');
      expect(headers.get('access-control-allow-methods')).toContain('POST');
      expect(headers.get('vary')).toContain('Origin');
    }
    expect(allowed(await preflight(gateway, '/v1/models', 'app://obsidian.md'))).toBe('app://obsidian.md');
    expect(allowed(await preflight(gateway, '/v1/models', 'https://evil.example'))).toBeNull();
  });

  it('lets the page read plain answers, streams, errors and their headers', async () => {
    const { url } = await start([PAGE]);
    const whole = await send(`${url}/v1/chat/completions`, ask('x'), { headers: asPage });
    const streamed = await send(`${url}/v1/chat/completions`, ask('x', { stream: true }), { headers: asPage });
    const refused = await send(`${url}/v1/chat/completions`, ask('x'), { headers: { origin: PAGE } });
    const broken = await send(`${url}/v1/chat/completions`, '{', { headers: asPage });
    expect([whole, streamed, refused, broken].map(({ status }) => status)).toEqual([200, 200, 401, 400]);
    expect([whole, streamed, refused, broken].map(allowed)).toEqual(Array(4).fill(PAGE));
    const exposed = whole.headers.get('access-control-expose-headers')?.split(', ') ?? [];
    const own = [...whole.headers.keys()].filter((name) => /^x-(mixllm|ratelimit)-/.test(name));
    expect(own.length).toBeGreaterThan(11);
    expect(exposed).toEqual(expect.arrayContaining([...own, 'x-request-id', 'retry-after', 'x-should-retry']));
  });

  it('never opens the admin API or the metrics', async () => {
    const gateway = await start([PAGE]);
    for (const path of ['/admin/models', '/metrics', '/admin/models/big/reset']) {
      const answer = await preflight(gateway, path);
      expect([path, answer.status >= 400, allowed(answer)]).toEqual([path, true, null]);
    }
    for (const path of ['/admin/models', '/nope', '/']) {
      const { error } = (await preflight(gateway, path)).json;
      expect([path, error?.type]).toEqual([path, 'invalid_request_error']);
    }
    const answer = await get(`${gateway.url}/admin/models`, asPage);
    expect([answer.status, allowed(answer)]).toEqual([200, null]);
  });

  it('opens nothing unless it is set', async () => {
    const gateway = await start([]);
    const answer = await preflight(gateway, '/v1/models');
    expect([answer.status, allowed(answer)]).toEqual([405, null]);
    expect(allowed(await get(`${gateway.url}/v1/models`, asPage))).toBeNull();
  });

  it('may allow every origin if keys are required', async () => {
    const gateway = await start(['*']);
    expect(allowed(await preflight(gateway, '/v1/models', 'https://anywhere.example'))).toBe('*');
    // The origins stay in force until the next start, so the keys must stay too.
    const { config } = gateway.gateway;
    const without = { ...config, auth: { keys: [] }, server: { ...config.server, cors_origins: [] } };
    expect(() => gateway.gateway.reload({ config: without, missingKeys: new Map() })).toThrow('cors_origins');
    expect((await get(`${gateway.url}/v1/models`, { origin: PAGE })).status).toBe(401);
  });
});
