import Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { costOf } from '../../src/domain/arm.ts';
import type { UpstreamError } from '../../src/domain/errors.ts';
import { toCompletion, toFinishReason } from '../../src/providers/anthropic/answer.ts';
import { meaningOf, toOpenAIErrorBody } from '../../src/providers/anthropic/error.ts';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { StreamTranslator } from '../../src/providers/anthropic/stream.ts';
import { readCompletion } from '../../src/providers/openai/answer.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import { StreamReader } from '../../src/providers/openai/stream.ts';
import type { StreamPiece } from '../../src/providers/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { SseSplitter } from '../../src/util/sse.ts';
import { bytesOf, callOf, collect, mergeFacts } from './contract.ts';
import { answerJson, answerStream, cutAt, type FakeUpstream, fixture, startUpstream } from './upstream.ts';

const created = 1_762_214_400;
const places = fc.array(fc.nat({ max: 10_000 }), { maxLength: 60 });

function translate(parts: readonly Uint8Array[], includeUsage = true): StreamPiece[] {
  const splitter = new SseSplitter();
  const translator = new StreamTranslator({ created, includeUsage });
  return parts.flatMap((part) => splitter.push(part)).flatMap((event) => translator.push(event));
}

describe('any split of the bytes', () => {
  it.each(['text', 'tools', 'thinking'])('gives the same chunks from the Anthropic stream %s', (name) => {
    const bytes = fixture(`anthropic/${name}.sse`);
    const whole = translate([bytes]);
    expect(whole.at(-1)?.done).toBe(true);
    fc.assert(
      fc.property(places, (cuts) => {
        expect(translate(cutAt(bytes, cuts))).toEqual(whole);
      }),
    );
    expect(translate(cutAt(bytes, [...bytes.keys()]))).toEqual(whole);
  });

  it.each(['text', 'tools'])(
    'passes on the OpenAI stream %s byte for byte, except for a hidden usage chunk',
    (name) => {
      const bytes = fixture(`openai/${name}.sse`);
      const events = bytes.toString().split(/(?<=\n\n)/);
      const withoutUsage = events.filter((event) => !event.includes('"choices":[]')).join('');
      const read = (cuts: readonly number[], hideUsage: boolean) => {
        const splitter = new SseSplitter();
        const pieces = cutAt(bytes, cuts).flatMap((part) => splitter.push(part));
        const reader = new StreamReader(hideUsage);
        return pieces.map((event) => reader.read(event));
      };
      fc.assert(
        fc.property(places, (cuts) => {
          expect(bytesOf(read(cuts, false)).equals(bytes)).toBe(true);
          expect(bytesOf(read(cuts, true)).toString()).toBe(withoutUsage);
          expect(mergeFacts(read(cuts, true)).usage).toMatchObject({ cachedInputTokens: expect.any(Number) });
        }),
      );
    },
  );
});

describe('an OpenAI stream of several choices', () => {
  const chunk = (index: number, finish_reason: string | null) =>
    `data: ${JSON.stringify({ id: 'c', choices: [{ index, delta: { content: 'x' }, finish_reason }] })}\n\n`;

  function isFinished(...events: string[]): boolean {
    const reader = new StreamReader(false);
    for (const event of new SseSplitter().push(Buffer.from(events.join('')))) reader.read(event);
    return reader.finished;
  }

  it('is complete when every choice that began has ended, or at [DONE]', () => {
    const begun = [chunk(0, null), chunk(1, null)];
    expect(isFinished(...begun)).toBe(false);
    expect(isFinished(...begun, chunk(0, 'stop'))).toBe(false);
    expect(isFinished(...begun, chunk(0, 'stop'), chunk(1, 'length'))).toBe(true);
    expect(isFinished(...begun, chunk(0, 'stop'), 'data: [DONE]\n\n')).toBe(true);
  });

  it('is not an answer if it ends before any choice has begun, unless it reports usage', () => {
    const filtered = 'data: {"id":"c","choices":[],"prompt_filter_results":[]}\n\n';
    for (const before of ['', filtered]) {
      expect(() => isFinished(before, 'data: [DONE]\n\n')).toThrow('no choices');
    }
    expect(() => readCompletion('{"id":"c","choices":[],"usage":null}')).toThrow('no choices');
    // Unless it costs something, for example when a prompt was blocked.
    const usage = '"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0}';
    expect(readCompletion(`{"id":"c",${usage}}`).usage).toMatchObject({ inputTokens: 9 });
    expect(isFinished(`data: {"id":"c",${usage}}\n\n`, 'data: [DONE]\n\n')).toBe(true);
    expect(isFinished(filtered, chunk(0, 'stop'), 'data: [DONE]\n\n')).toBe(true);
  });

  it('tracks no more choices than can be requested, whatever numbers the upstream uses', () => {
    const all = (reason: string | null) => Array.from({ length: 1100 }, (_, i) => chunk(i, i < 1000 ? reason : null));
    expect(isFinished(...all(null), ...all('stop'))).toBe(true);
  });

  it('stays complete if a finished choice sends more', () => {
    expect(isFinished(chunk(0, null), chunk(0, 'stop'), chunk(0, null))).toBe(true);
  });
});

