import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Agent, request } from 'undici';
import { expect, it } from 'vitest';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import type { ProviderCall } from '../../src/providers/provider.ts';
import { StaleConnections } from '../../src/providers/stale-connections.ts';
import { systemClock } from '../../src/util/clock.ts';
import { certificate } from '../support/certificate.ts';
import { cleanup } from '../support/cleanup.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { COMPLETION, chunk, sse, startRawUpstream } from '../support/raw-upstream.ts';

const kept = cleanup();

const ENDS = {
  closed: ({ socket }: ServerResponse) => void socket?.end(),
  reset: ({ socket }: ServerResponse) => void socket?.resetAndDestroy(),
  begun: (response: ServerResponse) => void response.write('{', () => response.socket?.end()),
};

/** A server that accepts so many requests per connection and ends it at the next, as if it had already been closing. */
async function serving(perConnection: number, end: keyof typeof ENDS) {
  const served = new Map<unknown, number>();
  const upstream = kept(
    await startRawUpstream((response, body, request) => {
      const before = served.get(request.socket) ?? 0;
      served.set(request.socket, before + 1);
      if (before >= perConnection) ENDS[end](response);
      else
        response.end(
          JSON.parse(body).stream ? sse(chunk({ content: 'x' }, 'stop'), '[DONE]') : JSON.stringify(COMPLETION),
        );
    }),
  );
  const provider = kept(
    new OpenAIProvider({ apiKey: '', baseUrl: upstream.url, streamUsage: true, clock: systemClock }),
  );
  return { upstream, provider };
}

function call(stream: boolean): ProviderCall {
  const body = { model: 'm', messages: [{ role: 'user', content: 'x' }], stream };
  const { signal } = new AbortController();
  return {
    request: { text: JSON.stringify(body), body },
    model: 'm',
    maxOutputTokens: null,
    adapt: false,
    signal,
    connectTimeoutMs: 1000,
  };
}

it.each(['closed', 'reset'] as const)('sends a request again if its connection was just being %s', async (end) => {
  const { upstream, provider } = await serving(1, end);
  await provider.complete(call(false));
  // The connection is free only after this turn.
  await nextTurn();
  await provider.complete(call(false));
  // The first request, the lost one, and its repetition.
  expect(upstream.bodies).toHaveLength(3);
  const other = await serving(1, end);
  await other.provider.complete(call(false));
  await nextTurn();
  const { pieces } = await other.provider.stream(call(true));
  for await (const { bytes } of pieces) expect(bytes.length).toBeGreaterThan(0);
  expect(other.upstream.bodies).toHaveLength(3);
});

it.each(['closed', 'reset'] as const)('treats a new connection that is %s as a failure', async (end) => {
  const { upstream, provider } = await serving(0, end);
  await expect(provider.complete(call(false))).rejects.toMatchObject({ failure: 'connection' });
  await expect(provider.stream(call(true))).rejects.toMatchObject({ failure: 'connection' });
  expect(upstream.bodies).toHaveLength(2);
});

it('does not send a request again if its answer had begun', async () => {
  const { upstream, provider } = await serving(1, 'begun');
  await provider.complete(call(false));
  await nextTurn();
  await expect(provider.complete(call(false))).rejects.toMatchObject({ failure: 'connection' });
  expect(upstream.bodies).toHaveLength(2);
});

it.each([
  ['part of a header', 'HTTP/1.1 200 OK\r\nconte'],
  ['what is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ['a lone 100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n'],
])('does not send a request again that was answered with %s, on a new or an old connection', async (_, bytes) => {
  const whole = JSON.stringify(COMPLETION);
  const answer = `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(whole)}\r\n\r\n${whole}`;
  for (const before of [0, 1]) {
    let requests = 0;
    const server = createServer((socket) => {
      let served = 0;
      socket.on('error', () => {});
      socket.on('data', (data) => {
        if (!data.includes('POST')) return;
        requests++;
        if (served++ < before) socket.write(answer);
        else socket.end(bytes);
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = kept(new OpenAIProvider({ apiKey: '', baseUrl: url, streamUsage: true, clock: systemClock }));
    for (let i = 0; i < before; i++) {
      await provider.complete(call(false));
      await nextTurn();
    }
    await expect(provider.complete(call(false))).rejects.toMatchObject({ failure: 'connection' });
    expect(requests).toBe(before + 1);
    server.close();
  }
});

const tls = certificate();

it.skipIf(!tls)('treats a new TLS connection that is closed as a failure (needs openssl)', async () => {
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, String(tls?.cert)]);
  let requests = 0;
  const server = createTlsServer(tls ?? {}, (socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      requests++;
      socket.end();
    });
  });
  await once(server.listen(0, 'localhost'), 'listening');
  try {
    const baseUrl = `https://localhost:${(server.address() as AddressInfo).port}`;
    const provider = kept(new OpenAIProvider({ apiKey: '', baseUrl, streamUsage: true, clock: systemClock }));
    await expect(provider.complete(call(false))).rejects.toMatchObject({ failure: 'connection' });
    expect(requests).toBe(1);
  } finally {
    setDefaultCACertificates(trusted);
    server.close();
  }
});

it.skipIf(!tls)('sends a request again through a proxy too (needs openssl)', async () => {
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, String(tls?.cert)]);
  const whole = JSON.stringify(COMPLETION);
  let requests = 0;
  const server = createTlsServer(tls ?? {}, (socket) => {
    let served = 0;
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (!data.includes('POST')) return;
      requests++;
      if (served++ === 0)
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(whole)}\r\n\r\n${whole}`);
      else socket.end();
    });
  });
  const proxy = createHttpServer().on('connect', ({ url = '' }: { url?: string }, client: Socket) => {
    const onward = connect(Number(url.split(':')[1]), 'localhost', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(client).pipe(onward);
    });
    for (const socket of [onward, client]) socket.on('error', () => onward.destroy());
  });
  await Promise.all([server, proxy].map((each) => once(each.listen(0, 'localhost'), 'listening')));
  const portOf = (each: typeof server | typeof proxy) => (each.address() as AddressInfo).port;
  const provider = new OpenAIProvider({
    apiKey: '',
    baseUrl: `https://localhost:${portOf(server)}`,
    proxy: `http://localhost:${portOf(proxy)}`,
    streamUsage: true,
    clock: systemClock,
  });
  try {
    await provider.complete(call(false));
    await nextTurn();
    await provider.complete(call(false));
    expect(requests).toBe(3);
  } finally {
    await provider.close();
    setDefaultCACertificates(trusted);
    proxy.closeAllConnections();
    proxy.close();
    server.close();
  }
});

it.each([
  ['three times at most', 300, 3],
  ['once where it was lost after more than a second, and may have been worked on', 1001, 1],
])('sends a request %s', async (_, lostAfterMs, times) => {
  const { upstream } = await serving(1, 'closed');
  const clock = new ManualClock();
  const stale = new StaleConnections(clock);
  const ask = async (dispatcher: Agent) => {
    const { body } = await request(upstream.url, { method: 'POST', body: '{}', dispatcher });
    await body.dump();
  };
  // A pool replaces the connection it lost, so each agent has one.
  const agents = Array.from({ length: 4 }, () => kept(new Agent({ connect: stale.connector(1000) })));
  await Promise.all(agents.map(ask));
  await nextTurn();
  let sent = 0;
  const lost = () => ask(agents[sent++]).finally(() => clock.advance(lostAfterMs));
  await expect(stale.retryOnStale(lost)).rejects.toThrow('closed');
  expect(sent).toBe(times);
});
