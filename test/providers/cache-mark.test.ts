import { describe, expect, it } from 'vitest';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
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
    ['a request that has a mark on itself', { messages: conversation, ...mark }, 1],
    [
      'a marked system prompt',
      { messages: [{ role: 'system', content: [{ type: 'text', text: 'x', ...mark }] }, ...conversation] },
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

  it('is off unless it is asked for', async () => {
    expect(marks(await sent({ messages: conversation }, false))).toBe(0);
  });
});