describe('a plain completion in place of an OpenAI stream', () => {
  const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
  const whole = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created,
    model: 'm',
    system_fingerprint: 'fp',
    choices: [
      { index: 0, message: { role: 'assistant', content: 'Hello' }, logprobs: null, finish_reason: 'stop' },
      { index: 1, message: { role: 'assistant', content: null, tool_calls: [call] }, finish_reason: 'tool_calls' },
    ],
    usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
  };

  async function streamedTo(body: string, options: object = {}) {
    const upstream = await startUpstream();
    upstream.respond = answerJson(body);
    const provider = new OpenAIProvider({
      apiKey: 'k',
      baseUrl: upstream.url,
      streamUsage: true,
      clock: systemClock,
    });
    try {
      return await collect(await provider.stream(callOf({ stream: true, ...options })));
    } finally {
      await provider.close();
      await upstream.close();
    }
  }

  it.each([0, 2])('becomes a stream, however it is indented (%s)', async (indent) => {
    const pieces = await streamedTo(JSON.stringify(whole, null, indent));
    const events = bytesOf(pieces).toString().split('\n\n').slice(0, -1);
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.replace('data: ', '')));
    expect(events.at(-1)).toBe('data: [DONE]');
    expect(new Set(chunks.map(({ object, id, model }) => `${object} ${id} ${model}`))).toEqual(
      new Set(['chat.completion.chunk chatcmpl-1 m']),
    );
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ index: 0, delta: whole.choices[0].message, logprobs: null, finish_reason: null }],
      [{ index: 0, delta: {}, finish_reason: 'stop' }],
      [
        {
          index: 1,
          delta: { role: 'assistant', content: null, tool_calls: [{ index: 0, ...call }] },
          finish_reason: null,
        },
      ],
      [{ index: 1, delta: {}, finish_reason: 'tool_calls' }],
    ]);
    expect(mergeFacts(pieces)).toMatchObject({
      completionId: 'chatcmpl-1',
      servedModel: 'm',
      usage: { inputTokens: 9, outputTokens: 2 },
    });
    expect(pieces.some(({ content }) => content)).toBe(true);
  });

  it('carries the usage to a client that asks for it', async () => {
    const bytes = bytesOf(await streamedTo(JSON.stringify(whole), { stream_options: { include_usage: true } }));
    expect(bytes.toString()).toContain(`"choices":[],"usage":${JSON.stringify(whole.usage)}}\n\ndata: [DONE]`);
  });

  it('fails if it is cut off, has no choices, or is an error', async () => {
    const json = JSON.stringify(whole);
    await expect(streamedTo(json.slice(0, -1))).rejects.toMatchObject({ failure: 'interrupted' });
    await expect(streamedTo('{"choices":[]}')).rejects.toMatchObject({ failure: 'unreadable' });
    await expect(streamedTo('{"error":{"message":"no room"}}')).rejects.toThrow('no room');
  });
});

