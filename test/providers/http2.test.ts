import { once } from 'node:events';
import { createServer } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { certificate } from '../support/certificate.ts';

/** OpenAI's own servers and most others behind TLS speak HTTP/2, which undici uses where it can. */

const COMPLETION = {
  ...{ id: 'c1', model: 'm', usage: { prompt_tokens: 3, completion_tokens: 4 } },
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
};
const event = (delta: object, more = {}) =>
  `data: ${JSON.stringify({ id: 'c2', model: 'm', choices: [{ index: 0, delta, ...more }] })}\n\n`;

function answer(stream: ServerHttp2Stream, body: string): void {
  if (body.includes('hang')) return;
  if (body.includes('cut')) return void stream.session?.destroy();
  if (body.includes('refuse')) {
    stream.respond({ ':status': 429, 'retry-after': '3', 'content-type': 'application/json' });
    stream.end('{"error":{"message":"slow down"}}');
  } else if (body.includes('"stream":true')) {
    stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
    stream.write(event({ content: 'one' }));
    if (!body.includes('endless')) stream.end(`${event({}, { finish_reason: 'stop' })}data: [DONE]\n\n`);
  } else {
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'x-request-id': 'r1' });
    stream.end(JSON.stringify(COMPLETION));
  }
}

const tls = certificate();

describe.skipIf(!tls)('an upstream that speaks HTTP/2 (needs openssl to make a certificate)', () => {
  const trusted = getCACertificates('default');
  const cancelled: string[] = [];
  const keys: (string | undefined)[] = [];
  let asked = 0;
  let server: Http2SecureServer;
  let provider: OpenAIProvider;

  beforeAll(async () => {
    if (!tls) return;
    setDefaultCACertificates([...trusted, tls.cert.toString()]);
    // HTTP/1.1 is not offered, so a client that speaks it fails.
    server = createSecureServer({ ...tls, allowHTTP1: false });
    server.on('stream', (stream, { authorization }) => {
      asked++;
      keys.push(authorization);
      let body = '';
      stream.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      stream.on('error', () => {});
      stream.once('end', () => answer(stream, body));
      stream.once('aborted', () => cancelled.push(body));
    });
    await once(server.listen(0, 'localhost'), 'listening');
    const baseUrl = `https://localhost:${(server.address() as AddressInfo).port}/v1`;
    provider = new OpenAIProvider({ apiKey: 'sk-of-the-test', baseUrl, streamUsage: true, clock: systemClock });
  });
  afterAll(async () => {
    setDefaultCACertificates(trusted);
    await provider.close();
    server.close();
  });

  const call = (content: string, more: { stream?: boolean; signal?: AbortSignal } = {}) => {
    const body = { model: 'm', messages: [{ role: 'user', content }], ...(more.stream && { stream: true }) };
    return {
      request: { text: JSON.stringify(body), body },
      ...{ model: 'm', maxOutputTokens: null, adapt: true, connectTimeoutMs: 3000 },
      signal: more.signal ?? new AbortController().signal,
    };
  };

  it('gives plain answers, many at once, and refusals with their retry-after', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => provider.complete(call('hello'))));
    for (const { completionId, upstreamRequestId } of answers)
      expect([completionId, upstreamRequestId]).toEqual(['c1', 'r1']);
    await expect(provider.complete(call('refuse'))).rejects.toMatchObject({
      status: 429,
      retryAdvice: { 'retry-after': '3' },
    });
  });

  it('is reached by a redirect from plain HTTP on the same host, and gets the key', async () => {
    const plain = createServer((request, response) => {
      const location = `https://localhost:${(server.address() as AddressInfo).port}${request.url}`;
      response.writeHead(301, { location }).end();
    });
    await once(plain.listen(0, 'localhost'), 'listening');
    const baseUrl = `http://localhost:${(plain.address() as AddressInfo).port}/v1`;
    const moved = new OpenAIProvider({ apiKey: 'sk-of-the-test', baseUrl, streamUsage: true, clock: systemClock });
    keys.length = 0;
    expect((await moved.complete(call('hello'))).completionId).toBe('c1');
    expect(keys).toEqual(['Bearer sk-of-the-test']);
    await moved.close();
    plain.close();
  });

  it('gives streams, and learns when a stream or a plain request is abandoned', async () => {
    const contents: boolean[] = [];
    for await (const { content } of (await provider.stream(call('hello', { stream: true }))).pieces)
      contents.push(content);
    expect(contents).toEqual([true, false, false]);
    for await (const piece of (await provider.stream(call('endless', { stream: true }))).pieces) {
      expect(piece.content).toBe(true);
      break;
    }
    const client = new AbortController();
    const waiting = provider.complete(call('hang', { signal: client.signal }));
    setTimeout(() => client.abort(new Error('gone')), 30);
    await expect(waiting).rejects.toThrow('gone');
    await expect.poll(() => cancelled.length).toBe(2);
    expect(cancelled.join()).toMatch(/endless.*hang/s);
  });
  it('is called only once if the connection breaks during the request, on an old or a new connection', async () => {
    const before = asked;
    for (const _ of ['that of the tests before', 'a new one'])
      await expect(provider.complete(call('cut'))).rejects.toMatchObject({ failure: 'connection' });
    expect(asked).toBe(before + 2);
  });
});
