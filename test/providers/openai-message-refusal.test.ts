import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../src/domain/chat.ts';
import { meaningOf } from '../../src/providers/openai/error-meaning.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import { refusalOf } from '../../src/providers/openai/refusal.ts';
import { systemClock } from '../../src/util/clock.ts';
import { callOf } from './contract.ts';
import { answerJson, type FakeUpstream, fixture, startUpstream } from './upstream.ts';

/** Ids as vLLM generates them. */
const LONG_ID = `chatcmpl-tool-${'0123456789abcdef'.repeat(2)}`;
const ID_TOO_LONG = {
  message:
    "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40, but got a string with length 46 instead.",
  param: 'messages[1].tool_calls[0].id',
  code: 'string_above_max_length',
};
const DEVELOPER_UNKNOWN = {
  message:
    'Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool` at line 1 column 58',
  code: 'invalid_request_error',
};

const DEVELOPER: ChatMessage = { role: 'developer', content: 'Say "role": "developer".' };
const USER: ChatMessage = { role: 'user', content: 'Hi' };
const CALL: ChatMessage = {
  role: 'assistant',
  content: null,
  tool_calls: [
    { id: LONG_ID, type: 'function', function: { name: 'f', arguments: '{}' } },
    { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } },
  ],
};
const RESULTS: ChatMessage[] = [
  { role: 'tool', tool_call_id: LONG_ID, content: `${LONG_ID} is done` },
  { role: 'tool', tool_call_id: 'call_1', content: 'done' },
];