describe('limits on an Anthropic stream', () => {
  const translator = (mostBytes?: number) => new StreamTranslator({ created, includeUsage: true, mostBytes });
  const event = (value: object) => ({ raw: new Uint8Array(0), event: null, data: JSON.stringify(value) });
  const start = (index: number, a: string) =>
    event({
      type: 'content_block_start',
      index,
      content_block: { type: 'tool_use', id: 'a', name: 'f', input: { a } },
    });

  it('the arguments of unfinished tool calls have a common size limit', () => {
    const streamed = translator(4000);
    const large = 'x'.repeat(2000);
    streamed.push(start(0, large));
    streamed.push(event({ type: 'content_block_stop', index: 0 }));
    streamed.push(start(1, large));
    expect(() => streamed.push(start(2, large))).toThrow('longer than');
  });

  it('an overlong id is not repeated in full in every chunk', () => {
    const streamed = translator();
    streamed.push(event({ type: 'message_start', message: { id: 'i'.repeat(1e6), model: 'm'.repeat(1e6) } }));
    const [piece] = streamed.push(
      event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'a' } }),
    );
    expect(piece.bytes.length).toBeLessThan(2000);
  });
});

describe('a failure that an OpenAI upstream reports with status 200', () => {
  const choice = (fields: object) => JSON.stringify({ id: 'c', choices: [{ index: 0, ...fields }] });
  const message = 'no room';

  it.each([
    ['in an event of that name', `event: error\ndata: ${JSON.stringify({ message })}`],
    ['in such an event, as plain text', `event: error\ndata: ${message}`],
    ['as an object of that name', `data: ${JSON.stringify({ object: 'error', message, code: 503 })}`],
    ['on a choice', `data: ${choice({ delta: { content: 'x' }, error: { message, code: 502 } })}`],
  ])('breaks off a stream: %s', (_, event) => {
    const reader = new StreamReader(false);
    const [failing] = new SseSplitter().push(Buffer.from(`${event}\n\n`));
    expect(() => reader.read(failing)).toThrow(message);
  });

  it('breaks off a stream even if it only has the finish reason "error"', () => {
    const [event] = new SseSplitter().push(Buffer.from(`data: ${choice({ delta: {}, finish_reason: 'error' })}\n\n`));
    expect(() => new StreamReader(false).read(event)).toThrow('ended its answer with an error');
  });

  it('is none if the error is empty, as some servers send it with every event', () => {
    for (const error of [{}, '', false, null]) {
      const [event] = new SseSplitter().push(sse({ choices: [{ index: 0, delta: { content: 'x' }, error }], error }));
      expect(new StreamReader(false).read(event).content).toBe(true);
    }
  });

  it('makes a plain answer unreadable if no choice is left', () => {
    const failed = { message: { content: '' }, finish_reason: 'error', error: { message, code: 502 } };
    expect(() => readCompletion(choice(failed))).toThrow(message);
    expect(() => readCompletion(JSON.stringify({ object: 'error', message }))).toThrow(message);
    expect(() => readCompletion(JSON.stringify({ choices: [], error: { message } }))).toThrow(message);
    const idle = { choices: [], error: { message }, usage: { prompt_tokens: 9, completion_tokens: 0 } };
    expect(() => readCompletion(JSON.stringify(idle))).toThrow(message);
    // The model has been at work, and what it used is billed.
    const billed = { choices: [], error: { message }, usage: { prompt_tokens: 9, completion_tokens: 500 } };
    expect(readCompletion(JSON.stringify(billed)).usage?.outputTokens).toBe(500);
    const whole = { index: 1, message: { content: 'x' }, finish_reason: 'stop' };
    expect(readCompletion(JSON.stringify({ choices: [failed, whole] })).generatedBytes).toBe(1);
  });
});

