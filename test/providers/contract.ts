import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChatBody } from '../../src/domain/chat.ts';
import { UpstreamError } from '../../src/domain/errors.ts';
import { MAX_BYTES } from '../../src/providers/answer-limit.ts';
import type { AnswerFacts, Provider, ProviderCall, ProviderStream, StreamPiece } from '../../src/providers/provider.ts';
import { answerJson, answerStream, cutAt, type FakeUpstream, type Responder, startUpstream } from './upstream.ts';

export const PROVIDER_KEY = 'sk-provider-key-0123456789';

/** A provider and answers in its wire format. The two streams and the two error events say the same in each. */
export interface ProviderFixture {
  create(options: { baseUrl: string; apiKey: string; headers?: Record<string, string> }): Provider;
  /** The path it posts to. */
  path: string;
  requestIdHeader: string;
  /** What a request body asks of the API. */
  asked(body: Record<string, unknown>): Asked;
  completion: { bytes: Uint8Array; facts: AnswerFacts };
  /** A stream with a usage report; `text` is the joined text of its pieces. */
  stream: { bytes: Uint8Array; facts: AnswerFacts; text: string };
  /** Its first event, including the separator after it, and the rest. */
  splitFirst(stream: string): [string, string];
  /** Events that are not part of the protocol, so that a stream continues past them. */
  foreignEvents: string[];
  /** Events of the protocol with invalid data. */
  tornEvents: string[];
  /** Answers with tool calls, and the ids of the calls. */
  tools: { whole: Uint8Array; streamed: Uint8Array; ids: { whole: string[]; streamed: string[] } };
  /** A stream that ends in an error event, and the message of that event. */
  errorStream: { bytes: Uint8Array; message: string };
  /** An error body in the provider's format. */
  errorBody(message: string, type?: string): string;
  /** How an upstream says that the request is too long. */
  tooLong: string;
}

/** What a client asks for, in either format. */
export interface Asked {
  system: string;
  /** The texts of the turns. */
  texts: unknown[];
  /** The names of the tools. */
  tools: string[];
  maxTokens: unknown;
  temperature: unknown;
  stream: boolean;
}

