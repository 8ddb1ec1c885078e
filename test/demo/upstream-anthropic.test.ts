import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { type SimulatedAnswer, type SimulatedUpstream, startSimulatedUpstream } from '../../src/demo/upstream.ts';

const ANSWER: SimulatedAnswer = {
  text: 'A simulated answer, with several pieces — and ünïcode 👩‍🚀 too.\n',
  model: 'sim-y-1',
  inputTokens: 120,
  outputTokens: 77,
  cachedInputTokens: 20,
  cacheWriteTokens: 30,
  delayMs: 0,
};
const TOOLS = [
  { name: 'weather', arguments: '{"city":"Zürich 🏔","days":3}' },
  { name: 'clock', arguments: '{}' },
];
const QUESTION = { model: 'sim-y', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hello?' }] };
const USAGE = { input_tokens: 70, cache_read_input_tokens: 20, cache_creation_input_tokens: 30 };

let upstream: SimulatedUpstream | null = null;
afterEach(async () => {
  await upstream?.close();
  upstream = null;
});

async function start(answer: SimulatedAnswer) {
  upstream = await startSimulatedUpstream({ format: 'anthropic', answer: () => answer });
  return { upstream, client: new Anthropic({ apiKey: 'k', baseURL: upstream.url, maxRetries: 0 }) };
}

describe('simulated Anthropic upstream', () => {
  it('answers without streaming, with text, model and usage', async () => {
    const { client } = await start(ANSWER);
    const message = await client.messages.create(QUESTION);
    expect(message).toMatchObject({ type: 'message', role: 'assistant', model: 'sim-y-1', stop_reason: 'end_turn' });
    expect(message.id).toMatch(/^msg_/);
    expect(message._request_id).toMatch(/^req_/);
    expect(message.content).toEqual([{ type: 'text', text: ANSWER.text }]);
    expect(message.usage).toMatchObject({ ...USAGE, output_tokens: 77 });
  });

  it("streams events in the provider's order", async () => {
    const { client } = await start(ANSWER);
    const events = [];
    for await (const event of await client.messages.create({ ...QUESTION, stream: true })) events.push(event);
    const names = events.map((event) => event.type).filter((name, at, all) => name !== all[at - 1]);
    expect(names).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const raw = await fetch(`${upstream?.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ ...QUESTION, stream: true }),
    });
    // The client library does not pass on pings.
    expect(await raw.text()).toMatch(
      /^event: message_start\ndata: .*event: ping\ndata: \{"type":"ping"\}\n\n.*event: message_stop\n/s,
    );

    const message = await client.messages.stream(QUESTION).finalMessage();
    expect(message.content).toMatchObject([{ type: 'text', text: ANSWER.text }]);
    expect(message).toMatchObject({ stop_reason: 'end_turn', usage: { ...USAGE, output_tokens: 77 } });
  });

  it('thinks and calls tools, streamed or not', async () => {
    const { client } = await start({ ...ANSWER, thinking: 'Hm, a hard one.', toolCalls: TOOLS });
    const content = [
      { type: 'thinking', thinking: 'Hm, a hard one.', signature: expect.stringMatching(/^sig_/) },
      { type: 'text', text: ANSWER.text },
      ...TOOLS.map((call) => ({
        type: 'tool_use',
        id: expect.stringMatching(/^toolu_/),
        name: call.name,
        input: JSON.parse(call.arguments),
      })),
    ];
    const whole = await client.messages.create(QUESTION);
    expect(whole).toMatchObject({ content, stop_reason: 'tool_use' });
    const streamed = await client.messages.stream(QUESTION).finalMessage();
    expect(streamed).toMatchObject({ content, stop_reason: 'tool_use' });
  });

  it.each([
    ['length', 'max_tokens'],
    ['content_filter', 'refusal'],
  ] as const)('ends with the reason %s', async (finish, stop_reason) => {
    const { client } = await start({ ...ANSWER, finish });
    expect(await client.messages.create(QUESTION)).toMatchObject({ stop_reason });
  });

  it("rejects bad requests in the provider's format", async () => {
    const { upstream } = await start(ANSWER);
    const auth = { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' };
    const post = (path: string, body: unknown, headers: Record<string, string> = auth) =>
      fetch(`${upstream.url}${path}`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers,
      });
    const { max_tokens: _, ...unlimited } = QUESTION;
    for (const [response, status, type] of [
      [await post('/v1/messages', QUESTION, { 'anthropic-version': '2023-06-01' }), 401, 'authentication_error'],
      [await post('/v1/messages', QUESTION, { 'x-api-key': 'k' }), 400, 'invalid_request_error'],
      [await post('/v1/complete', QUESTION), 404, 'not_found_error'],
      [await post('/v1/messages', '{"model":'), 400, 'invalid_request_error'],
      [await post('/v1/messages', unlimited), 400, 'invalid_request_error'],
      [
        await post('/v1/messages', { ...QUESTION, messages: [{ role: 'system', content: 'x' }] }),
        400,
        'invalid_request_error',
      ],
    ] as const) {
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual({
        type: 'error',
        error: { type, message: expect.any(String) },
        request_id: response.headers.get('request-id'),
      });
    }
  });

  it.each([
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [529, 'overloaded_error'],
  ])('fails with %i when told to', async (status, type) => {
    const { client } = await start({ ...ANSWER, status, errorMessage: 'Told so.', retryAfterS: 3 });
    const error = await client.messages.create(QUESTION).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Anthropic.APIError);
    expect(error).toMatchObject({ status, error: { type: 'error', error: { type, message: 'Told so.' } } });
    expect((error as InstanceType<typeof Anthropic.APIError>).headers?.get('retry-after')).toBe('3');
  });
});