describe('Anthropic streams as the official OpenAI client reads them', () => {
  let upstream: FakeUpstream;
  let client: OpenAI;
  beforeAll(async () => {
    upstream = await startUpstream();
    client = new OpenAI({ apiKey: 'k', baseURL: upstream.url, maxRetries: 0 });
  });
  afterAll(() => upstream.close());

  function replay(name: string) {
    upstream.respond = answerStream(cutAt(bytesOf(translate([fixture(`anthropic/${name}.sse`)])), [11, 99, 500]));
    return client.chat.completions.stream({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      stream_options: { include_usage: true },
    });
  }

  it('accumulates text and usage', async () => {
    const completion = await replay('text').finalChatCompletion();
    expect(completion).toMatchObject({ id: 'msg_01XFDUDYJgAACzvnptvVoYEL', created, model: 'claude-sonnet-4-6' });
    expect(completion.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: {
        role: 'assistant',
        content: expect.stringMatching(/^Grüße aus 東京.*👩‍👩‍👧 spazieren\.\n\nЕщё «вопрос»\?$/su),
      },
    });
    expect(completion.usage).toEqual({
      prompt_tokens: 2162,
      completion_tokens: 47,
      total_tokens: 2209,
      prompt_tokens_details: { cached_tokens: 1840, cache_write_tokens: 310 },
    });
  });

  it('accumulates parallel tool calls, one without arguments', async () => {
    const completion = await replay('tools').finalChatCompletion();
    const { message, finish_reason } = completion.choices[0] ?? {};
    expect(finish_reason).toBe('tool_calls');
    expect(message?.content).toBe("I'll look up both places.");
    expect(message?.tool_calls).toMatchObject([
      {
        id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
        type: 'function',
        function: { name: 'get_weather', arguments: '{"location": "Zürich, CH", "unit": "celsius"}' },
      },
      { id: 'toolu_01MbQCrPAMeFf9a8kT2dJgZr', function: { name: 'get_weather', arguments: '{"location": "東京"}' } },
      { id: 'toolu_01Ck2vC8sRzq5hS7QyL3eXwP', function: { name: 'get_time', arguments: '{}' } },
    ]);
  });

  it('carries thinking as reasoning_content', async () => {
    let reasoning = '';
    let content = '';
    for await (const chunk of replay('thinking')) {
      const delta = chunk.choices[0]?.delta as { content?: string; reasoning_content?: string } | undefined;
      reasoning += delta?.reasoning_content ?? '';
      content += delta?.content ?? '';
    }
    expect(reasoning).toBe('17 × 23: 17 × 20 = 340, 17 × 3 = 51 → 391.');
    expect(content).toBe('17 × 23 = 391');
  });
});

describe('the fixtures', () => {
  it.each([
    ['text', ['text'], 'end_turn'],
    ['tools', ['text', 'tool_use', 'tool_use', 'tool_use'], 'tool_use'],
    ['thinking', ['thinking', 'redacted_thinking', 'text'], 'end_turn'],
  ])('%s is readable by the official Anthropic client', async (name, types, reason) => {
    const upstream = await startUpstream();
    upstream.respond = answerStream([fixture(`anthropic/${name}.sse`)]);
    const client = new Anthropic({ apiKey: 'k', baseURL: upstream.url, maxRetries: 0 });
    const params = { model: 'm', max_tokens: 10, messages: [{ role: 'user' as const, content: 'Hi' }] };
    const message = await client.messages.stream(params).finalMessage();
    await upstream.close();
    expect(message.content.map((block) => block.type)).toEqual(types);
    expect(message.stop_reason).toBe(reason);
  });
});