/** What every `Provider` promises, checked against a real server on the loopback interface. */
export function describeProviderContract(name: string, fixture: ProviderFixture): void {
  describe(`Provider contract: ${name}`, () => {
    let upstream: FakeUpstream;
    let provider: Provider;

    beforeEach(async () => {
      upstream = await startUpstream();
      provider = fixture.create({ baseUrl: upstream.url, apiKey: PROVIDER_KEY });
    });
    afterEach(async () => {
      await upstream.close();
      await provider.close();
    });

    it('returns a complete answer with its facts', async () => {
      upstream.respond = answerJson(fixture.completion.bytes, 200, { [fixture.requestIdHeader]: 'req_123' });
      const answer = await provider.complete(callOf({}));
      const { completionId, servedModel, finishReason, usage } = answer;
      expect({ completionId, servedModel, finishReason, usage }).toEqual(fixture.completion.facts);
      expect(answer.upstreamRequestId).toBe('req_123');
      const body = JSON.parse(new TextDecoder().decode(answer.body));
      expect(body).toMatchObject({ id: completionId, object: 'chat.completion', model: servedModel });
      expect(body.choices[0].finish_reason).toBe(finishReason);
      expect(body.usage.total_tokens).toBe((usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0));
    });

    it('requests the upstream model with its own key, whatever the environment says', async () => {
      upstream.respond = answerJson(fixture.completion.bytes);
      await provider.complete(callOf({}));
      const [request] = upstream.requests;
      expect(request?.path).toBe(fixture.path);
      expect(request?.body.model).toBe('upstream-model');
      expect(request?.headers.authorization).toBe(`Bearer ${PROVIDER_KEY}`);
    });

    it('sends the configured headers, in place of its own where they have the same name', async () => {
      upstream.respond = answerJson(fixture.completion.bytes);
      const headers = { 'HTTP-Referer': 'https://app.example.com', Authorization: 'Custom abc' };
      const configured = fixture.create({ baseUrl: upstream.url, apiKey: PROVIDER_KEY, headers });
      await configured.complete(callOf({}));
      const [request] = upstream.requests;
      expect(request.headers).toMatchObject({
        'http-referer': 'https://app.example.com',
        authorization: 'Custom abc',
        'content-type': 'application/json',
      });
      await configured.close();
    });

    it('sends no key of its own beside a configured header that authenticates', async () => {
      upstream.respond = answerJson(fixture.completion.bytes);
      for (const [headers, expected] of [
        [{ 'api-key': PROVIDER_KEY }, { 'api-key': PROVIDER_KEY, authorization: undefined }],
        [
          { 'X-API-Key': PROVIDER_KEY, 'x-title': 'Demo' },
          { 'x-api-key': PROVIDER_KEY, authorization: undefined },
        ],
        [{ authorization: 'Basic abc' }, { authorization: 'Basic abc', 'x-api-key': undefined }],
        [{ 'openai-organization': 'org-1' }, { 'openai-organization': 'org-1', authorization: 'Bearer none' }],
      ] as const) {
        const configured = fixture.create({ baseUrl: upstream.url, apiKey: '', headers });
        await configured.complete(callOf({}));
        const sent = { authorization: undefined, 'x-api-key': undefined, ...upstream.requests.at(-1)?.headers };
        expect(sent).toMatchObject(expected);
        await configured.close();
      }
    });

    it('sends its key beside a configured header that authenticates, as to a gateway in front of it', async () => {
      upstream.respond = answerJson(fixture.completion.bytes);
      const headers = { 'api-key': 'of-the-gateway' };
      const configured = fixture.create({ baseUrl: upstream.url, apiKey: PROVIDER_KEY, headers });
      await configured.complete(callOf({}));
      expect(upstream.requests[0].headers).toMatchObject({ ...headers, authorization: `Bearer ${PROVIDER_KEY}` });
      await configured.close();
    });

    it('redacts configured headers that authenticate, and no others', async () => {
      const headers = {
        'x-gateway-token': `Bearer ${PROVIDER_KEY}`,
        'x-title': 'My application',
        Cookie: 'sid=of-the-session; t=of-another',
        'x-jwt': 'user:of-the-user',
        // Whatever is short alone, as any word may be.
        'x-passphrase': 'open sesame',
        'x-auth': 'Basic ann:word',
      };
      const configured = fixture.create({ baseUrl: upstream.url, apiKey: '', headers });
      const told = [PROVIDER_KEY, 'of-the-session', 'of-another', 'of-the-user', 'open sesame', 'ann:word'];
      upstream.respond = answerJson(fixture.errorBody(`My application may not use ${told.join(' ')}`), 401);
      const error = await failureOf(configured.complete(callOf({})));
      expect(error.body).toContain(`My application may not use ${told.map(() => '[redacted]').join(' ')}`);
      await configured.close();
    });

    it.each([
      'authentication',
      'bearer',
      'x-passcode',
      'x-credential',
      'x-key-id',
      'password',
      'client-secret',
      'session-id',
      'x-signature',
    ])('redacts the value of the header %s', async (header) => {
      const configured = fixture.create({ baseUrl: upstream.url, apiKey: '', headers: { [header]: 'confidential' } });
      upstream.respond = answerJson(fixture.errorBody('You may not use confidential'), 401);
      const error = await failureOf(configured.complete(callOf({})));
      expect(error.body).toContain('You may not use [redacted]');
      await configured.close();
    });

    it.each(['complete', 'stream'] as const)('passes on everything that the client asks for (%s)', async (method) => {
      const stream = method === 'stream';
      upstream.respond = stream ? answerStream([fixture.stream.bytes]) : answerJson(fixture.completion.bytes);
      const call = callOf({
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello' },
          { role: 'user', content: 'Bye' },
        ],
        tools: [{ type: 'function', function: { name: 'look_up', parameters: { type: 'object', properties: {} } } }],
        max_tokens: 77,
        temperature: 0.25,
        stream,
      });
      const { droppedParams } = await provider[method](call);
      expect(fixture.asked(upstream.requests[0].body)).toEqual({
        system: 'Be brief.',
        texts: ['Hi', 'Hello', 'Bye'],
        tools: ['look_up'],
        maxTokens: 77,
        temperature: 0.25,
        stream,
      });
      expect(droppedParams).toEqual([]);
      const odd = await provider[method](callOf({ stream, of_another_server: 1 }));
      const sent = 'of_another_server' in upstream.requests[1].body;
      expect(odd.droppedParams).toEqual(sent ? [] : ['of_another_server']);
    });

    it('streams pieces in order, with facts, and ends after [DONE]', async () => {
      upstream.respond = answerStream(cutAt(fixture.stream.bytes, [7, 200, 201, 777, 1111]), 'end', {
        [fixture.requestIdHeader]: 'req_456',
      });
      const stream = await provider.stream(callOf({ stream: true }));
      expect(stream.upstreamRequestId).toBe('req_456');
      const pieces = await collect(stream);
      expect(mergeFacts(pieces)).toEqual(fixture.stream.facts);
      expect(textOf(pieces)).toBe(fixture.stream.text);
      expect(pieces.filter((piece) => piece.done)).toHaveLength(1);
      expect(pieces.at(-1)?.done).toBe(true);
      const firstContent = pieces.findIndex((piece) => piece.content);
      expect(pieces.findIndex((piece) => piece.completionId)).toBeLessThanOrEqual(firstContent);
    });

    it('reports the ids of tool calls, each once', async () => {
      const { whole, streamed, ids } = fixture.tools;
      upstream.respond = answerJson(whole);
      expect((await provider.complete(callOf({}))).toolCallIds).toEqual(ids.whole);
      upstream.respond = answerStream([streamed]);
      const pieces = await collect(await provider.stream(callOf({ stream: true })));
      expect(pieces.flatMap(({ toolCallIds = [] }) => toolCallIds)).toEqual(ids.streamed);
      upstream.respond = answerStream([fixture.stream.bytes]);
      const without = await collect(await provider.stream(callOf({ stream: true })));
      expect(without.flatMap(({ toolCallIds = [] }) => toolCallIds)).toEqual([]);
    });

    it.each([true, false])('shows the usage chunk only to a client that asked for it (%s)', async (include_usage) => {
      upstream.respond = answerStream([fixture.stream.bytes]);
      const options = include_usage ? { stream_options: { include_usage } } : {};
      const pieces = await collect(await provider.stream(callOf({ stream: true, ...options })));
      const usageChunks = chunksOf(pieces).filter((chunk) => chunk.choices.length === 0);
      expect(usageChunks).toHaveLength(include_usage ? 1 : 0);
      expect(mergeFacts(pieces).usage).toEqual(fixture.stream.facts.usage);
    });

    it.each([400, 401, 404, 413, 429, 500, 503, 529])('keeps status %i, message and retry headers', async (status) => {
      for (const method of ['complete', 'stream'] as const) {
        const retryAdvice = { 'retry-after': '17', 'retry-after-ms': '16500', 'x-should-retry': 'true' };
        upstream.respond = answerJson(fixture.errorBody('Too much, too fast'), status, retryAdvice);
        const error = await failureOf(provider[method](callOf({ stream: method === 'stream' })));
        expect(error).toMatchObject({ failure: 'status', status, retryAdvice, tooLong: false });
        expect(JSON.parse(error.body).error).toMatchObject({
          message: 'Too much, too fast',
          type: expect.any(String),
        });
      }
      expect(upstream.requests).toHaveLength(2);
    });

    it('reads compressed answers, although it did not ask for compression', async () => {
      upstream.respond = answerJson(gzipSync(fixture.completion.bytes), 200, { 'content-encoding': 'gzip' });
      const { completionId, servedModel, finishReason, usage } = await provider.complete(callOf({}));
      expect({ completionId, servedModel, finishReason, usage }).toEqual(fixture.completion.facts);
      expect(upstream.requests[0]?.headers['accept-encoding']).toBeUndefined();
      const compressed = brotliCompressSync(fixture.stream.bytes);
      upstream.respond = answerStream(cutAt(compressed, [3, 50]), 'end', { 'content-encoding': 'br' });
      expect(textOf(await collect(await provider.stream(callOf({ stream: true }))))).toBe(fixture.stream.text);
      const zstd = cutAt(zstdCompressSync(fixture.stream.bytes), [3, 50]);
      upstream.respond = answerStream(zstd, 'end', { 'content-encoding': 'zstd' });
      expect(textOf(await collect(await provider.stream(callOf({ stream: true }))))).toBe(fixture.stream.text);
      // Like fetch: without a trailer, twice, with a byte order mark, and whatever the body of an error looks like.
      const marked = Buffer.concat([Buffer.from('\ufeff'), fixture.completion.bytes]);
      const twice = gzipSync(gzipSync(marked)).subarray(0, -4);
      upstream.respond = answerJson(twice, 200, { 'content-encoding': 'gzip, gzip' });
      expect((await provider.complete(callOf({}))).completionId).toBe(fixture.completion.facts.completionId);
      upstream.respond = answerJson('', 429, { 'content-encoding': 'gzip', 'retry-after': '9' });
      expect(await failureOf(provider.complete(callOf({})))).toMatchObject({
        status: 429,
        retryAdvice: { 'retry-after': '9' },
      });
      upstream.respond = answerJson(fixture.completion.bytes, 200, { 'content-encoding': 'gzip' });
      expect(await failureOf(provider.complete(callOf({})))).toMatchObject({ failure: 'unreadable' });
    });

    it.each(['identity', 'utf-8', 'constructor', '__proto__', 'toString'])(
      'reads an answer unchanged if its content-encoding is %s',
      async (encoding) => {
        upstream.respond = answerJson(fixture.completion.bytes, 200, { 'content-encoding': encoding });
        expect((await provider.complete(callOf({}))).completionId).toBe(fixture.completion.facts.completionId);
        upstream.respond = answerStream([fixture.stream.bytes], 'end', { 'content-encoding': encoding });
        expect(textOf(await collect(await provider.stream(callOf({ stream: true }))))).toBe(fixture.stream.text);
      },
    );

    it('limits the size of an answer, compressed or in one event', async () => {
      const bomb = gzipSync(Buffer.alloc(MAX_BYTES + 1, 'a'), { level: 1 });
      for (const status of [200, 503]) {
        upstream.respond = answerJson(bomb, status, { 'content-encoding': 'gzip' });
        const failure = status === 200 ? 'unreadable' : 'status';
        const refused = await failureOf(provider.complete(callOf({})));
        expect([refused.failure, refused.body.length < 500]).toEqual([failure, true]);
      }
      upstream.respond = answerStream([bomb], 'open', { 'content-encoding': 'gzip' });
      const endless = provider.stream(callOf({ stream: true })).then(collect);
      expect((await failureOf(endless)).message).toContain('longer');
      upstream.respond = answerJson(fixture.completion.bytes, 200, {
        'content-encoding': Array(6).fill('gzip').join(),
      });
      expect(await failureOf(provider.complete(callOf({})))).toMatchObject({ failure: 'unreadable' });
    });

    it.each([301, 302, 307, 308])('follows a %i redirect within its origin only', async (status) => {
      const elsewhere = await startUpstream();
      elsewhere.respond = answerJson(fixture.completion.bytes);
      const to = (location: string) => (response: ServerResponse) =>
        void response.writeHead(status, { location }).end();
      upstream.respond = (response, request) =>
        request.path === fixture.path
          ? to('/moved')(response)
          : answerJson(fixture.completion.bytes)(response, request);
      const signs: number[] = [];
      await provider.complete({ ...callOf({}), onActivity: () => signs.push(upstream.requests.length) });
      // The redirect does not count as the beginning of the answer.
      expect(Math.min(...signs)).toBe(2);
      const [asked, moved] = upstream.requests;
      expect([asked.path, moved.path]).toEqual([fixture.path, '/moved']);
      expect([moved.method, moved.text, moved.headers.authorization]).toEqual([
        'POST',
        asked.text,
        `Bearer ${PROVIDER_KEY}`,
      ]);
      upstream.respond = to(`${elsewhere.url}/there`);
      for (const asked of [provider.complete(callOf({})), provider.stream(callOf({ stream: true }))]) {
        expect(await failureOf(asked)).toMatchObject({ failure: 'unreadable' });
      }
      expect(elsewhere.requests).toHaveLength(0);
      upstream.respond = to('/round-and-round');
      expect((await failureOf(provider.complete(callOf({})))).message).toMatch(/redirects endlessly/);
      await elsewhere.close();
    });

    it.each([303, 304, 307])('treats %i without a usable location as unreadable', async (status) => {
      upstream.respond = (response) => void response.writeHead(status).end();
      expect(await failureOf(provider.complete(callOf({})))).toMatchObject({ failure: 'unreadable' });
      expect(upstream.requests).toHaveLength(1);
    });

    it('follows a redirect before a stream', async () => {
      upstream.respond = (response, request) =>
        request.path === fixture.path
          ? void response.writeHead(308, { location: '/moved' }).end('It has moved.')
          : answerStream([fixture.stream.bytes])(response, request);
      for (let time = 0; time < 2; time++) {
        expect(textOf(await collect(await provider.stream(callOf({ stream: true }))))).toBe(fixture.stream.text);
      }
    });

    it('reports every part of a plain answer as activity, so that a long one does not seem dead', async () => {
      let signs = 0;
      upstream.respond = async (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        for (const part of cutAt(fixture.completion.bytes, [10, 20, 30])) {
          response.write(part);
          await sleep(20);
        }
        response.end();
      };
      await provider.complete({ ...callOf({}), onActivity: () => signs++ });
      expect(signs).toBeGreaterThanOrEqual(4);
    });

    it('hides a key in its URL when the upstream repeats it', async () => {
      const byQuery = fixture.create({
        baseUrl: `${upstream.url}?api-version=2026-10-21&key=k-0123456789`,
        apiKey: '',
      });
      upstream.respond = (response, { path }) =>
        answerJson(fixture.errorBody(`no ${path}`), 404)(response, {} as never);
      const error = await failureOf(byQuery.complete(callOf({})));
      expect(error.body).toContain('?api-version=2026-10-21&key=[redacted]');
      await byQuery.close();
    });

    it('interprets an error for other requests and other models', async () => {
      const cases = [
        [fixture.tooLong, { tooLong: true, unusable: false }],
        ['Your credit balance is too low to access the API.', { tooLong: false, unusable: true }],
        ['messages: at least one message is required', { tooLong: false, unusable: false, modelSpecific: false }],
      ] as const;
      for (const [message, expected] of cases) {
        upstream.respond = answerJson(fixture.errorBody(message, 'invalid_request_error'), 400);
        expect(await failureOf(provider.complete(callOf({})))).toMatchObject(expected);
      }
    });

    it('hides its key when the upstream repeats it', async () => {
      upstream.respond = answerJson(fixture.errorBody(`Incorrect API key provided: ${PROVIDER_KEY}`), 401);
      const error = await failureOf(provider.complete(callOf({})));
      expect(error.body).toContain('Incorrect API key provided: [redacted]');
      expect(error.body + error.message).not.toContain(PROVIDER_KEY);
    });

    it('hides its key in an error event', async () => {
      const { bytes, message } = fixture.errorStream;
      const text = Buffer.from(bytes).toString().replace(message, `no such key ${PROVIDER_KEY}`);
      upstream.respond = answerStream([Buffer.from(text)]);
      const error = await failureOf(collect(await provider.stream(callOf({ stream: true }))));
      expect(error.body + error.message).toContain('no such key [redacted]');
      expect(error.body + error.message).not.toContain(PROVIDER_KEY);
    });

    it('passes on what came before an error event, then throws it', async () => {
      upstream.respond = answerStream([fixture.errorStream.bytes]);
      const stream = await provider.stream(callOf({ stream: true }));
      const pieces: StreamPiece[] = [];
      const error = await failureOf(collect(stream, pieces));
      expect(error).toMatchObject({ failure: 'interrupted', message: fixture.errorStream.message });
      expect(JSON.parse(error.body).error.message).toBe(fixture.errorStream.message);
      expect(textOf(pieces)).toBe('Once upon');
    });

    it.each(['end', 'break'] as const)('throws if the stream ends early (%s)', async (end) => {
      const { bytes } = fixture.stream;
      upstream.respond = answerStream([bytes.subarray(0, Math.floor(bytes.length / 2))], end);
      const error = await failureOf(collect(await provider.stream(callOf({ stream: true }))));
      // A cleanly closed connection leaves half an event, which may be reported as such.
      expect(end === 'break' ? ['interrupted'] : ['interrupted', 'unreadable']).toContain(error.failure);
    });

    it('closes the connection when the iteration is left early', async () => {
      upstream.respond = answerStream([fixture.stream.bytes.subarray(0, 900)], 'open');
      const { pieces } = await provider.stream(callOf({ stream: true }));
      for await (const piece of pieces) if (piece.content) break;
      await upstream.aborted();
    });

    it('aborts a stream with the reason of the signal and closes the connection', async () => {
      upstream.respond = answerStream([fixture.stream.bytes.subarray(0, 900)], 'open');
      const abort = new AbortController();
      const { pieces } = await provider.stream(callOf({ stream: true }, abort.signal));
      const reason = new Error('the client has left');
      const reading = (async () => {
        for await (const piece of pieces) if (piece.content) abort.abort(reason);
      })();
      await expect(reading).rejects.toBe(reason);
      await upstream.aborted();
    });

    it.each(['complete', 'stream'] as const)('aborts %s while it waits for the answer', async (method) => {
      const asked = Promise.withResolvers<void>();
      upstream.respond = () => asked.resolve();
      const abort = new AbortController();
      const reason = new Error('not in time');
      const waiting = provider[method](callOf({ stream: method === 'stream' }, abort.signal));
      await asked.promise;
      abort.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      await upstream.aborted();
    });

    it('does not call at all if the signal is already aborted', async () => {
      const reason = new Error('gone');
      await expect(provider.complete(callOf({}, AbortSignal.abort(reason)))).rejects.toBe(reason);
      expect(upstream.requests).toHaveLength(0);
    });

    it.each(['<html>Welcome to nginx</html>', '', '[]', 'null', '{"ok":true}'])(
      'treats %j as unreadable',
      async (text) => {
        upstream.respond = answerJson(text);
        expect(await failureOf(provider.complete(callOf({})))).toMatchObject({ failure: 'unreadable', status: 502 });
      },
    );

    it('treats a status outside HTTP as unreadable, as it could not be passed on', async () => {
      upstream.respond = (response) => void response.writeHead(999).end('{}');
      for (const answer of [provider.complete(callOf({})), provider.stream(callOf({ stream: true }))]) {
        expect(await failureOf(answer)).toMatchObject({ failure: 'unreadable', status: 502 });
      }
    });

    describe('a stream', () => {
      const text = () => Buffer.from(fixture.stream.bytes).toString();
      const streamed = async (respond: Responder) => {
        upstream.respond = respond;
        return collect(await provider.stream(callOf({ stream: true })));
      };
      const withEvent = (event: string) => {
        const [first, rest] = fixture.splitFirst(text());
        return answerStream([Buffer.from(first + event + rest)]);
      };
      const withoutTimes = (pieces: readonly StreamPiece[]) =>
        bytesOf(pieces)
          .toString()
          .replaceAll(/"created":\d+/g, '');

      it('is the same however it is split', async () => {
        const whole = withoutTimes(await streamed(answerStream([fixture.stream.bytes])));
        const cuts = fc.uniqueArray(fc.integer({ min: 1, max: fixture.stream.bytes.length - 1 }), { maxLength: 12 });
        await fc.assert(
          fc.asyncProperty(cuts, async (places) => {
            const parts = cutAt(
              fixture.stream.bytes,
              places.sort((a, b) => a - b),
            );
            expect(withoutTimes(await streamed(answerStream(parts)))).toBe(whole);
          }),
          { numRuns: 12 },
        );
      });

      it.each(fixture.foreignEvents)('continues past %j, which the client does not see', async (event) => {
        const plain = await streamed(answerStream([fixture.stream.bytes]));
        expect(withoutTimes(await streamed(withEvent(event)))).toBe(withoutTimes(plain));
      });

      it.each(fixture.tornEvents)('breaks off at %j', async (event) => {
        await expect(streamed(withEvent(event))).rejects.toMatchObject({ failure: 'unreadable' });
      });

      it.each(['', '\n', '\ufeff'])('reports an error sent as JSON with status 200 after %j', async (before) => {
        for (const more of [{ type: 'error' }, {}, { choices: [] }]) {
          const error = JSON.stringify({ ...more, error: { type: 'api_error', message: 'no room' } });
          await expect(streamed(answerJson(before + error))).rejects.toMatchObject({ message: 'no room' });
        }
      });

      it('is unreadable if an event exceeds the limit or is not in the declared encoding', async () => {
        const part = Buffer.alloc(11 * 1024 * 1024, 'x');
        const parts = [Buffer.from('data: '), ...Array.from({ length: 6 }, () => part)];
        await expect(streamed(answerStream(parts, 'open'))).rejects.toMatchObject({ failure: 'unreadable' });
        for (const encoding of ['gzip', 'deflate', 'br', 'zstd']) {
          const headers = { 'content-encoding': encoding };
          await expect(streamed(answerStream([Buffer.from('data: {}\n\n')], 'end', headers))).rejects.toMatchObject({
            failure: 'unreadable',
          });
          upstream.respond = answerJson(fixture.completion.bytes, 200, headers);
          await expect(provider.complete(callOf({}))).rejects.toMatchObject({ failure: 'unreadable' });
        }
      });

      it('passes on only the beginning of an overlong request id', async () => {
        upstream.respond = answerStream([fixture.stream.bytes], 'end', { [fixture.requestIdHeader]: 'i'.repeat(9000) });
        const stream = await provider.stream(callOf({ stream: true }));
        await collect(stream);
        expect(stream.upstreamRequestId).toBe('i'.repeat(256));
      });
    });

    it('treats a stream event that is not JSON as unreadable', async () => {
      upstream.respond = answerStream([Buffer.from('data: <html>\n\n')]);
      const error = await failureOf(collect(await provider.stream(callOf({ stream: true }))));
      expect(error).toMatchObject({ failure: 'unreadable', status: 502 });
    });

    it('reports a refused connection', async () => {
      await upstream.close();
      const error = await failureOf(provider.complete(callOf({})));
      expect(error).toMatchObject({ failure: 'connection', status: 502 });
      expect([error.message, error.code]).toEqual([expect.stringContaining('ECONNREFUSED'), 'ECONNREFUSED']);
    });

    it('passes on the text of errors that are not JSON', async () => {
      upstream.respond = (response) =>
        void response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad</h1>');
      const error = await failureOf(provider.complete(callOf({})));
      expect(error).toMatchObject({ failure: 'status', status: 502 });
      expect(error.body).toContain('<h1>Bad</h1>');
    });
  });
}

