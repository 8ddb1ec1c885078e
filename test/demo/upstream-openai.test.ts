import fc from 'fast-check';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type SimulatedAnswer,
  type SimulatedRequest,
  type SimulatedUpstream,
  startSimulatedUpstream,
} from '../../src/demo/upstream.ts';
import { jsonPieces, pieces } from '../../src/demo/wire/wire.ts';

const ANSWER: SimulatedAnswer = {
  text: 'A simulated answer,\n\n  with several pieces — and ünïcode 👩‍🚀 too. ',
  model: 'sim-x-1',
  inputTokens: 120,
  outputTokens: 77,
  cachedInputTokens: 20,
  delayMs: 0,
};
const TOOLS = [
  { name: 'weather', arguments: '{"city":"Zürich 🏔","days":3}' },
  { name: 'clock', arguments: '{}' },
];
const QUESTION = { model: 'sim-x', messages: [{ role: 'user' as const, content: 'Hello?' }] };

let upstream: SimulatedUpstream | null = null;
afterEach(async () => {
  await upstream?.close();
  upstream = null;
});

async function start(answer: SimulatedAnswer | ((request: SimulatedRequest) => SimulatedAnswer)) {
  upstream = await startSimulatedUpstream({
    format: 'openai',
    answer: typeof answer === 'function' ? answer : () => answer,
  });
  return { upstream, client: new OpenAI({ apiKey: 'k', baseURL: upstream.url, maxRetries: 0 }) };
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

describe('simulated OpenAI upstream', () => {
  it('answers without streaming, with text, model and usage', async () => {
    const { client, upstream } = await start(ANSWER);
    const completion = await client.chat.completions.create(QUESTION);
    expect(completion).toMatchObject({ object: 'chat.completion', model: 'sim-x-1' });
    expect(completion.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: ANSWER.text, refusal: null },
    });
    expect(completion.usage).toMatchObject({
      prompt_tokens: 120,
      completion_tokens: 77,
      total_tokens: 197,
      prompt_tokens_details: { cached_tokens: 20 },
    });
    const again = await client.chat.completions.create(QUESTION);
    expect(again.id).toMatch(/^chatcmpl-/);
    expect(again.id).not.toBe(completion.id);
    expect(again._request_id).toMatch(/^req_/);
    expect(upstream.requests).toBe(2);
  });

  it('streams role, pieces and finish reason, and usage only on request', async () => {
    const { client } = await start(ANSWER);
    const chunks = await collect(await client.chat.completions.create({ ...QUESTION, stream: true }));
    expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '', refusal: null });
    expect(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('')).toBe(ANSWER.text);
    expect(chunks.length).toBeGreaterThan(4);
    expect(chunks.at(-1)?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);

    const counted = await collect(
      await client.chat.completions.create({ ...QUESTION, stream: true, stream_options: { include_usage: true } }),
    );
    expect(counted.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 120, completion_tokens: 77 } });
    expect(counted.slice(0, -1).every((chunk) => chunk.usage === null && chunk.choices.length === 1)).toBe(true);
  });

  it('ends the stream with [DONE]', async () => {
    const { upstream } = await start(ANSWER);
    const response = await fetch(`${upstream.url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer k' },
      body: JSON.stringify({ ...QUESTION, stream: true }),
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(await response.text()).toMatch(/^data: \{.*\n\ndata: \[DONE\]\n\n$/s);
  });

  it('calls tools, streamed or not', async () => {
    const { client } = await start({ ...ANSWER, text: '', toolCalls: TOOLS });
    const whole = await client.chat.completions.create(QUESTION);
    expect(whole.choices[0].finish_reason).toBe('tool_calls');
    expect(whole.choices[0].message.content).toBeNull();
    expect(whole.choices[0].message.tool_calls).toMatchObject(
      TOOLS.map((call) => ({ type: 'function', function: call })),
    );

    // The client library's own accumulator joins the pieces by index.
    const streamed = await client.chat.completions.stream({ ...QUESTION, stream: true }).finalChatCompletion();
    expect(streamed.choices[0].message.tool_calls).toMatchObject(
      TOOLS.map((call) => ({ type: 'function', function: call })),
    );
    expect(streamed.choices[0].finish_reason).toBe('tool_calls');
  });

  it('shows the answering function what the client sent', async () => {
    const seen: SimulatedRequest[] = [];
    const { client } = await start((request) => {
      seen.push(request);
      return ANSWER;
    });
    await client.chat.completions.create({
      model: 'm',
      seed: 5,
      messages: [
        { role: 'system', content: 's' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'one' },
            { type: 'text', text: 'two' },
          ],
        },
        { role: 'assistant', content: 'hm' },
      ],
    });
    expect(seen[0]).toMatchObject({ format: 'openai', model: 'm', stream: false, lastUserText: 'one\ntwo' });
    expect(seen[0].body.seed).toBe(5);
    expect(JSON.parse(seen[0].text)).toEqual(seen[0].body);
  });

  it("rejects bad requests in the provider's format", async () => {
    const { upstream, client } = await start(ANSWER);
    const post = (path: string, body: string, headers: Record<string, string> = { authorization: 'Bearer k' }) =>
      fetch(`${upstream.url}${path}`, { method: 'POST', body, headers });
    const shape = { error: { message: expect.any(String), type: 'invalid_request_error', param: null, code: null } };
    const asked = JSON.stringify(QUESTION);
    for (const [response, status] of [
      [await post('/chat/completions', asked, {}), 401],
      [await post('/completions', asked), 404],
      [await post('/chat/completions', '{"model":'), 400],
      [await post('/chat/completions', '[]'), 400],
      [await post('/chat/completions', '{"messages":[]}'), 400],
      [await fetch(`${upstream.url}/models`), 404],
    ] as const) {
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual(shape);
    }
    await expect(client.chat.completions.create({ model: 'm', messages: [] })).rejects.toThrow(OpenAI.BadRequestError);
    expect(upstream.requests).toBe(7);
  });

  it('fails when told to', async () => {
    const { client } = await start({ ...ANSWER, status: 429, retryAfterS: 7, errorMessage: 'Slow down.' });
    const error = await client.chat.completions.create({ ...QUESTION, stream: true }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'requests' });
    expect((error as InstanceType<typeof OpenAI.RateLimitError>).headers.get('retry-after')).toBe('7');
  });

  it('turns an exception in the answering function into a 500', async () => {
    const { client } = await start(() => {
      throw new Error('No such query.');
    });
    await expect(client.chat.completions.create(QUESTION)).rejects.toThrow('500 No such query.');
  });

  it('breaks off a stream when told to', async () => {
    const { client, upstream } = await start({ ...ANSWER, breakAfterPieces: 2 });
    const stream = await client.chat.completions.create({ ...QUESTION, stream: true });
    await expect(collect(stream)).rejects.toThrow();
    expect(upstream.aborted).toBe(0);
  });

  it('takes the time it is told to', async () => {
    const { client } = await start({ ...ANSWER, delayMs: 40, streamMs: 60 });
    const started = performance.now();
    await client.chat.completions.create(QUESTION);
    expect(performance.now() - started).toBeGreaterThan(95);
  });

  it('notices a client that leaves', async () => {
    // Never sent completely: however slow the machine is, the client leaves first.
    const { client, upstream } = await start({ ...ANSWER, streamMs: 600_000 });
    const stream = await client.chat.completions.create({ ...QUESTION, stream: true });
    for await (const _ of stream) break;
    await expect.poll(() => upstream.aborted, { timeout: 20_000 }).toBe(1);
  });
});

describe('pieces', () => {
  it('join to the whole text, and never split a code point', () => {
    const bit = fc.constantFrom('a', 'word ', '\n', '   ', '👩‍🚀', 'é', '日本語の文章', 'x'.repeat(40), '{"k":1}');
    fc.assert(
      fc.property(fc.array(bit, { maxLength: 30 }), (bits) => {
        const text = bits.join('');
        for (const cut of [pieces, jsonPieces]) {
          expect(cut(text).join('')).toBe(text);
          expect(cut(text).every((piece) => piece.isWellFormed())).toBe(true);
        }
      }),
    );
    expect(pieces('a\ud800 b').join('')).toBe('a\ud800 b');
  });
});