describe('Anthropic stream details', () => {
  it('opens with the role, repeats id, model and created, and counts tool calls from 0', () => {
    const chunks = bytesOf(translate([fixture('anthropic/tools.sse')]))
      .toString()
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice('data: '.length)));
    expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '' });
    expect(new Set(chunks.map(({ id, model, created, object }) => `${id} ${model} ${created} ${object}`)).size).toBe(1);
    const indices = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []).map((call) => call.index);
    expect([...new Set(indices)]).toEqual([0, 1, 2]);
  });

  it.each([
    [[{ type: 'text', text: '' }], [{ role: 'assistant', content: '' }]],
    [
      [{ type: 'tool_use', id: 't', name: 'f', input: {} }],
      [{ role: 'assistant', content: null }, { tool_calls: expect.any(Array) }],
    ],
    [
      [{ type: 'thinking', thinking: 'Hm' }],
      [{ role: 'assistant', content: null }, { reasoning_content: 'Hm' }, { content: '' }],
    ],
    [
      [{ type: 'server_tool_use' }, { type: 'text', text: 'Hi' }],
      [{ role: 'assistant', content: '' }, { content: 'Hi' }],
    ],
    [[], [{ role: 'assistant', content: '' }]],
  ])('opens with content null unless text comes first, as in plain answers and at OpenAI: %j', (blocks, deltas) => {
    const start = { type: 'message_start', message: { id: 'i', model: 'm' } };
    const starts = blocks.map((block, index) => ({ type: 'content_block_start', index, content_block: block }));
    const chunks = bytesOf(translate([start, ...starts, { type: 'message_stop' }].map(sse), false))
      .toString()
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice('data: '.length)).choices[0].delta);
    expect(chunks).toEqual([...deltas, {}]);
  });

  it('prefers the later counts of message_delta to those of message_start', () => {
    const counts = { input_tokens: 5, cache_creation_input_tokens: 4, output_tokens: 1 };
    const start = { type: 'message_start', message: { id: 'i', model: 'm', usage: counts } };
    const usage = { input_tokens: 9, cache_read_input_tokens: 3, cache_creation_input_tokens: null, output_tokens: 7 };
    const end = { type: 'message_delta', delta: { stop_reason: 'max_tokens' }, usage };
    const pieces = translate([sse(start), sse(end), sse({ type: 'message_stop' })], false);
    expect(mergeFacts(pieces)).toMatchObject({
      finishReason: 'length',
      usage: { inputTokens: 16, cachedInputTokens: 3, cacheWriteTokens: 4, outputTokens: 7 },
    });
    expect(bytesOf(pieces).toString()).not.toContain('"usage"');
  });

  it.each([
    ['nothing more', undefined],
    ['a closing 0', { output_tokens: 0 }],
  ])("does not treat message_start's count as the whole output if followed by %s, but passes it on", (_, usage) => {
    const start = {
      type: 'message_start',
      message: { id: 'i', model: 'm', usage: { input_tokens: 5, output_tokens: 1 } },
    };
    const text = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'x'.repeat(800) } };
    const end = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, ...(usage && { usage }) };
    const pieces = translate([start, text, end, { type: 'message_stop' }].map(sse));
    const told = pieces.findIndex(({ content }) => content);
    expect(pieces.slice(0, told).some((piece) => piece.usage)).toBe(true);
    expect(pieces.slice(told).some((piece) => piece.usage)).toBe(false);
    expect(bytesOf(pieces).toString()).toContain('"completion_tokens":1');
  });

  it('keeps a reported input if a closing 0 takes it back', () => {
    const start = { type: 'message_start', message: { id: 'i', model: 'm', usage: { input_tokens: 100_000 } } };
    const usage = { input_tokens: 0, output_tokens: 5 };
    const end = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage };
    const facts = mergeFacts(translate([sse(start), sse(end), sse({ type: 'message_stop' })]));
    expect(facts.usage).toMatchObject({ inputTokens: 100_000, outputTokens: 5 });
  });

  it('charges tokens cached for an hour at twice the input price, not 1.25 times', () => {
    const cache_creation = { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 300 };
    const counts = { input_tokens: 20, cache_creation_input_tokens: 400, cache_creation, output_tokens: 1 };
    const start = { type: 'message_start', message: { id: 'i', model: 'm', usage: counts } };
    const end = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 10 } };
    const { usage } = mergeFacts(translate([sse(start), sse(end), sse({ type: 'message_stop' })]));
    const price = { input: 4, cachedInput: 0.4, cacheWrite: 5, output: 20 };
    expect(usage && costOf(price, usage)).toBeCloseTo((20 * 4 + 100 * 5 + 300 * 8 + 10 * 20) / 1e6, 12);
  });

  it('marks only the answer itself as content and ignores unknown events', () => {
    const events = [{ type: 'ping' }, { type: 'message_start', message: {} }, { type: 'content_block_fancy' }, {}];
    expect(translate(events.map(sse)).map((piece) => piece.content)).toEqual([false, false, false, false]);
  });
});

