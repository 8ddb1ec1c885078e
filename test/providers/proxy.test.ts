import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/domain/errors.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { callOf } from './contract.ts';
import { answerJson, type FakeUpstream, fixture, startUpstream } from './upstream.ts';

const PASSWORD = 'secret-of-the-proxy';
const AUTHORIZATION = `Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}`;

/** Forwards plain requests and opens tunnels for anyone with the password. */
async function startProxy() {
  const asked: string[] = [];
  const isKnown = ({ headers }: IncomingMessage) => headers['proxy-authorization'] === AUTHORIZATION;
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    if (!isKnown(incoming)) return void outgoing.writeHead(407).end();
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const onward = request(incoming.url ?? '', { method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  server.on('connect', (incoming: IncomingMessage, client: Socket) => {
    asked.push(`CONNECT ${incoming.url}`);
    if (!isKnown(incoming)) return void client.end('HTTP/1.1 407 No\r\n\r\n');
    const [host, port] = (incoming.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(client).pipe(onward);
    });
    for (const socket of [onward, client]) socket.on('error', () => onward.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { asked, server, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('a provider behind a proxy', () => {
  let upstream: FakeUpstream;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  beforeAll(async () => {
    upstream = await startUpstream();
    upstream.respond = answerJson(fixture('openai/tools.json'));
    proxy = await startProxy();
  });
  afterAll(async () => {
    proxy.server.closeAllConnections();
    proxy.server.close();
    await upstream.close();
  });

  const provider = (user: string, baseUrl = upstream.url) =>
    new OpenAIProvider({
      apiKey: 'key-of-provider',
      baseUrl,
      proxy: `http://${user}@${proxy.host}`,
      streamUsage: true,
      clock: systemClock,
    });

  it("is called through it, with the provider's key", async () => {
    const behind = provider(`ann:${PASSWORD}`);
    const before = proxy.asked.length;
    expect((await behind.complete(callOf({}))).finishReason).toBe('tool_calls');
    expect(proxy.asked.slice(before)).toEqual([`POST ${upstream.url}/chat/completions`]);
    expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer key-of-provider');
    await behind.close();
  });

  it('treats a proxy user name without a password as a secret', async () => {
    const behind = provider('token-of-the-team');
    const failure = await behind.complete(callOf({})).catch((error: unknown) => error);
    expect(JSON.stringify([failure, (failure as Error).message])).not.toContain('token-of-the-team');
    await behind.close();
  });

  it('speaks TLS to the upstream through a tunnel, so that the proxy sees no provider key', async () => {
    const received: Buffer[] = [];
    const tlsServer = createTcpServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', (bytes) => {
          received.push(bytes);
          socket.destroy();
        });
    });
    await once(tlsServer.listen(0, '127.0.0.1'), 'listening');
    const host = `127.0.0.1:${(tlsServer.address() as AddressInfo).port}`;
    const behind = provider(`ann:${PASSWORD}`, `https://${host}/v1`);
    await expect(behind.complete(callOf({}))).rejects.toBeInstanceOf(UpstreamError);
    expect(proxy.asked.at(-1)).toBe(`CONNECT ${host}`);
    // A TLS record of a handshake that holds a ClientHello (RFC 8446, sections 4 and 5.1).
    expect([received[0][0], received[0][1], received[0][5]]).toEqual([22, 3, 1]);
    expect(Buffer.concat(received).includes('key-of-provider')).toBe(false);
    await behind.close();
    tlsServer.close();
  });

  it('hides the proxy password in failures, with and without a tunnel', async () => {
    const wrong = 'wrong%40password-of-ann';
    for (const baseUrl of [upstream.url, upstream.url.replace('http:', 'https:')]) {
      const behind = provider(`ann:${wrong}`, baseUrl);
      const failure = await behind.complete(callOf({})).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(UpstreamError);
      expect(JSON.stringify([failure, (failure as Error).message])).not.toContain(wrong);
      await behind.close();
    }
    expect(proxy.asked.at(-1)).toBe(`CONNECT ${new URL(upstream.url).host}`);
  });

  it('is given up if the proxy does not open the tunnel within the connect timeout', async () => {
    const silent = createServer().on('connect', (_, client: Socket) => void client.on('error', () => {}));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const stuck = new OpenAIProvider({
      apiKey: 'key-of-provider',
      baseUrl: 'https://upstream.invalid',
      proxy: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
      streamUsage: true,
      clock: systemClock,
    });
    const call = { ...callOf({}), connectTimeoutMs: 100 };
    await expect(stuck.complete(call)).rejects.toMatchObject({ failure: 'connection' });
    await stuck.close();
    silent.closeAllConnections();
    silent.close();
  });
});
