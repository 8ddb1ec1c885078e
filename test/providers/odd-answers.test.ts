import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProviderType } from '../../src/domain/provider-type.ts';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { bytesOf, callOf, collect, mergeFacts } from './contract.ts';
import { answerJson, answerStream, type FakeUpstream, fixture, type Responder, startUpstream } from './upstream.ts';

/** Answers of servers that almost follow one protocol; answers that any server may send are in the contract. */

let upstream: FakeUpstream;
let providers: Record<ProviderType, Provider>;
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

async function streamed(kind: ProviderType, respond: Responder) {
  upstream.respond = respond;
  return collect(await providers[kind].stream(callOf({ stream: true })));
}

/** The deltas of the first choice. */
function deltasOf(pieces: Awaited<ReturnType<typeof streamed>>) {
  const events = bytesOf(pieces).toString().split('\n\n').slice(0, -1);
  const chunks = events.filter((event) => event !== 'data: [DONE]').map((event) => JSON.parse(event.slice(6)));
  return chunks.map(({ choices }) => choices[0]?.delta ?? {});
}

/** The text that the client reads from a stream. */
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

describe('a stream of OpenAI', () => {
  it.each(['""', 'false', 'null'])('ignores "error": %s beside its choices', async (error) => {
    const chunk = `{"id":"c","error":${error},"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}`;
    expect(textOf(await streamed('openai', text(`data: ${chunk}\n\ndata: [DONE]\n\n`)))).toBe('x');
  });
});

describe('an event of OpenAI', () => {
  it.each([
    [{ content: 'x' }, true],
    [{ role: 'assistant', content: '' }, false],
    [{ role: 'assistant' }, false],
    [{ content: null, tool_calls: [] }, false],
    [{ content: null, tool_calls: [{ index: 0, id: 'call_1' }] }, true],
    [{ content: '', reasoning_content: 'thinks' }, true],
    [{ refusal: 'No.' }, true],
    [{}, false],
  ])('with the delta %j counts as content: %s', async (delta, carries) => {
    const event = (fields: object, reason: string | null) =>
      `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: fields, finish_reason: reason }] })}\n\n`;
    const pieces = await streamed('openai', text(`${event(delta, null)}${event({}, 'stop')}data: [DONE]\n\n`));
    expect(pieces[0].content).toBe(carries);
  });
});

describe('an error of OpenAI without a text', () => {
  it("is reported in the gateway's own words, as JSON", async () => {
    upstream.respond = answerJson('', 503, { 'content-type': 'text/html' });
    const error = await providers.openai.complete(callOf({})).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ status: 503, contentType: 'application/json; charset=utf-8' });
  });
});

describe('a stream of Anthropic', () => {
  it('is complete if the upstream closes it after the stop reason', async () => {
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

  it.each(['thinking', 'tools'])('may be replaced by a plain message (%s)', async (name) => {
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
