import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { bytesOf, callOf, collect, mergeFacts } from './contract.ts';
import { answerJson, answerStream, type FakeUpstream, fixture, type Responder, startUpstream } from './upstream.ts';

/** What servers send that speak a protocol almost. */

let upstream: FakeUpstream;
let providers: { openai: Provider; anthropic: Provider };
beforeAll(async () => {
  upstream = await startUpstream();
  const options = { apiKey: 'k', baseUrl: upstream.url, clock: systemClock };
  providers = {
    openai: new OpenAIProvider({ ...options, streamUsage: true }),
    anthropic: new AnthropicProvider(options),
  };
});
afterAll(async () => {
  await upstream.close();
  for (const provider of Object.values(providers)) await provider.close();
});

type Kind = 'openai' | 'anthropic';
const KINDS: Kind[] = ['openai', 'anthropic'];

async function streamed(kind: Kind, respond: Responder) {
  upstream.respond = respond;
  return collect(await providers[kind].stream(callOf({ stream: true })));
}

/** The first choice's deltas. */
function deltasOf(pieces: Awaited<ReturnType<typeof streamed>>) {
  const events = bytesOf(pieces).toString().split('\n\n').slice(0, -1);
  const chunks = events.filter((event) => event !== 'data: [DONE]').map((event) => JSON.parse(event.slice(6)));
  return chunks.map(({ choices }) => choices[0]?.delta ?? {});
}

/** What the client reads of a stream, joined. */
const textOf = (pieces: Parameters<typeof deltasOf>[0]): string =>
  deltasOf(pieces)
    .map(({ content }) => content ?? '')
    .join('');

const argumentsOf = (pieces: Parameters<typeof deltasOf>[0]): string =>
  deltasOf(pieces)
    .flatMap(({ tool_calls: calls = [] }) => calls)
    .map((call) => call.function.arguments)
    .join('');

const text = (value: string) => answerStream([Buffer.from(value)]);
const insertedAfterFirst = (kind: Kind, event: string) => {
  const [first, ...others] = fixture(`${kind}/text.sse`)
    .toString()
    .split(/(?<=\n\n)/);
  return text(first + event + others.join(''));
};

describe.each(KINDS)('a stream of %s', (kind) => {
  it.each([
    ['a heartbeat that is no JSON', 'event: heartbeat\ndata: 2026-11-27T10:00:00Z\n\n'],
    ['an event with empty data', 'data:\n\n'],
  ])('goes on over %s, of which the client gets nothing', async (_, event) => {
    const plain = await streamed(kind, text(fixture(`${kind}/text.sse`).toString()));
    const pieces = await streamed(kind, insertedAfterFirst(kind, event));
    const bytes = bytesOf(pieces).toString();
    expect(bytes.replaceAll(/"created":\d+/g, '')).toBe(
      bytesOf(plain)
        .toString()
        .replaceAll(/"created":\d+/g, ''),
    );
  });

  it('breaks off at an event of its own that is no JSON', async () => {
    const event = kind === 'openai' ? 'data: oops\n\n' : 'event: content_block_delta\ndata: oops\n\n';
    const torn = 'event: completion\ndata: {"choices":[{"index":0,"delta":{"content":"lost"\n\n';
    await expect(streamed(kind, insertedAfterFirst(kind, torn))).rejects.toMatchObject({ failure: 'unreadable' });
    await expect(streamed(kind, insertedAfterFirst(kind, event))).rejects.toMatchObject({ failure: 'unreadable' });
  });

  it.each(['', '\n', '\ufeff'])('tells of an error that comes as JSON under 200, after %j', async (before) => {
    for (const more of [{ type: 'error' }, {}, { choices: [] }]) {
      const error = JSON.stringify({ ...more, error: { type: 'api_error', message: 'no room' } });
      await expect(streamed(kind, answerJson(before + error))).rejects.toMatchObject({ message: 'no room' });
    }
  });

  it('is unreadable where an event is longer than the limit, or not in the encoding that it claims', async () => {
    const part = Buffer.alloc(11 * 1024 * 1024, 'x');
    const parts = [Buffer.from('data: '), ...Array.from({ length: 6 }, () => part)];
    await expect(streamed(kind, answerStream(parts, 'open'))).rejects.toMatchObject({ failure: 'unreadable' });
    for (const encoding of ['gzip', 'deflate', 'br', 'zstd']) {
      const headers = { 'content-encoding': encoding };
      await expect(streamed(kind, answerStream([Buffer.from('data: {}\n\n')], 'end', headers))).rejects.toMatchObject({
        failure: 'unreadable',
      });
      await expect(providers[kind].complete(callOf({}))).rejects.toMatchObject({ failure: 'unreadable' });
    }
  });

  it('passes on no more than the beginning of an endless request id', async () => {
    const name = kind === 'openai' ? 'x-request-id' : 'request-id';
    upstream.respond = answerStream([fixture(`${kind}/text.sse`)], 'end', { [name]: 'i'.repeat(9000) });
    const { pieces, upstreamRequestId } = await providers[kind].stream(callOf({ stream: true }));
    await collect({ pieces, droppedParams: [], upstreamRequestId });
    expect(upstreamRequestId).toBe('i'.repeat(256));
  });
});

describe('a stream of OpenAI', () => {
  it.each(['""', 'false', 'null'])('takes "error": %s beside its choices for none', async (error) => {
    const chunk = `{"id":"c","error":${error},"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}`;
    expect(textOf(await streamed('openai', text(`data: ${chunk}\n\ndata: [DONE]\n\n`)))).toBe('x');
  });
});

describe('an error of OpenAI without a text', () => {
  it("is told in the gateway's own words, and those are JSON", async () => {
    upstream.respond = answerJson('', 503, { 'content-type': 'text/html' });
    const error = await providers.openai.complete(callOf({})).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ status: 503, contentType: 'application/json; charset=utf-8' });
  });
});

describe('a stream of Anthropic', () => {
  it('is whole where the upstream closes it after the stop reason', async () => {
    const sse = fixture('anthropic/text.sse').toString();
    const whole = await streamed('anthropic', text(sse));
    const pieces = await streamed('anthropic', text(sse.slice(0, sse.indexOf('event: message_stop'))));
    expect(textOf(pieces)).toBe(textOf(whole));
    expect(pieces.at(-1)?.done).toBe(true);
    expect(mergeFacts(pieces)).toEqual(mergeFacts(whole));
    await expect(streamed('anthropic', text(sse.slice(0, sse.indexOf('event: message_delta'))))).rejects.toMatchObject({
      failure: 'interrupted',
    });
  });

  it.each(['thinking', 'tools'])('may be a whole message instead (%s)', async (name) => {
    const json = fixture(`anthropic/${name}.json`);
    upstream.respond = answerJson(json);
    const answer = await providers.anthropic.complete(callOf({}));
    const { message } = JSON.parse(Buffer.from(answer.body).toString()).choices[0];
    const pieces = await streamed('anthropic', answerJson(json));
    expect(textOf(pieces)).toBe(message.content ?? '');
    const calls: { function: { arguments: string } }[] = message.tool_calls ?? [];
    expect(argumentsOf(pieces)).toBe(calls.map((call) => call.function.arguments).join(''));
    expect(pieces.flatMap(({ toolCallIds = [] }) => toolCallIds)).toEqual(answer.toolCallIds ?? []);
    const { completionId, servedModel, finishReason, usage } = answer;
    expect(mergeFacts(pieces)).toEqual({ completionId, servedModel, finishReason, usage });
    expect(pieces.at(-1)?.done).toBe(true);
  });
});