describe('plain Anthropic answers', () => {
  it('turns text, tools and cached tokens into a completion', () => {
    const { body } = toCompletion(fixture('anthropic/tools.json').toString(), created);
    expect(body).toEqual({
      id: 'msg_01RtvQm3xUMn6e2pCzVqyzvC',
      object: 'chat.completion',
      created,
      model: 'claude-sonnet-4-6',
      choices: [
        {
          index: 0,
          logprobs: null,
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: 'Ich sehe nach: ',
            refusal: null,
            tool_calls: [
              toolCall('toolu_01A09q90qw90lq917835lq9', 'get_weather', '{"location":"Köln","days":3}'),
              toolCall('toolu_01B19q90qw90lq917835lq9', 'get_time', '{}'),
            ],
          },
        },
      ],
      usage: {
        prompt_tokens: 1720,
        completion_tokens: 88,
        total_tokens: 1808,
        prompt_tokens_details: { cached_tokens: 1500, cache_write_tokens: 200 },
      },
    });
  });

  it('throws the message of an error with status 200', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(() => toCompletion(JSON.stringify(error), created)).toThrow('Overloaded');
  });

  it('keeps thinking separate from the text', () => {
    const { body } = toCompletion(fixture('anthropic/thinking.json').toString(), created);
    expect(body).toMatchObject({
      choices: [{ message: { content: '391 👍', reasoning_content: '17 × 20 + 17 × 3' } }],
      usage: { completion_tokens_details: { reasoning_tokens: 74 } },
    });
  });

  it.each([
    [[{ type: 'tool_use', id: 't', name: 'f', input: {} }], null],
    [[], ''],
  ])('content of %j is %j', (content, expected) => {
    const { body } = toCompletion(JSON.stringify({ type: 'message', content }), created);
    expect(body).toMatchObject({ choices: [{ message: { content: expected } }] });
  });

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['pause_turn', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['tool_use', 'tool_calls'],
    ['refusal', 'content_filter'],
    ['toString', 'stop'],
    [null, 'stop'],
  ])('stop reason %s is %s', (reason, expected) => {
    expect(toFinishReason(reason)).toBe(expected);
  });

  it("converts errors to OpenAI's format", () => {
    const error = { type: 'invalid_request_error', message: 'No', details: { error_code: 'too_big' } };
    expect(toOpenAIErrorBody(JSON.stringify({ type: 'error', error }), 400)).toEqual({
      error: { message: 'No', type: 'invalid_request_error', param: null, code: 'too_big' },
    });
    expect(toOpenAIErrorBody(null, 529).error.message).toBe('The upstream answered 529.');
  });

  it.each([
    ['invalid_request_error', 'prompt is too long: 213456 tokens > 200000 maximum', 'context_length_exceeded'],
    [
      'invalid_request_error',
      'input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000',
      'context_length_exceeded',
    ],
    ['rate_limit_error', 'Too many', 'rate_limit_exceeded'],
    ['invalid_request_error', 'messages.0: "prompt is too long" is no role', null],
    ['api_error', 'prompt is too long', null],
  ])('gives errors the codes that frameworks recognise: %s, %s', (type, message, code) => {
    const body = JSON.stringify({ type: 'error', error: { type, message } });
    expect(toOpenAIErrorBody(body, 400).error).toEqual({ message, type, param: null, code });
    expect(meaningOf(body).tooLong).toBe(code === 'context_length_exceeded');
  });
});

