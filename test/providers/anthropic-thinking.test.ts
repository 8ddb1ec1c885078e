import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChatBody, JsonObject } from '../../src/domain/chat.ts';
import { toCompletion } from '../../src/providers/anthropic/answer.ts';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { refusedFields } from '../../src/providers/anthropic/refusal.ts';
import { toMessagesRequest } from '../../src/providers/anthropic/request.ts';
import { StreamTranslator } from '../../src/providers/anthropic/stream.ts';
import { systemClock } from '../../src/util/clock.ts';
import { SseSplitter } from '../../src/util/sse.ts';
import { bytesOf, callOf } from './contract.ts';
import { answerJson, answerStream, type FakeUpstream, fixture, startUpstream } from './upstream.ts';

const USER = { role: 'user', content: 'What is 17 × 23?' };
const RESULT = { role: 'tool', tool_call_id: 'c', content: '7' };
const THINKING = { type: 'thinking', thinking: 'Hm', signature: 'EqQB' };
const REDACTED = { type: 'redacted_thinking', data: 'EmwK' };
const TOOLS = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }];
const CALL = { role: 'assistant', content: null, tool_calls: TOOLS };
const MANUAL = { type: 'enabled', budget_tokens: 2000 };

function convert(body: JsonObject, without?: string[]) {
  const options = { model: 'claude', maxOutputTokens: null, ...(without && { without: new Set(without) }) };
  return toMessagesRequest({ model: 'm', ...body } as ChatBody, options);
}

/** The deltas that a client gets from the events of one stream. */
function deltasOf(events: JsonObject[]): JsonObject[] {
  const splitter = new SseSplitter();
  const translator = new StreamTranslator({ created: 0, includeUsage: false });
  const bytes = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
  return deltasIn(bytesOf(splitter.push(bytes).flatMap((event) => translator.push(event))));
}

function deltasIn(bytes: Buffer): JsonObject[] {
  return bytes
    .toString()
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)).choices[0].delta);
}

const start = (index: number, block: JsonObject) => ({ type: 'content_block_start', index, content_block: block });
const delta = (index: number, part: JsonObject) => ({ type: 'content_block_delta', index, delta: part });
const stop = (index: number) => ({ type: 'content_block_stop', index });