export function callOf(fields: Partial<ChatBody>, signal = new AbortController().signal): ProviderCall {
  const body: ChatBody = { model: 'auto', messages: [{ role: 'user', content: 'Hi' }], ...fields };
  return {
    request: { text: JSON.stringify(body), body },
    model: 'upstream-model',
    maxOutputTokens: null,
    adapt: true,
    signal,
    connectTimeoutMs: 2000,
  };
}

export async function collect(stream: ProviderStream, pieces: StreamPiece[] = []): Promise<StreamPiece[]> {
  for await (const piece of stream.pieces) pieces.push(piece);
  return pieces;
}

interface Chunk {
  choices: { delta: { content?: string | null } }[];
}

export function bytesOf(pieces: readonly StreamPiece[]): Buffer {
  return Buffer.concat(pieces.map((piece) => piece.bytes));
}

function chunksOf(pieces: readonly StreamPiece[]): Chunk[] {
  const events = bytesOf(pieces).toString().split('\n\n');
  const json = events.filter((event) => event.startsWith('data: {')).map((event) => event.slice('data: '.length));
  return json.map((text) => JSON.parse(text));
}

function textOf(pieces: readonly StreamPiece[]): string {
  return chunksOf(pieces)
    .map((chunk) => chunk.choices[0]?.delta.content ?? '')
    .join('');
}

export function mergeFacts(pieces: readonly StreamPiece[]): AnswerFacts {
  const facts: AnswerFacts = { completionId: null, servedModel: null, finishReason: null, usage: null };
  for (const piece of pieces) {
    facts.completionId ??= piece.completionId ?? null;
    facts.servedModel ??= piece.servedModel ?? null;
    facts.finishReason = piece.finishReason ?? facts.finishReason;
    facts.usage = piece.usage ?? facts.usage;
  }
  return facts;
}

async function failureOf(promise: Promise<unknown>): Promise<UpstreamError> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UpstreamError);
  return error as UpstreamError;
}