describe('AnthropicProvider', () => {
  let upstream: FakeUpstream;
  let provider: AnthropicProvider;
  beforeAll(async () => {
    upstream = await startUpstream();
    provider = new AnthropicProvider({ clock: systemClock, apiKey: 'sk-ant', baseUrl: `${upstream.url}/v1/` });
  });
  afterAll(async () => {
    await upstream.close();
    await provider.close();
  });
  const message = fixture('anthropic/thinking.json');
  const refusal = (text: string) =>
    JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message: text } });

  it('carries 64-bit integers both ways, in tool arguments and schema bounds', async () => {
    const id = '9223372036854775807';
    const text = `{"model":"auto","tools":[{"type":"function","function":{"name":"f","parameters":{"maximum":${id}}}}],
      "messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"t","type":"function",
      "function":{"name":"f","arguments":"{\\"id\\": ${id}}"}}]},{"role":"tool","tool_call_id":"t","content":"y"}]}`;
    const use = `{"type":"tool_use","id":"t","name":"f","input":{"id":${id}}}`;
    upstream.respond = answerJson(`{"type":"message","content":[${use}],"stop_reason":"tool_use"}`);
    const call = { ...callOf({}), request: { text, body: JSON.parse(text) } };
    const answer = await provider.complete(call);
    const [sent] = upstream.requests.splice(0);
    for (const exact of [`"input":{"id":${id}}`, `"maximum":${id}`]) expect(sent.text).toContain(exact);
    const [choice] = JSON.parse(new TextDecoder().decode(answer.body)).choices;
    expect(choice.message.tool_calls[0].function.arguments).toBe(`{"id":${id}}`);
  });

  it('uses the older API version only for what the newer one lacks', async () => {
    upstream.respond = answerJson(message);
    await provider.complete(callOf({}));
    await provider.complete(callOf({ temperature: 0.5 }));
    const versions = upstream.requests.map((request) => request.headers['anthropic-version']);
    expect(versions).toEqual([expect.not.stringMatching('2023-06-01'), '2023-06-01']);
    expect(upstream.requests[0]).toMatchObject({ path: '/v1/messages', headers: { 'x-api-key': 'sk-ant' } });
  });

  it('sends a request again without a field that the model rejects, reports it, and remembers', async () => {
    upstream.requests.length = 0;
    upstream.respond = (response, request) =>
      'temperature' in request.body
        ? answerJson(refusal('`temperature` is deprecated for this model.'), 400)(response, request)
        : answerJson(message)(response, request);
    const first = await provider.complete(callOf({ temperature: 0.5, seed: 1 }));
    expect(first.droppedParams).toEqual(['seed', 'temperature']);
    expect(upstream.requests).toHaveLength(2);
    const second = await provider.complete(callOf({ temperature: 0.5 }));
    expect(second.droppedParams).toEqual(['temperature']);
    expect(upstream.requests).toHaveLength(3);
  });

  it('sends a request again with a smaller default max_tokens if rejected, and remembers', async () => {
    upstream.requests.length = 0;
    upstream.respond = (response, request) =>
      (request.body.max_tokens as number) > 8192
        ? answerJson(
            refusal('max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for this model'),
            400,
          )(response, request)
        : answerJson(message)(response, request);
    for (let i = 0; i < 2; i++) {
      expect((await provider.complete(callOf({ reasoning_effort: 'high' }))).droppedParams).toEqual([]);
    }
    expect(upstream.requests.map(({ body }) => body.max_tokens)).toEqual([16_384, 4096, 4096]);
    // The client's own max_tokens is left alone.
    await expect(provider.complete(callOf({ max_tokens: 9000 }))).rejects.toMatchObject({ status: 400 });
  });

  it('lowers its own limit to what the context window has room for beside the input', async () => {
    const said = (input: number) => (response: never, request: { body: { max_tokens?: unknown } }) =>
      input + (request.body.max_tokens as number) > 200_000
        ? answerJson(
            refusal(
              `input length and \`max_tokens\` exceed context limit: ${input} + ${request.body.max_tokens} > 200000, decrease input length or \`max_tokens\` and try again`,
            ),
            400,
          )(response, request as never)
        : answerJson(message)(response, request as never);
    const limits = async (input: number, fields: object) => {
      upstream.requests.length = 0;
      upstream.respond = said(input) as never;
      const status = await provider.complete({ ...callOf(fields), maxOutputTokens: 64_000 }).then(
        () => 200,
        (error: UpstreamError) => error.status,
      );
      return [status, ...upstream.requests.map(({ body }) => body.max_tokens)];
    };
    expect(await limits(165_883, {})).toEqual([200, 64_000, 34_117]);
    // Next to nothing: a model with a larger window should answer.
    expect(await limits(199_000, {})).toEqual([400, 64_000]);
    expect(await limits(194_000, { thinking: { type: 'enabled', budget_tokens: 5000 } })).toEqual([400, 64_000]);
    // An upstream that goes on refusing is asked no third time, and one that counts oddly no second.
    upstream.requests.length = 0;
    upstream.respond = answerJson(
      refusal('input length and `max_tokens` exceed context limit: 165883 + 1 > 200000, decrease'),
      400,
    );
    await expect(provider.complete({ ...callOf({}), maxOutputTokens: 64_000 })).rejects.toMatchObject({ status: 400 });
    expect(upstream.requests).toHaveLength(2);
    await expect(provider.complete({ ...callOf({}), maxOutputTokens: 9000 })).rejects.toMatchObject({ status: 400 });
    expect(upstream.requests).toHaveLength(3);
    // The client's own is its own matter.
    expect(await limits(165_883, { max_tokens: 50_000 })).toEqual([400, 50_000]);
  });

  it('remembers nothing from text that an error only quotes from the request', async () => {
    upstream.respond = answerJson(refusal("Tool 'top_k unsupported' not found in provided tools"), 400);
    await expect(provider.complete(callOf({ top_k: 5 }))).rejects.toMatchObject({ status: 400 });
    upstream.respond = answerJson(message);
    expect((await provider.complete(callOf({ top_k: 5 }))).droppedParams).toEqual([]);
  });

  it('remembers nothing from a request that fails in any case, as the error may name what the client wrote', async () => {
    upstream.respond = (response, request) =>
      request.text.includes('budget')
        ? answerJson(refusal('thinking.adaptive.budget: Extra inputs are not permitted'), 400)(response, request)
        : answerJson(message)(response, request);
    const wrong = callOf({ reasoning_effort: 'high', thinking: { type: 'adaptive', budget: 2000 } });
    await expect(provider.complete(wrong)).rejects.toMatchObject({ status: 400 });
    expect((await provider.complete(callOf({ reasoning_effort: 'high' }))).droppedParams).toEqual([]);
  });

  it('gives up if the model keeps refusing', async () => {
    upstream.requests.length = 0;
    upstream.respond = answerJson(refusal('top_p and reasoning effort, both wrong'), 400);
    const call = callOf({ top_p: 0.5, reasoning_effort: 'low' });
    await expect(provider.complete(call)).rejects.toMatchObject({ status: 400, failure: 'status' });
    expect(upstream.requests).toHaveLength(2);
  });

  it.each(['complete', 'stream'] as const)(
    'rejects a request that cannot be translated, without calling (%s)',
    async (method) => {
      upstream.requests.length = 0;
      const messages = [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }];
      await expect(provider[method](callOf({ messages }))).rejects.toMatchObject({ name: 'GatewayError', status: 400 });
      expect(upstream.requests).toHaveLength(0);
    },
  );

  it('sends "stream" for streams, and reads their error events', async () => {
    upstream.requests.length = 0;
    upstream.respond = answerStream([fixture('anthropic/error.sse')]);
    const stream = await provider.stream(callOf({ stream: true }));
    const error = (await collect(stream).catch((reason: unknown) => reason)) as UpstreamError;
    expect(upstream.requests[0]?.body).toMatchObject({ stream: true, model: 'upstream-model' });
    expect(JSON.parse(error.body)).toEqual({
      error: { message: 'Overloaded', type: 'overloaded_error', param: null, code: null },
    });
  });
});

function sse(event: unknown): Uint8Array {
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`);
}

function toolCall(id: string, name: string, args: string) {
  return { id, type: 'function', function: { name, arguments: args } };
}
