import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { buildProviders } from '../../src/wiring/providers.ts';
import { callOf } from './contract.ts';
import { answerJson, fixture, startUpstream } from './upstream.ts';

const mark = { cache_control: { type: 'ephemeral' } };
const question = { role: 'user', content: 'And tomorrow?' };
const conversation = [{ role: 'user', content: 'Weather?' }, { role: 'assistant', content: 'Sunny.' }, question];
const tool = { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } };
const call = { id: 'toolu_1', type: 'function', function: { name: 'weather', arguments: '{}' } };

/** What the upstream gets. */
async function sent(fields: object, cacheConversations = true) {
  const upstream = await startUpstream();
  upstream.respond = answerJson(fixture('anthropic/tools.json'));
  const options = { apiKey: 'k', baseUrl: upstream.url, clock: systemClock, cacheConversations };
  const provider = new AnthropicProvider(options);
  await provider.complete(callOf(fields));
  await provider.close();
  await upstream.close();
  return upstream.requests[0].body as { messages: { content: unknown }[] };
}

const marks = (body: object) => JSON.stringify(body).match(/"cache_control"/g)?.length ?? 0;

describe('providers.NAME.cache_conversations', () => {
  it('marks the last user message of a conversation', async () => {
    const body = await sent({ messages: conversation });
    expect(body.messages.at(-1)).toEqual({ role: 'user', content: [{ type: 'text', text: 'And tomorrow?', ...mark }] });
    expect(marks(body)).toBe(1);
  });

  it('marks the last user message even if the beginning of its answer follows', async () => {
    const body = await sent({ messages: [...conversation, { role: 'assistant', content: '{' }] });
    expect(body.messages.at(-2)?.content).toMatchObject([mark]);
    expect(marks(body)).toBe(1);
  });

  it('marks the last part of a message only', async () => {
    const parts = ['See', 'this'].map((text) => ({ type: 'text', text }));
    const body = await sent({ messages: [...conversation.slice(0, 2), { role: 'user', content: parts }] });
    expect(body.messages.at(-1)?.content).toEqual([parts[0], { ...parts[1], ...mark }]);
  });

  it("marks a tool's result, and the first request that offers tools", async () => {
    const loop = [
      question,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'Rain.' },
    ];
    const body = await sent({ messages: loop, tools: [tool] });
    expect(body.messages.at(-1)?.content).toMatchObject([{ type: 'tool_result', ...mark }]);
    expect(marks(body)).toBe(1);
    expect(marks(await sent({ messages: [question], tools: [tool] }))).toBe(1);
  });

  it.each([
    ['a single question, which may be all', { messages: [question] }],
    ['a question with the beginning of its answer', { messages: [question, { role: 'assistant', content: '{' }] }],
    ['a request that has a mark on itself', { messages: conversation, ...mark }, 1],
    [
      'a marked system prompt',
      { messages: [{ role: 'system', content: [{ type: 'text', text: 'x', ...mark }] }, ...conversation] },
      1,
    ],
    [
      'a marked part of a tool result',
      {
        messages: [
          ...conversation.slice(0, 1),
          { role: 'assistant', content: null, tool_calls: [call] },
          { role: 'tool', tool_call_id: 'toolu_1', content: [{ type: 'text', text: 'Rain.', ...mark }] },
        ],
      },
      1,
    ],
    ['a marked tool', { messages: conversation, tools: [{ ...tool, ...mark }] }, 1],
    [
      'a marked part',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'x', ...mark }] }, ...conversation.slice(1)] },
      1,
    ],
  ])('adds none to %s', async (_, fields, own = 0) => {
    expect(marks(await sent(fields))).toBe(own);
  });

  it('sends the request without the mark where the server refuses it, and remembers that', async () => {
    const upstream = await startUpstream();
    upstream.respond = (response, request) => {
      const message = 'messages.2.content.0.cache_control: Extra inputs are not permitted';
      const isRefused = request.text.includes('cache_control');
      const error = JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } });
      const answer = isRefused ? answerJson(error, 400) : answerJson(fixture('anthropic/tools.json'));
      return answer(response, request);
    };
    const options = { apiKey: 'k', baseUrl: upstream.url, clock: systemClock, cacheConversations: true };
    const provider = new AnthropicProvider(options);
    const first = await provider.complete(callOf({ messages: conversation }));
    await provider.complete(callOf({ messages: conversation }));
    expect(upstream.requests.map(({ body }) => marks(body))).toEqual([1, 0, 0]);
    expect(first.droppedParams).toEqual([]);
    await provider.close();
    await upstream.close();
  });

  it.each([
    ['only quotes the request', "Tool 'cache_control' not found in provided tools", [1, 1]],
    ['is about something else', 'temperature: Input should be less than or equal to 1', [1, 1]],
    ['goes on when the mark is gone', 'messages.0.cache_control: Extra inputs are not permitted', [1, 0, 1, 0]],
  ])('goes on marking where a refusal %s', async (_, message, expected) => {
    const upstream = await startUpstream();
    const error = JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } });
    upstream.respond = answerJson(error, 400);
    const options = { apiKey: 'k', baseUrl: upstream.url, clock: systemClock, cacheConversations: true };
    const provider = new AnthropicProvider(options);
    for (let i = 0; i < 2; i++) {
      await expect(provider.complete(callOf({ messages: conversation }))).rejects.toMatchObject({ status: 400 });
    }
    expect(upstream.requests.map(({ body }) => marks(body))).toEqual(expected);
    upstream.requests.length = 0;
    // The client's own mark is the client's to see refused.
    const own = callOf({ messages: conversation, ...mark });
    await expect(provider.complete(own)).rejects.toMatchObject({ status: 400 });
    expect(upstream.requests).toHaveLength(1);
    await provider.close();
    await upstream.close();
  });

  it('is taken from the config', () => {
    const providers = (setting: string) => {
      const text = `providers: { p: { type: anthropic, api_key: k${setting} } }\nmodels: [{ id: m, provider: p, price: { input: 1, output: 1 } }]`;
      return buildProviders(parseConfig(text, 'test.yaml', {}), null, systemClock).get('p');
    };
    expect(providers('')?.cachesUnmarked).toBe(false);
    expect(providers(', cache_conversations: true')?.cachesUnmarked).toBe(true);
  });

  it('is off unless it is asked for', async () => {
    expect(marks(await sent({ messages: conversation }, false))).toBe(0);
  });
});