describe('messages that a server rejects', () => {
  let upstream: FakeUpstream;
  let provider: OpenAIProvider;
  beforeAll(async () => {
    upstream = await startUpstream();
    upstream.respond = (response, request) => {
      const messages = request.body.messages as ChatMessage[];
      const refusal = messages.some(({ role }) => role === 'developer')
        ? DEVELOPER_UNKNOWN
        : JSON.stringify(messages.map(({ content, ...rest }) => rest)).includes(LONG_ID) && ID_TOO_LONG;
      const answer = refusal
        ? answerJson(JSON.stringify({ error: refusal }), 400)
        : answerJson(fixture('openai/tools.json'));
      return answer(response, request);
    };
  });
  afterAll(() => upstream.close());
  beforeEach(() => {
    upstream.requests.length = 0;
    provider = new OpenAIProvider({ apiKey: 'k', baseUrl: upstream.url, streamUsage: true, clock: systemClock });
  });

  it('the developer role is replaced by system, and this is remembered', async () => {
    const call = callOf({ messages: [DEVELOPER, USER] });
    call.request.text = call.request.text.replace('"role":"developer"', '"role" : "develop\\u0065r"');
    for (const requests of [2, 3]) {
      expect((await provider.complete(call)).droppedParams).toEqual([]);
      expect(upstream.requests).toHaveLength(requests);
      expect(upstream.requests.at(-1)?.body.messages).toEqual([{ ...DEVELOPER, role: 'system' }, USER]);
    }
    expect(upstream.requests[2].text).toBe(
      call.request.text.replace('"develop\\u0065r"', '"system"').replace('"auto"', '"upstream-model"'),
    );
  });

  it('long call ids are shortened in calls and results alike, and this is remembered', async () => {
    for (const requests of [2, 3]) {
      expect((await provider.complete(callOf({ messages: [USER, CALL, ...RESULTS] }))).droppedParams).toEqual([]);
      expect(upstream.requests).toHaveLength(requests);
      const [user, call, ...results] = upstream.requests.at(-1)!.body.messages as ChatMessage[];
      const [first, second] = call.tool_calls as { id: string }[];
      expect(first.id).toMatch(/^call_[0-9a-f]{32}$/);
      expect(second.id).toBe('call_1');
      expect([user, ...results]).toEqual([USER, { ...RESULTS[0], tool_call_id: first.id }, RESULTS[1]]);
    }
    // Different ids stay different.
    const other = `${LONG_ID}x`;
    await provider.complete(callOf({ messages: [USER, CALL, { ...RESULTS[0], tool_call_id: other }] }));
    const [, call, result] = upstream.requests.at(-1)!.body.messages as ChatMessage[];
    expect((call.tool_calls as { id: string }[])[0].id).not.toBe(result.tool_call_id);
  });

  it('both problems are fixed in one request', async () => {
    await provider.complete(callOf({ messages: [DEVELOPER, USER, CALL, ...RESULTS] }));
    expect(upstream.requests).toHaveLength(3);
  });

  it('lead to an error for the client if it named the model', async () => {
    for (const messages of [
      [DEVELOPER, USER],
      [USER, CALL, ...RESULTS],
    ]) {
      const named = provider.complete({ ...callOf({ messages }), adapt: false });
      await expect(named).rejects.toMatchObject({ status: 400, modelSpecific: true });
    }
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('a refusal of', () => {
  const literal = {
    type: 'literal_error',
    loc: ['body', 'messages', 0, 'role'],
    msg: "Input should be 'system', 'user', 'assistant' or 'tool'",
    input: 'developer',
  };

  it.each([
    ['DeepSeek', { error: DEVELOPER_UNKNOWN }],
    [
      'OpenAI',
      { error: { message: "Unsupported value: 'messages[0].role' does not support 'developer' with this model." } },
    ],
    [
      'Azure',
      { error: { message: "Invalid value: 'developer'. Supported values are: 'system', 'assistant', 'user'." } },
    ],
    [
      'DashScope',
      { error: { message: "developer is not one of ['system', 'assistant', 'user'] - 'messages.0.role'" } },
    ],
    ['Groq', { error: { message: "'messages.0' : discriminator property 'role' has invalid value" } }],
    ['a template', { error: { message: "Unexpected role 'developer'" } }],
    ['a list', { error: 'role must be one of system, user, assistant' }],
    ['Mistral', { object: 'error', message: { detail: [literal] } }],
    ['FastAPI', { detail: [literal] }],
  ])('the developer role by %s', (_, answer) => {
    const body = { model: 'm', messages: [DEVELOPER, USER] };
    expect(refusalOf(JSON.stringify(answer), body)).toEqual({ field: 'messages.role', lasting: true });
    expect(meaningOf(JSON.stringify(answer), body.messages).modelSpecific).toBe(true);
    expect(refusalOf(JSON.stringify(answer), { ...body, messages: [USER] })).toBe(null);
  });

  it.each([
    ['by its code', { ...ID_TOO_LONG, message: 'x' }],
    ['in words', { message: ID_TOO_LONG.message }],
    ['of a result', { ...ID_TOO_LONG, param: 'messages[2].tool_call_id' }],
  ])('a long id %s', (_, error) => {
    const body = { model: 'm', messages: [USER, CALL, ...RESULTS] };
    expect(refusalOf(JSON.stringify({ error }), body)).toEqual({ field: 'messages.tool_calls.id', lasting: true });
    expect(meaningOf(JSON.stringify({ error }), body.messages).modelSpecific).toBe(true);
    expect(refusalOf(JSON.stringify({ error }), { ...body, messages: [USER] })).toBe(null);
  });

  it.each([
    ['another long string', { ...ID_TOO_LONG, message: 'x', param: 'user' }],
    ['an unknown id', { message: "Invalid parameter: 'tool_call_id' of 'a' not found in 'tool_calls'." }],
    ['the order of roles', { message: "messages with role 'tool' must follow a message with 'tool_calls'." }],
  ])('%s is blamed on the client', (_, error) => {
    const body = { model: 'm', messages: [DEVELOPER, USER, CALL, ...RESULTS] };
    expect(refusalOf(JSON.stringify({ error }), body)).toBe(null);
    expect(meaningOf(JSON.stringify({ error }), body.messages).modelSpecific).toBe(false);
  });
});
