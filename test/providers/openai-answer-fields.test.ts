import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../src/domain/chat.ts';
import { meaningOf } from '../../src/providers/openai/error-meaning.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import { refusalOf } from '../../src/providers/openai/refusal.ts';
import { systemClock } from '../../src/util/clock.ts';
import { callOf } from './contract.ts';
import { answerJson, type FakeUpstream, fixture, startUpstream } from './upstream.ts';

const USER: ChatMessage = { role: 'user', content: 'reasoning_content', reasoning_content: 'mine' };
const SAID: ChatMessage = { role: 'assistant', content: 'I see.', name: 'a' };
const THOUGHT: ChatMessage = {
  ...SAID,
  x1: 1,
  reasoning_content: 'Hm, "}',
  thinking_blocks: [{ type: 'thinking', thinking: 'Hm', signature: 'abc' }],
};
const GROQ = (field: string) =>
  `'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property '${field}' is unsupported)]`;

describe("fields of other models' answers that a server refuses", () => {
  let upstream: FakeUpstream;
  let provider: OpenAIProvider;
  beforeAll(async () => {
    upstream = await startUpstream();
    upstream.respond = (response, request) => {
      const answered = (request.body.messages as ChatMessage[])[1];
      const refused = ['reasoning_content', 'thinking_blocks'].find((field) => field in answered);
      const answer = refused
        ? answerJson(JSON.stringify({ error: { message: GROQ(refused) } }), 400)
        : answerJson(fixture('openai/tools.json'));
      return answer(response, request);
    };
  });
  afterAll(() => upstream.close());
  beforeEach(() => {
    upstream.requests.length = 0;
    provider = new OpenAIProvider({ apiKey: 'k', baseUrl: upstream.url, streamUsage: true, clock: systemClock });
  });

  it("are dropped from the assistant's messages and reported; this is remembered", async () => {
    for (const requests of [3, 4]) {
      const { droppedParams } = await provider.complete(callOf({ messages: [USER, THOUGHT, USER] }));
      expect(droppedParams).toEqual(['messages.reasoning_content', 'messages.thinking_blocks']);
      expect(upstream.requests).toHaveLength(requests);
      expect(upstream.requests.at(-1)?.body.messages).toEqual([USER, { ...SAID, x1: 1 }, USER]);
    }
    expect((await provider.complete(callOf({ messages: [USER, SAID, USER] }))).droppedParams).toEqual([]);
    expect(upstream.requests).toHaveLength(5);
  });

  it('lead to an error for the client if it named the model', async () => {
    const named = provider.complete({ ...callOf({ messages: [USER, THOUGHT] }), adapt: false });
    await expect(named).rejects.toMatchObject({ status: 400, modelSpecific: true });
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('a refusal of such a field', () => {
  const extra = (...loc: (string | number)[]) => [{ type: 'extra_forbidden', loc: ['body', ...loc], input: 'Hm' }];
  const messages = [USER, THOUGHT, { role: 'tool', tool_call_id: 'c', content: '' }];
  const body = { model: 'm', messages };

  it.each([
    ['OpenAI', { error: { message: "Unknown parameter: 'messages[1].reasoning_content'." } }],
    ['Groq', { error: { message: GROQ('reasoning_content') } }],
    [
      'Cerebras',
      {
        message:
          "messages.1.assistant.reasoning_content: property 'messages.1.assistant.reasoning_content' is unsupported",
        code: 'wrong_api_format',
      },
    ],
    [
      'Google',
      [
        {
          error: {
            message: `Invalid JSON payload received. Unknown name "reasoning_content" at 'messages[1]': Cannot find field.`,
          },
        },
      ],
    ],
    ['Mistral', { object: 'error', message: { detail: extra('messages', 1, 'assistant', 'reasoning_content') } }],
    ['FastAPI', { detail: extra('messages', 1, 'reasoning_content') }],
    [
      'Fireworks',
      { error: { message: "Extra inputs are not permitted, field: 'messages[1].reasoning_content', value: 'Hm'" } },
    ],
  ])('is recognised in the wording of %s', (_, answer) => {
    const error = JSON.stringify(answer);
    expect(refusalOf(error, body)).toEqual({ field: 'messages.reasoning_content', lasting: true });
    expect(meaningOf(error, messages).modelSpecific).toBe(true);
    expect(refusalOf(error, { ...body, messages: [USER, SAID] })).toBe(null);
  });

  it.each([
    ["another role's", 'messages[0].reasoning_content'],
    ['what is needed', 'messages[1].content'],
    ['no message of the request', 'messages[7].reasoning_content'],
    ['what every object has', 'messages[1].toString'],
    ["a field of the client's own", 'messages[1].x1'],
  ])('is not assumed if it is about %s', (_, field) => {
    const error = JSON.stringify({ error: { message: `Unknown parameter: '${field}'.` } });
    expect(refusalOf(error, body)).toBe(null);
  });
});
