import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/domain/chat.ts';
import { meaningOf } from '../../src/providers/openai/error-meaning.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import { refusalOf } from '../../src/providers/openai/refusal.ts';
import { systemClock } from '../../src/util/clock.ts';
import { callOf, collect } from './contract.ts';
import { answerJson, answerStream, type FakeUpstream, fixture, startUpstream } from './upstream.ts';

/** As OpenAI words it for its reasoning models. */
const REFUSALS: Record<string, { message: string; code: string }> = {
  max_tokens: {
    message:
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    code: 'unsupported_parameter',
  },
  temperature: {
    message:
      "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
    code: 'unsupported_value',
  },
  reasoning_effort: {
    message: "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model.",
    code: 'unsupported_value',
  },
  logprobs: {
    message: "Unsupported parameter: 'logprobs' is not supported with this model.",
    code: 'unsupported_parameter',
  },
};

describe('a parameter that an OpenAI model rejects', () => {
  let upstream: FakeUpstream;
  let provider: OpenAIProvider;
  beforeAll(async () => {
    upstream = await startUpstream();
    upstream.respond = (response, { body }) => {
      const param = Object.keys(REFUSALS).find((name) => body[name] !== undefined);
      if (!param) return answerJson(fixture('openai/tools.json'))(response, upstream.requests[0]);
      return answerJson(JSON.stringify({ error: { ...REFUSALS[param], type: 'invalid_request_error', param } }), 400)(
        response,
        upstream.requests[0],
      );
    };
  });
  afterAll(() => upstream.close());
  beforeEach(() => {
    upstream.requests.length = 0;
    provider = new OpenAIProvider({ apiKey: 'k', baseUrl: upstream.url, streamUsage: true, clock: systemClock });
  });

  it('is dropped or renamed if the gateway chose the model, and this is remembered', async () => {
    const seed = '9007199254740993';
    const call = callOf({ max_tokens: 5, temperature: 0.2 });
    call.request.text = `{"seed":${seed},${call.request.text.slice(1)}`;
    // Otherwise the time limit for the beginning of the answer would have passed during the first refusal.
    const signs: number[] = [];
    const first = await provider.complete({ ...call, onActivity: () => signs.push(upstream.requests.length) });
    expect(new Set(signs)).toEqual(new Set([3]));
    expect(first.droppedParams).toEqual(['temperature']);
    expect(upstream.requests).toHaveLength(3);
    const { text, body } = upstream.requests[2];
    expect(body).toMatchObject({ model: 'upstream-model', max_completion_tokens: 5 });
    expect(Object.keys(body)).toEqual(['seed', 'model', 'messages', 'max_completion_tokens']);
    expect(text).toContain(`"seed":${seed}`);

    const second = await provider.complete(callOf({ temperature: 0.7, max_tokens: 9, max_completion_tokens: 7 }));
    expect(second.droppedParams).toEqual(['temperature']);
    expect(upstream.requests).toHaveLength(4);
    expect(Object.keys(upstream.requests[3].body)).toEqual(['model', 'messages', 'max_completion_tokens']);
    expect((await provider.complete(callOf({}))).droppedParams).toEqual([]);
  });

  it('is remembered even beside an effort if it does not concern the answer', async () => {
    const respond = upstream.respond;
    const error = { message: 'Unrecognized request argument supplied: prompt_cache_key' };
    upstream.respond = (response, request) =>
      'prompt_cache_key' in request.body
        ? answerJson(JSON.stringify({ error }), 400)(response, request)
        : answerJson(fixture('openai/tools.json'))(response, request);
    const call = () => provider.complete(callOf({ reasoning_effort: 'low', prompt_cache_key: 'c' }));
    expect((await call()).droppedParams).toEqual(['prompt_cache_key']);
    await call();
    upstream.respond = respond;
    expect(upstream.requests).toHaveLength(3);
  });

  it('is tried again in later requests if only its value was unknown to the model', async () => {
    const call = () => provider.complete(callOf({ reasoning_effort: 'minimal' }));
    expect((await call()).droppedParams).toEqual(['reasoning_effort']);
    await call();
    expect(upstream.requests).toHaveLength(4);
  });

  it('is dropped if it requires tools, but still sent to the same model with tools', async () => {
    const respond = upstream.respond;
    const message =
      "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.";
    const error = { message, type: 'invalid_request_error', param: 'parallel_tool_calls', code: null };
    upstream.respond = (response, request) =>
      request.body.tools || request.body.parallel_tool_calls === undefined
        ? respond(response, request)
        : answerJson(JSON.stringify({ error }), 400)(response, request);
    const alone = await provider.complete(callOf({ parallel_tool_calls: false }));
    await provider.complete(callOf({ parallel_tool_calls: false, tools: [{ type: 'function' }] }));
    upstream.respond = respond;
    expect(alone.droppedParams).toEqual(['parallel_tool_calls']);
    expect(upstream.requests.map(({ body }) => body.parallel_tool_calls)).toEqual([false, undefined, false]);
  });

  it('is thinking beside tools: it is turned off, as the model would think without an effort too', async () => {
    const respond = upstream.respond;
    const message =
      "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.";
    const error = { message, type: 'invalid_request_error', param: 'reasoning_effort', code: null };
    upstream.respond = (response, request) =>
      (request.body.tools as [])?.length > 0 && request.body.reasoning_effort !== 'none'
        ? answerJson(JSON.stringify({ error }), 400)(response, request)
        : answerJson(fixture('openai/tools.json'))(response, request);
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const dropped = async (fields: object) => (await provider.complete(callOf(fields))).droppedParams;
    expect(await dropped({ tools })).toEqual(['reasoning_effort']);
    expect(await dropped({ tools, reasoning_effort: 'high' })).toEqual(['reasoning_effort']);
    expect(await dropped({ tools, reasoning_effort: 'none' })).toEqual([]);
    expect(await dropped({ tools: [], reasoning_effort: 'high' })).toEqual([]);
    const sent = upstream.requests.map(({ body }) => body.reasoning_effort);
    expect(sent).toEqual([undefined, 'none', 'none', 'none', 'high']);

    // A model that thinks in any case is left to another one.
    upstream.respond = answerJson(JSON.stringify({ error }), 400);
    provider = new OpenAIProvider({ apiKey: 'k', baseUrl: upstream.url, streamUsage: true, clock: systemClock });
    await expect(dropped({ tools })).rejects.toMatchObject({ status: 400, modelSpecific: true });
    expect(upstream.requests).toHaveLength(7);
    upstream.respond = respond;
  });

  it('is renamed even if the client sends null for the other name', async () => {
    await provider.complete(callOf({ max_tokens: 5, max_completion_tokens: null }));
    await provider.complete(callOf({ max_tokens: 6, max_completion_tokens: null }));
    expect(upstream.requests.map(({ body }) => body.max_completion_tokens)).toEqual([null, 5, 6]);
    expect(upstream.requests[2].text.match(/max_completion_tokens/g)).toHaveLength(1);
  });

  it("is left out where it is Anthropic's: thinking, top_k, and cache marks wherever they stand", async () => {
    const respond = upstream.respond;
    const refuse = (param: string) =>
      answerJson(
        JSON.stringify({ error: { message: `Unknown parameter: '${param}'.`, code: 'unknown_parameter', param } }),
        400,
      );
    upstream.respond = (response, request) => {
      const { body, text } = request;
      const param = ['thinking', 'top_k'].find((name) => name in body);
      if (param) return refuse(param)(response, request);
      const marked = /"cache_control":\{"type"/.test(text) ? 'messages[0].content[0].cache_control' : null;
      return marked ? refuse(marked)(response, request) : respond(response, request);
    };
    const mark = { cache_control: { type: 'ephemeral' } };
    const call = callOf({
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be brief: "cache_control".', ...mark }] },
        { role: 'user', content: 'Hi', ...mark },
      ],
      tools: [
        { type: 'function', function: { name: 'f', parameters: { properties: { cache_control: {} } } }, ...mark },
        { type: 'function', function: { name: 'g', ...mark } },
      ],
      ...mark,
      thinking: { type: 'enabled', budget_tokens: 2000 },
      top_k: 5,
    });
    call.request.text = `{"seed":9007199254740993,${call.request.text.slice(1)}`;
    const first = await provider.complete(call);
    expect(first.droppedParams.toSorted()).toEqual(['cache_control', 'thinking', 'top_k']);
    expect(upstream.requests).toHaveLength(4);
    const { text, body } = upstream.requests[3];
    expect(text).toContain('"seed":9007199254740993');
    expect(body.messages).toEqual([
      { role: 'system', content: [{ type: 'text', text: 'Be brief: "cache_control".' }] },
      { role: 'user', content: 'Hi' },
    ]);
    expect(body.tools).toEqual([
      { type: 'function', function: { name: 'f', parameters: { properties: { cache_control: {} } } } },
      { type: 'function', function: { name: 'g' } },
    ]);
    await provider.complete(call);
    expect(upstream.requests).toHaveLength(5);
    expect((await provider.complete(callOf({}))).droppedParams).toEqual([]);
    upstream.respond = respond;
  });

  it.each([
    [{ message: 'Unrecognized request argument supplied: thinking' }, 'thinking'],
    [{ message: "Extra inputs are not permitted, field: 'thinking', value: {}" }, 'thinking'],
    [{ message: 'Bad request', code: 'unknown_parameter', param: 'thinking' }, 'thinking'],
    [{ detail: [{ type: 'extra_forbidden', loc: ['query', 'thinking'] }] }, undefined],
    [{ detail: [{ type: 'extra_forbidden', loc: ['body', { toString: 1, valueOf: 1 }] }] }, undefined],
    [{ message: "Unknown parameter: 'tools[1].cache_control'." }, 'cache_control'],
    [
      {
        message:
          "'messages.1' : for 'role:user' the following must be satisfied[('messages.1' : property 'cache_control' is unsupported)]",
      },
      'cache_control',
    ],
    [
      { message: 'Invalid JSON payload received. Unknown name "cache_control" at \'messages[1]\': Cannot find field.' },
      'cache_control',
    ],
    [{ detail: [{ type: 'extra_forbidden', loc: ['body', 'messages', 1, 'user', 'cache_control'] }] }, 'cache_control'],
    [{ message: "Unknown parameter: 'messages[0].thinking'." }, undefined],
    [{ message: "Unknown parameter: 'top_k'." }, undefined],
    [{ message: "Invalid value 'cache_control'" }, undefined],
  ])("is found in a server's words: %j", (error, field) => {
    const { body } = callOf({
      thinking: { type: 'adaptive' },
      messages: [
        { role: 'system', content: 'x' },
        { role: 'user', content: 'x', cache_control: {} },
      ],
    }).request;
    expect(refusalOf(JSON.stringify({ error }), body)?.field).toBe(field);
  });

  it('is no mark if the request has none, whatever the error says', () => {
    const error = { message: "Unknown parameter: 'messages[1].content[0].cache_control'." };
    expect(refusalOf(JSON.stringify({ error }), callOf({}).request.body)).toBeNull();
  });

  it.each([
    [{ detail: [{ type: 'extra_forbidden', loc: ['body', 'messages', 0, 'content', 0, 'cache_control'] }] }, true],
    [{ detail: [{ type: 'extra_forbidden', loc: ['body', 'tools', 0, 'cache_control'] }] }, false],
  ])('is remembered if it is a mark on a part of a message: %j', (error, lasting) => {
    const { body } = callOf({ cache_control: {} }).request;
    expect(refusalOf(JSON.stringify(error), body)).toEqual({ field: 'cache_control', lasting });
  });

  it('is left out of tool calls too, and only of objects where a member is there twice', async () => {
    const respond = upstream.respond;
    upstream.respond = (response, request) => {
      const isRefused = /"cache_control":\{"type"/.test(request.text);
      const message =
        'Invalid JSON payload received. Unknown name "cache_control" at \'messages[0].content[0]\': Cannot find field.';
      return isRefused
        ? answerJson(JSON.stringify({ error: { message } }), 400)(response, request)
        : respond(response, request);
    };
    const mark = { cache_control: { type: 'ephemeral' } };
    const called = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' }, ...mark };
    const loop = callOf({
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Hi', ...mark }, [{ odd: 1 }]] },
        { role: 'assistant', content: null, tool_calls: [called] },
        { role: 'tool', tool_call_id: 'c', content: '1' },
      ],
    });
    await provider.complete(loop);
    // Remembered, since the place is within content.
    await provider.complete(loop);
    expect(upstream.requests).toHaveLength(3);
    expect(upstream.requests[2].text).not.toContain('"cache_control"');
    const twice = callOf({ tools: [{ type: 'function', function: { name: 'f' }, ...mark }] });
    twice.request.text = `{"tools":[[1]],${twice.request.text.slice(1)}`;
    await provider.complete(twice);
    expect(upstream.requests[3].text).toContain('"tools":[[1]]');
    upstream.respond = respond;
  });

  it('does not cost other requests their cache marks if a server refuses a mark in an unusual place', async () => {
    const respond = upstream.respond;
    upstream.respond = (response, request) => {
      const messages = request.body.messages as JsonObject[];
      const isOdd = messages.some((message) => message.cache_control);
      const message = "Unknown parameter: 'messages[0].cache_control'.";
      return isOdd
        ? answerJson(JSON.stringify({ error: { message } }), 400)(response, request)
        : respond(response, request);
    };
    const mark = { cache_control: { type: 'ephemeral' } };
    const odd = callOf({ messages: [{ role: 'user', content: 'Hi', ...mark }] });
    expect((await provider.complete(odd)).droppedParams).toEqual(['cache_control']);
    const usual = callOf({ messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi', ...mark }] }] });
    expect((await provider.complete(usual)).droppedParams).toEqual([]);
    upstream.respond = respond;
  });

  it('is remembered for other requests only if no other field could be the reason', async () => {
    const call = callOf({ reasoning_effort: 'high', temperature: 0.2 });
    expect((await provider.complete(call)).droppedParams.toSorted()).toEqual(['reasoning_effort', 'temperature']);
    await provider.complete(callOf({ temperature: 0.2 }));
    // Its temperature was tried first.
    expect(upstream.requests.at(-2)?.body.temperature).toBe(0.2);
  });

  it('is not remembered if the request fails without it too, as the error may quote the client', async () => {
    const respond = upstream.respond;
    const name = 'temperature": Cannot find field.';
    upstream.respond = (response, request) =>
      request.body[name] === undefined
        ? respond(response, request)
        : answerJson(
            JSON.stringify([
              { error: { message: `Invalid JSON payload received. Unknown name "${name}": Cannot find field.` } },
            ]),
            400,
          )(response, request);
    await expect(provider.complete(callOf({ temperature: 0.2, [name]: 1 }))).rejects.toMatchObject({ status: 400 });
    expect(upstream.requests.map(({ body }) => body.temperature)).toEqual([0.2, undefined]);
    await provider.complete(callOf({ temperature: 0.2 }));
    upstream.respond = respond;
    expect(upstream.requests[2].body.temperature).toBe(0.2);
  });

  it('leads to an error if the client named the model, or if the answer would be of another kind', async () => {
    const named = provider.complete({ ...callOf({ temperature: 0.2 }), adapt: false });
    await expect(named).rejects.toMatchObject({ status: 400, modelSpecific: true });
    await expect(provider.complete(callOf({ logprobs: true }))).rejects.toMatchObject({ status: 400 });
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('an error that means "too long for the model"', () => {
  it.each([
    [{ error: { message: 'x', code: 'context_length_exceeded' } }, true],
    [{ error: { message: 'x', type: 'exceed_context_size_error', n_ctx: 4096 } }, true],
    [{ object: 'error', message: "This model's maximum context length is 4096 tokens. However, …", code: 400 }, true],
    [
      { error: { message: 'Prompt contains 40000 tokens, too large for model with 32768 maximum context length' } },
      true,
    ],
    [{ error: { message: "This model's maximum prompt length is 131072 but the request contains 140000." } }, true],
    [{ error: { message: 'The input token count (1200000) exceeds the maximum number of tokens allowed.' } }, true],
    [[{ error: { code: 400, message: 'The input token count (1200000) exceeds the maximum number allowed.' } }], true],
    [{ message: "The input (12345 tokens) is longer than the model's context length (8192 tokens)." }, true],
    [
      {
        error: {
          message: `litellm.BadRequestError: Hosted_vllmException - ${JSON.stringify({ object: 'error', message: "This model's maximum context length is 8192 tokens." })}`,
        },
      },
      true,
    ],
    [
      { error: { message: '<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]' } },
      true,
    ],
    [{ message: "You passed 9 input tokens. However, the model's context length is only 8 tokens." }, true],
    [{ message: "Request 'abc': the input is longer than the model's context length." }, true],
    [{ message: "Invalid name: 'x' is longer than the model's context length 'y'." }, false],
    [
      {
        error: {
          message:
            'litellm.ContextWindowExceededError: litellm.BadRequestError: AnthropicException - prompt is too long: 9000 tokens > 8192 maximum',
          type: null,
          code: '400',
        },
      },
      true,
    ],
    [{ error: { message: 'ContextWindowExceededError: OpenAIException - Error code: 400' } }, true],
    [{ error: { message: 'Unknown name: ContextWindowExceededError' } }, false],
    [{ error: { message: 'Input is too long for requested model.', type: 'BadRequestError', code: 400 } }, true],
    [
      {
        error: {
          message: 'Provider returned error',
          code: 400,
          metadata: {
            raw: '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9000 tokens > 8192 maximum"}}',
            provider_name: 'Anthropic',
          },
        },
      },
      true,
    ],
    [{ error: { message: 'Provider returned error', metadata: { raw: 'not JSON: temperature' } } }, false],
    [{ error: { message: 'No tool is called prompt is too long: 9 tokens > 8 maximum' } }, false],
    [{ error: { message: "Unknown field 'prompt is too long: 9 tokens > 8 maximum'" } }, false],
    [{ error: { message: 'Your request exceeded model token limit: 8192' } }, true],
    [{ error: { message: 'Invalid value for max_tokens', code: 'invalid_value' } }, false],
    ['maximum context length', false],
  ])('%j: %s', (answer, expected) => {
    expect(meaningOf(typeof answer === 'string' ? answer : JSON.stringify(answer), []).tooLong).toBe(expected);
  });
});

it('recognises a key rejected by xAI', () => {
  const answer = { code: 'Client specified an invalid argument', error: 'Incorrect API key provided: xa***f0.' };
  expect(meaningOf(JSON.stringify(answer), []).unusable).toBe(true);
});

describe('an error about a limitation of one server', () => {
  it.each([
    ['The `reasoning_content` in the thinking mode must be passed back to the API.', true],
    ['This response_format type is unavailable now', true],
    ['response_format.type `json_schema` is unavailable now', true],
    ["Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. Learn more", true],
    ['This model does not support response format `json_schema`. See supported models', true],
    ["Function calling with a response mime type: 'application/json' is unsupported", true],
    ['Json mode is not enabled for models/gemma-3-27b-it', true],
    ['this model does not support image input (ref: b8bd630e)', true],
    ['max_tokens is too large: 99999. This model supports at most 16384 completion tokens, whereas you', true],
    ['`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than', true],
    ['Invalid max_tokens value, the valid range of max_tokens is [1, 8192]', true],
    ['<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]', true],
    ["Tool 'max_tokens is too large' is unknown", false],
    ['After the optional system message, conversation roles must alternate user/assistant/user/assistant/...', true],
    ['After the optional system message, conversation roles must alternate user and assistant roles except for', true],
    ['Error: Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/...', true],
    ['System role not supported', true],
    ["Unexpected role 'user' after role 'tool'", true],
    ['Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant', true],
    ['Please ensure that function call turn comes immediately after a user turn or after a function response', true],
    ['Reasoning input is not enabled for this model', true],
    ["The name 'conversation roles must alternate' is unknown", false],
    ["Invalid parameter: messages with role 'tool' must be a response to a preceding message", false],
    ["Invalid parameter: 'x is not supported with this model' is unknown", false],
    ["Name 'This response_format type is unavailable now' is unknown", false],
    ['response_format.type must be one of text, json_object', false],
  ])('%s: another server may accept the request: %s', (message, expected) => {
    const error = { message, type: 'invalid_request_error', param: null, code: 'invalid_request_error' };
    expect(meaningOf(JSON.stringify({ error }), []).modelSpecific).toBe(expected);
  });
});

describe('an unknown parameter', () => {
  const messages = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: null },
  ];
  it.each([
    ['messages[1].tool_calls[0].index', true],
    ['messages[1].tool_calls[0].extra_content', true],
    ['messages.[1].reasoning_details', true],
    ['messages[0].extra', false],
    ['messages[7].extra', false],
    ['extra', false],
  ])("%s: was added by another vendor's model, which accepts it: %s", (param, expected) => {
    const message = `Unknown parameter: '${param}'.`;
    for (const error of [{ message, param, code: 'unknown_parameter' }, { message }]) {
      expect(meaningOf(JSON.stringify({ error }), messages).modelSpecific).toBe(expected);
    }
  });
});

it.each([
  ['array_above_max_length', 'tools', true],
  ['string_above_max_length', 'tools[0].function.name', true],
  ['string_above_max_length', 'user', false],
  ['integer_above_max_value', 'n', true],
  ['integer_above_max_value', 'top_logprobs', false],
  ['array_above_max_length', 'messages', false],
  ['constructor', 'tools', false],
  ['array_below_min_length', 'messages', false],
])('an error of code %s about %s is about a limit of one server: %s', (code, param, expected) => {
  const error = { message: `Invalid '${param}'`, type: 'invalid_request_error', param, code };
  expect(meaningOf(JSON.stringify({ error }), []).modelSpecific).toBe(expected);
});

describe('an unknown kind of part', () => {
  const messages = [{ role: 'user' }, { role: 'assistant' }];
  it.each([
    ['messages[1].content[0]', true],
    ['messages[1].content[0].type', true],
    ['messages[0].content[0]', false],
    [null, false],
  ])("%s: was added by another vendor's model, which accepts it: %s", (param, expected) => {
    const error = {
      message: "Invalid value: 'thinking'. Supported values are: 'text' and 'refusal'.",
      param,
      code: 'invalid_value',
    };
    expect(meaningOf(JSON.stringify({ error }), messages).modelSpecific).toBe(expected);
  });
});

describe('a server that rejects requests for the usage of a stream', () => {
  const loc = ['body', 'stream_options', 'include_usage'];
  const refusal = JSON.stringify({ object: 'error', message: { detail: [{ type: 'extra_forbidden', loc }] } });
  const stream = answerStream([fixture('openai/text.sse')]);
  let upstream: FakeUpstream;
  let provider: OpenAIProvider;
  beforeEach(async () => {
    upstream = await startUpstream();
    upstream.respond = (response, request) =>
      (request.body.stream_options ? answerJson(refusal, 422) : stream)(response, request);
    provider = new OpenAIProvider({ apiKey: 'k', baseUrl: upstream.url, streamUsage: true, clock: systemClock });
  });
  afterEach(() => upstream.close());

  it('is not asked for usage if the client did not ask, and this is remembered', async () => {
    for (const requests of [2, 3]) {
      // The client named the model, but it is not to blame for a field it did not send.
      const pieces = await collect(await provider.stream({ ...callOf({ stream: true }), adapt: false }));
      expect(pieces.some(({ done }) => done)).toBe(true);
      expect(upstream.requests).toHaveLength(requests);
    }
  });

  it('is not asked for the client either if the gateway chose the model, and the client is told', async () => {
    const asking = callOf({ stream: true, stream_options: { include_usage: true } });
    const odd = callOf({ stream: true, stream_options: 'usage' });
    const slip = callOf({ stream_options: { include_usage: true } });
    // Not remembered if the client may have asked incorrectly: that is no reason never to ask.
    for (const [call, requests] of [
      [odd, 2],
      [slip, 4],
      [asking, 6],
      [asking, 7],
    ] as const) {
      expect((await provider.stream(call)).droppedParams).toEqual(['stream_options']);
      expect(upstream.requests).toHaveLength(requests);
    }
    await expect(provider.stream({ ...asking, adapt: false })).rejects.toMatchObject({ status: 422 });
  });

  it('is asked again if it fails without the field too', async () => {
    upstream.respond = answerJson(refusal, 400);
    await expect(provider.stream(callOf({ stream: true }))).rejects.toMatchObject({ status: 400 });
    upstream.respond = stream;
    await provider.stream(callOf({ stream: true }));
    expect(upstream.requests.at(-1)?.body.stream_options).toEqual({ include_usage: true });
  });
});

describe('a refusal in the wording of other servers', () => {
  const extra = (...loc: (string | number)[]) => [{ type: 'extra_forbidden', loc: ['body', ...loc], input: 5 }];
  const GROQ =
    "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning_content' is unsupported)]";
  const google = (...names: string[]) => [
    {
      error: {
        code: 400,
        message: names
          .map((name) => `Invalid JSON payload received. Unknown name ${name}: Cannot find field.`)
          .join('\n'),
        status: 'INVALID_ARGUMENT',
      },
    },
  ];
  const xai = (error: string) => ({ code: 'Client specified an invalid argument', error });
  const body = {
    model: 'auto',
    messages: [],
    max_completion_tokens: 5,
    temperature: 0.2,
    seed: 1,
    presence_penalty: 1,
    stop: 'x',
    store: true,
    prompt_cache_key: 'c',
  };
  const nvidia = (...loc: string[]) => ({
    error: `[{'type': 'extra_forbidden', 'loc': ('body', ${loc.map((part) => `'${part}'`).join(', ')}), 'msg': 'Extra inputs are not permitted', 'input': 'main'}]`,
  });
  const azure = (field: string) => ({ error: { message: `Unrecognized request argument supplied: ${field}` } });

  it.each([
    ['NVIDIA', nvidia('prompt_cache_key'), 'prompt_cache_key'],
    ['Azure, with an older model', azure('presence_penalty'), 'presence_penalty'],
    ['OpenAI', { error: { message: "Unknown parameter: 'max_completion_tokens'." } }, 'max_completion_tokens'],
    ['Mistral', { object: 'error', message: { detail: extra('max_completion_tokens') } }, 'max_completion_tokens'],
    ['FastAPI', { detail: [{ type: 'missing', loc: ['body', 'x'] }, ...extra('temperature')] }, 'temperature'],
    [
      'Fireworks',
      { error: { message: "Extra inputs are not permitted, field: 'temperature', value: 0.2" } },
      'temperature',
    ],
    ['Groq', { error: { message: "property 'temperature' is unsupported" } }, 'temperature'],
    ['Google', google('"presence_penalty"', '"store"'), 'presence_penalty'],
    ['xAI', xai('Argument not supported on this model: presencePenalty'), 'presence_penalty'],
    ['xAI, of its reasoning models', xai('Model grok-4-latest does not support parameter temperature.'), 'temperature'],
  ])('%s', (_, answer, field) => {
    expect(refusalOf(JSON.stringify(answer), body)).toEqual({ field, lasting: true });
  });

  it.each([
    ['a field of a message', { detail: extra('messages', 0, 'temperature') }, true],
    ['what Groq says of one', { error: { message: GROQ } }, true],
    ['a field that says what is asked', { detail: extra('seed') }, true],
    ['one that Google does not know', google('"store"'), true],
    ['one within a message that Google does not know', google('"temperature" at \'messages[1].tool_calls[0]\''), true],
    ['one that xAI does not take', xai('Argument not supported on this model: stop'), true],
    ['a field of a message that NVIDIA does not know', nvidia('messages', 'temperature'), true],
    ["one that is not OpenAI's", azure('fallbacks'), false],
    ['one that was not sent', xai('Model grok-4 does not support parameter reasoningEffort.'), true],
    ["something else in xAI's form", xai('Argument stop: temperature is too high.'), false],
    ["something else in Google's form", [{ error: { code: 400, message: 'Invalid value at stop' } }], false],
    [
      'what the request says',
      { detail: [{ type: 'string_type', loc: ['body', 'user'], input: extra('temperature') }] },
      false,
    ],
    ['something else', { detail: 'Not Found' }, false],
  ])('about %s does not make the gateway send the request again', (_, answer, isOfModel) => {
    expect(refusalOf(JSON.stringify(answer), body)).toBe(null);
    expect(meaningOf(JSON.stringify(answer), []).modelSpecific).toBe(isOfModel);
  });

  it('makes the gateway send the limit under its other name', async () => {
    const upstream = await startUpstream();
    const provider = new OpenAIProvider({ apiKey: 'k', baseUrl: upstream.url, streamUsage: true, clock: systemClock });
    const refusal = JSON.stringify({ object: 'error', message: { detail: extra('max_completion_tokens') } });
    upstream.respond = (response, request) =>
      (request.body.max_completion_tokens ? answerJson(refusal, 422) : answerJson(fixture('openai/tools.json')))(
        response,
        request,
      );
    expect((await provider.complete(callOf({ max_completion_tokens: 5 }))).droppedParams).toEqual([]);
    await provider.complete(callOf({ max_completion_tokens: 6, max_tokens: 7 }));
    await upstream.close();
    expect(upstream.requests.map((request) => request.body.max_tokens)).toEqual([undefined, 5, 7]);
  });
});