describe('signed thinking of an answer', () => {
  it('is passed on completely, beside reasoning_content', () => {
    const { body } = toCompletion(fixture('anthropic/thinking.json').toString(), 0);
    const [{ message }] = body.choices as [{ message: JsonObject }];
    expect(message.thinking_blocks).toEqual([
      { type: 'thinking', thinking: '17 × 20 + 17 × 3', signature: 'EqQBCgIYAhIM1gbc' },
      { type: 'redacted_thinking', data: 'EmwKAhgB' },
    ]);
    const unsigned = { type: 'message', content: [{ type: 'thinking', thinking: 'Hm', signature: '' }] };
    expect(JSON.stringify(toCompletion(JSON.stringify(unsigned), 0).body)).not.toContain('thinking_blocks');
  });

  it('is sent once in a stream, before what follows it, as in a plain answer', () => {
    const deltas = deltasOf([
      start(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'H' }),
      delta(0, { type: 'thinking_delta', thinking: 'm' }),
      delta(0, { type: 'signature_delta', signature: 'Eq' }),
      delta(0, { type: 'signature_delta', signature: 'QB' }),
      stop(0),
      start(1, REDACTED),
      stop(1),
      start(2, { type: 'tool_use', id: 'c', name: 'f', input: {} }),
      stop(2),
      start(3, { type: 'thinking', thinking: '', signature: 'omitted' }),
      stop(3),
      { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
      { type: 'message_stop' },
    ]);
    expect(deltas.map((each) => Object.keys(each).join())).toEqual([
      'role,content',
      'reasoning_content',
      'reasoning_content',
      'thinking_blocks',
      'tool_calls',
      'tool_calls',
      'thinking_blocks',
      '',
    ]);
    expect(deltas[3].thinking_blocks).toEqual([
      { index: 0, ...THINKING },
      { index: 1, ...REDACTED },
    ]);
    expect(deltas[6].thinking_blocks).toEqual([{ index: 2, type: 'thinking', thinking: '', signature: 'omitted' }]);
  });

  it('alone in a stream gets text content as in a plain answer, because OpenAI rejects null when sent back', () => {
    const thought = [
      start(0, { type: 'thinking', thinking: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      stop(0),
    ];
    const end = { type: 'message_delta', delta: { stop_reason: 'max_tokens' }, usage: { output_tokens: 9 } };
    const contents = (events: JsonObject[]) =>
      deltasOf(events)
        .filter((part) => 'content' in part)
        .map(({ content }) => content);
    expect(contents([...thought, end])).toEqual([null, '']);
    const call = [start(1, { type: 'tool_use', id: 'c', name: 'f', input: {} }), stop(1)];
    expect(contents([...thought, ...call, end])).toEqual([null]);
    const said = [start(1, { type: 'text', text: '' }), delta(1, { type: 'text_delta', text: 'Yes' }), stop(1)];
    expect(contents([...thought, ...said, end])).toEqual([null, 'Yes']);
    expect(contents([...thought, start(1, { type: 'text', text: '' }), end])).toEqual([null, '']);
    expect(contents([start(0, { type: 'text', text: '' }), end])).toEqual(['']);
  });

  it('does not count as content, so another model may still answer', () => {
    const translator = new StreamTranslator({ created: 0, includeUsage: false });
    const event = (data: JsonObject) => translator.push({ data: JSON.stringify(data), raw: new Uint8Array() } as never);
    event(start(0, { type: 'thinking', thinking: '', signature: 'omitted' }));
    const pieces = event(start(1, { type: 'text', text: '' }));
    expect(bytesOf(pieces).toString()).toContain('omitted');
    expect(pieces.every(({ content }) => !content)).toBe(true);
  });

  it('is limited in size', () => {
    const translator = new StreamTranslator({ created: 0, includeUsage: false, mostBytes: 10_000 });
    const event = (data: JsonObject) => translator.push({ data: JSON.stringify(data), raw: new Uint8Array() } as never);
    event(start(0, { type: 'thinking', thinking: '', signature: '' }));
    const more = () => event(delta(0, { type: 'signature_delta', signature: 'x'.repeat(2000) }));
    expect(() => Array.from({ length: 6 }, more)).toThrow(/unfinished/);
    let index = 1;
    for (const block of [
      { type: 'thinking', signature: 'x'.repeat(2000) },
      { type: 'redacted_thinking', data: 'x'.repeat(2000) },
    ]) {
      const fresh = new StreamTranslator({ created: 0, includeUsage: false, mostBytes: 10_000 });
      const begin = () => fresh.push({ data: JSON.stringify(start(index++, block)), raw: new Uint8Array() } as never);
      expect(() => Array.from({ length: 6 }, begin)).toThrow(/unfinished/);
    }
  });

  it("comes through OpenAI's SDK in the form in which it must be sent back", async () => {
    const upstream = await startUpstream();
    const sse = deltasIn(bytesOf(deltasBytes('thinking')));
    upstream.respond = answerStream([bytesOf(deltasBytes('thinking'))]);
    const client = new OpenAI({ apiKey: 'k', baseURL: `${upstream.url}/v1`, maxRetries: 0 });
    const stream = client.chat.completions.stream({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] });
    const { message } = (await stream.finalChatCompletion()).choices[0];
    await upstream.close();
    const told = sse.flatMap(({ thinking_blocks: blocks }) => blocks ?? []);
    expect(told).toHaveLength(2);
    expect(message).toMatchObject({ content: '17 × 23 = 391', thinking_blocks: told });
    const { params } = convert({ messages: [USER, message, USER] });
    expect(params.messages[1].content).toEqual([
      ...(told as JsonObject[]).map(({ index: _, ...block }) => block),
      { type: 'text', text: '17 × 23 = 391' },
    ]);
  });
});

function deltasBytes(name: string) {
  const translator = new StreamTranslator({ created: 0, includeUsage: false });
  return new SseSplitter().push(fixture(`anthropic/${name}.sse`)).flatMap((event) => translator.push(event));
}

describe('signed thinking that a client sends back', () => {
  const blocks = [THINKING, { index: 1, ...REDACTED, cache_control: null }];

  it('comes first in the assistant message, without parts that Anthropic would reject', () => {
    const foreign = [
      { type: 'thinking', thinking: 'Hm' },
      { type: 'thinking', thinking: 1, signature: 'a' },
      null,
      'a',
    ];
    const messages = [USER, { ...CALL, thinking_blocks: [...blocks, ...foreign] }, RESULT];
    expect(convert({ messages }).params.messages[1].content).toEqual([
      THINKING,
      REDACTED,
      { type: 'tool_use', id: 'c', name: 'f', input: {} },
    ]);
    const alone = [USER, { role: 'assistant', content: '', thinking_blocks: blocks }, USER];
    expect(convert({ messages: alone }).params.messages).toEqual(convert({ messages: [USER, USER] }).params.messages);
  });

  it('keeps thinking enabled during tool calls; without it thinking is dropped', () => {
    const amid = (...messages: object[]) => convert({ thinking: MANUAL, messages: [USER, ...messages] });
    const thought = { ...CALL, thinking_blocks: blocks };
    expect(amid(thought, RESULT).params.thinking).toEqual(MANUAL);
    // The model thinks only before the first call of a turn.
    expect(amid(thought, RESULT, CALL, RESULT).params.thinking).toEqual(MANUAL);
    for (const messages of [
      [CALL, RESULT],
      [CALL, RESULT, thought, RESULT],
      [thought, RESULT, { role: 'assistant', content: 'It is 7.' }, USER, CALL, RESULT],
    ]) {
      const { params, droppedParams } = amid(...messages);
      expect([params.thinking, droppedParams]).toEqual([undefined, ['thinking']]);
    }
  });
});

describe('thinking parameters that Claude rejects', () => {
  let upstream: FakeUpstream;
  let provider: AnthropicProvider;
  beforeAll(async () => {
    upstream = await startUpstream();
  });
  afterAll(() => upstream.close());
  beforeEach(() => {
    provider = new AnthropicProvider({ apiKey: 'sk-ant', baseUrl: upstream.url, clock: systemClock });
  });

  /** Answers with the error while `refuses` says so, otherwise with a message. */
  function refuse(message: string, refuses: (body: JsonObject) => boolean): void {
    upstream.requests.length = 0;
    const error = JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } });
    upstream.respond = (response, request) =>
      (refuses(request.body) ? answerJson(error, 400) : answerJson(fixture('anthropic/thinking.json')))(
        response,
        request,
      );
  }

  it.each([
    'messages.1.content.0: Invalid `signature` in `thinking` block',
    'messages.1.content.0: The block is bound to a different conversation.',
    'messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.',
  ])(
    '%s: is sent again without earlier thinking, which is reported; new thinking is still requested',
    async (message) => {
      refuse(message, (body) => JSON.stringify(body.messages).includes('EqQB'));
      const call = callOf({
        reasoning_effort: 'high',
        messages: [USER, { ...CALL, thinking_blocks: [THINKING] }, RESULT],
      });
      for (const requests of [2, 4]) {
        expect((await provider.complete(call)).droppedParams).toEqual(['messages.thinking_blocks']);
        expect(upstream.requests).toHaveLength(requests);
      }
      expect(upstream.requests.at(-1)?.body.output_config).toEqual({ effort: 'high' });
    },
  );

  it('a thinking budget is replaced by adaptive thinking, and remembered', async () => {
    refuse(
      '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.',
      (body) => (body.thinking as JsonObject)?.type === 'enabled',
    );
    const thinking = { ...MANUAL, display: 'summarized' };
    for (const requests of [2, 3]) {
      expect((await provider.complete(callOf({ thinking }))).droppedParams).toEqual(['thinking']);
      expect(upstream.requests).toHaveLength(requests);
    }
    expect(upstream.requests.at(-1)?.body.thinking).toEqual({ type: 'adaptive', display: 'summarized' });
  });

  it('thinking implied by an effort is dropped and the effort kept, and this is remembered', async () => {
    refuse('adaptive thinking is not supported on this model', (body) => 'thinking' in body);
    for (const requests of [2, 3]) {
      expect((await provider.complete(callOf({ reasoning_effort: 'low' }))).droppedParams).toEqual([]);
      expect(upstream.requests).toHaveLength(requests);
    }
    expect(upstream.requests[0].body).toMatchObject({ thinking: { type: 'adaptive' } });
    expect(upstream.requests[2].body).toMatchObject({ output_config: { effort: 'low' } });
  });

  it.each([
    // Remembered from then on, but not for requests with the default temperature.
    ['`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.', [2, 3]],
    ['Thinking may not be enabled when tool_choice forces tool use.', [2, 4]],
  ])("thinking implied by an effort gives way to the client's own parameters: %s", async (message, counts) => {
    refuse(message, (body) => 'thinking' in body && body.temperature === 0.2);
    const call = callOf({ reasoning_effort: 'low', temperature: 0.2 });
    for (const requests of counts) {
      expect((await provider.complete(call)).droppedParams).toEqual([]);
      expect(upstream.requests).toHaveLength(requests);
      expect(upstream.requests.at(-1)?.body).toMatchObject({ temperature: 0.2, output_config: { effort: 'low' } });
    }
    for (const sampling of [{}, { temperature: 1 }]) {
      await provider.complete(callOf({ reasoning_effort: 'low', ...sampling }));
      expect(upstream.requests.at(-1)?.body).toMatchObject({ thinking: { type: 'adaptive' } });
    }
  });

  it.each([
    "This model does not support effort level 'max'. Supported levels: high, low, medium.",
    "output_config.effort 'max' is not supported when thinking is disabled.",
  ])('an effort too high for the model is dropped once, and other efforts are still sent: %s', async (message) => {
    refuse(message, ({ output_config: config }) => (config as JsonObject | undefined)?.effort === 'max');
    expect((await provider.complete(callOf({ reasoning_effort: 'max' }))).droppedParams).toEqual(['reasoning_effort']);
    upstream.requests.length = 0;
    expect((await provider.complete(callOf({ reasoning_effort: 'low' }))).droppedParams).toEqual([]);
    expect(upstream.requests.map(({ body }) => body.output_config)).toEqual([{ effort: 'low' }]);
  });

  it('an effort of none is dropped once, and an effort is still sent to the same model later', async () => {
    refuse('thinking.type: disabled is not supported for this model.', (body) =>
      JSON.stringify(body).includes('disabled'),
    );
    expect((await provider.complete(callOf({ reasoning_effort: 'none' }))).droppedParams).toEqual(['reasoning_effort']);
    expect(upstream.requests).toHaveLength(2);
    await provider.complete(callOf({ reasoning_effort: 'high' }));
    expect(upstream.requests.at(-1)?.body).toMatchObject({
      thinking: { type: 'adaptive' },
      output_config: { effort: 'high' },
    });
  });

  it('adaptive thinking is dropped if the model does not support it', async () => {
    refuse('adaptive thinking is not supported on this model', (body) => 'thinking' in body);
    const call = callOf({ thinking: { type: 'adaptive' } });
    expect((await provider.complete(call)).droppedParams).toEqual(['thinking']);
    expect(upstream.requests).toHaveLength(2);
  });

  it.each([
    ['Thinking may not be enabled when tool_choice forces tool use.', MANUAL, 'thinking.type'],
    ['Thinking may not be enabled when tool_choice forces tool use.', { type: 'adaptive' }, 'thinking'],
    [
      'messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.',
      MANUAL,
      'thinking',
    ],
  ])('%s %j: %s', (message, thinking, expected) => {
    expect(refusedFields(message, { model: 'm', messages: [], thinking }, new Set())).toEqual([expected]);
  });

  it.each([
    '`max_tokens` must be greater than `thinking.budget_tokens`.',
    'thinking.budget_tokens: Input should be greater than or equal to 1024',
  ])('%s: is blamed on the client', (message) => {
    expect(refusedFields(message, { model: 'm', messages: [], thinking: MANUAL }, new Set())).toEqual([]);
  });

  it('a refused temperature beside thinking is dropped, and the thinking is kept', () => {
    const body = { model: 'm', messages: [], thinking: MANUAL, reasoning_effort: 'low', temperature: 0.2 };
    const message = '`temperature` may only be set to 1 when thinking is enabled.';
    expect(refusedFields(message, body, new Set())).toEqual(['temperature']);
  });
});
