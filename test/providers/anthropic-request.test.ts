import type Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { ChatBody } from '../../src/domain/chat.ts';
import { GatewayError } from '../../src/domain/errors.ts';
import {
  isLastingRefusal,
  isModelSpecific,
  refusedFields,
  withoutQuotes,
} from '../../src/providers/anthropic/refusal.ts';
import { type MessagesParams, toMessagesRequest } from '../../src/providers/anthropic/request.ts';

const user = { role: 'user', content: 'Hi' };
const cache_control = { type: 'ephemeral' };
const schema = {
  type: 'object',
  properties: { place: { $ref: '#/$defs/place' } },
  required: ['place'],
  additionalProperties: false,
  $defs: { place: { type: 'object', properties: { lat: { type: 'number' } }, additionalProperties: false } },
};
/** 150,000 values. */
const MANY = `{"a":[${'0,'.repeat(149_998)}0]}`;
const other = { type: 'function', function: { name: 'delete_all' } };
const allowed = (mode: string, name: string) => ({
  type: 'allowed_tools',
  allowed_tools: { mode, tools: [{ type: 'function', function: { name } }] },
});
const weather = { type: 'function', function: { name: 'get_weather', description: 'Weather', parameters: schema } };

function convert(fields: Record<string, unknown>, maxOutputTokens: number | null = null) {
  const body = { model: 'auto', messages: [user], ...fields } as ChatBody;
  return toMessagesRequest(body, { model: 'claude', maxOutputTokens });
}

function conversation(messages: unknown[]) {
  const { system, messages: turns } = convert({ messages }).params;
  return { system, messages: turns };
}

describe('messages', () => {
  it('sends a plain request with nothing added', () => {
    expect(convert({})).toEqual({
      params: {
        model: 'claude',
        max_tokens: 4096,
        messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      },
      droppedParams: [],
    });
  });

  it('joins system and developer messages in order', () => {
    const messages = [{ role: 'system', content: 'One' }, user, { role: 'developer', content: [text('Two')] }];
    expect(conversation(messages).system).toBe('One\n\nTwo');
  });

  it('keeps cache marks on system parts, messages, parts, tools and calls', () => {
    const { params } = convert({
      messages: [
        { role: 'system', content: [{ ...text('Long'), cache_control }, text('Short')] },
        { role: 'user', content: [{ ...text('Part'), cache_control }, text('Rest')] },
        { role: 'assistant', content: 'Whole', cache_control },
        { role: 'user', content: [text('a'), text('b')], cache_control },
      ],
      tools: [{ ...weather, cache_control }],
    });
    expect(params.system).toEqual([{ ...text('Long'), cache_control }, text('Short')]);
    expect(params.messages.map((turn) => turn.content)).toEqual([
      [{ ...text('Part'), cache_control }, text('Rest')],
      [{ ...text('Whole'), cache_control }],
      [text('a'), { ...text('b'), cache_control }],
    ]);
    expect(params.tools?.[0]).toMatchObject({ name: 'get_weather', cache_control });
  });

  it('merges adjacent messages of one role and drops blank text', () => {
    const messages = [user, { role: 'user', content: 'there' }, { role: 'assistant', content: ' ' }, user];
    expect(conversation(messages).messages).toEqual([
      { role: 'user', content: [text('Hi'), text('there'), text('Hi')] },
    ]);
  });

  it("leaves out what Mistral's models thought, as it has no signature", () => {
    const thought = { type: 'thinking', thinking: [text('Hm')] };
    const { messages } = conversation([user, { role: 'assistant', content: [thought, text('Yes')] }, user]);
    expect(messages[1]).toEqual({ role: 'assistant', content: [text('Yes')] });
    const unknown = [user, { role: 'assistant', content: [thought, { type: 'x' }] }];
    expect(() => conversation(unknown)).toThrow('messages[1].content[1]');
    expect(() => conversation([{ role: 'user', content: [thought] }])).toThrow('"thinking"');
  });

  it('puts the tool results of a turn and the text after them into one user message, results first', () => {
    const call = (id: string, args: string) => ({ id, type: 'function', function: { name: 'f', arguments: args } });
    const { messages } = conversation([
      user,
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'hmm',
        tool_calls: [call('call_1', '{"a":1}'), call('functions.f:2', '')],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'one' },
      { role: 'user', content: 'And?' },
      { role: 'tool', tool_call_id: 'functions.f:2', content: [text('two'), image('https://example.org/2.png')] },
    ]);
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'call_1', name: 'f', input: { a: 1 } },
          { type: 'tool_use', id: 'functions_f_2', name: 'f', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: 'one' },
          {
            type: 'tool_result',
            tool_use_id: 'functions_f_2',
            content: [text('two'), { type: 'image', source: { type: 'url', url: 'https://example.org/2.png' } }],
          },
          text('And?'),
        ],
      },
    ]);
  });

  it('moves any number of results to the front in linear time', () => {
    const results = Array.from({ length: 150_000 }, (_, i) => ({ role: 'tool', tool_call_id: `${i}`, content: '' }));
    // Half a minute where it does.
    const [{ content = [] } = {}] = conversation([user, ...results]).messages;
    expect(content.slice(0, 2)).toEqual(['0', '1'].map((tool_use_id) => ({ type: 'tool_result', tool_use_id })));
    expect([content.length, content.at(-1)]).toEqual([150_001, text('Hi')]);
  }, 15_000);

  it('accepts images and PDF files', () => {
    const pdf = { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } };
    const ofResponses = { type: 'input_image', image_url: 'https://example.org/i.webp' };
    const content = [image('data:image/jpg;base64,/9j/4A=='), image('https://example.org/i.webp'), ofResponses, pdf];
    expect(conversation([{ role: 'user', content }]).messages[0]?.content).toEqual([
      { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: '/9j/4A==' } },
      { type: 'image', source: { type: 'url', url: 'https://example.org/i.webp' } },
      { type: 'image', source: { type: 'url', url: 'https://example.org/i.webp' } },
      {
        type: 'document',
        title: 'a.pdf',
        source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' },
      },
    ]);
  });

  it('detects the type of an image from its first bytes, whatever type is declared', () => {
    const typeOf = (url: string) => {
      const [block] = conversation([{ role: 'user', content: [image(url)] }]).messages[0].content;
      return (
        typeof block === 'object' && block.type === 'image' && block.source.type === 'base64' && block.source.media_type
      );
    };
    expect(typeOf('data:image/png;base64,/9j/4AAQSkZJRg==')).toBe('image/jpeg');
    expect(typeOf('data:application/octet-stream;base64,iVBORw0KGgoAAAA=')).toBe('image/png');
    expect(typeOf('data:image/jpeg;base64,UklGRiQAAABXRUJQVlA4IA==')).toBe('image/webp');
    expect(typeOf('data:image/gif;base64,AAAA')).toBe('image/gif');
  });

  it('trims the trailing white space that Anthropic rejects in a prefilled answer', () => {
    expect(conversation([user, { role: 'assistant', content: 'Sure: ' }]).messages[1]?.content).toEqual([
      text('Sure:'),
    ]);
  });

  it.each([
    [
      'a part it has no block for',
      [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }],
      'input_audio',
    ],
    ['a file id', [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }], 'file_data'],
    ['another image format', [{ role: 'user', content: [image('data:image/tiff;base64,AA==')] }], 'image/tiff'],
    ['another URL scheme', [{ role: 'user', content: [image('ftp://example.org/a.png')] }], 'data URL'],
    ['an image in a system message', [{ role: 'system', content: [image('https://e.org/a.png')] }, user], 'only text'],
    ['a role of the legacy functions', [user, { role: 'function', name: 'f', content: '1' }], 'messages[1].role'],
    ['arguments that are no text', [user, assistantCall(7)], 'messages[1].tool_calls[0].function.arguments'],
    ['arguments nested beyond measure', [user, assistantCall('['.repeat(201))], 'nested deeper'],
    ['calls whose arguments have too many values', [user, ...Array(2).fill(assistantCall(MANY))], 'more than 200000'],
    ['a result without an id', [user, { role: 'tool', content: '1' }], 'tool_call_id'],
    ['nothing to say', [{ role: 'user', content: '' }], 'not empty'],
  ])('rejects %s with a clear message', (_name, messages, words) => {
    expect(() => conversation(messages)).toThrow(GatewayError);
    expect(() => conversation(messages)).toThrow(words);
  });
});

describe('what agents send', () => {
  it('shows a model its malformed or cut-off tool arguments, together with the error result', () => {
    for (const written of ['{"place": "Par', '[1]', '"', 'Paris']) {
      const told = { role: 'tool', tool_call_id: 'c', content: 'Error: that is no JSON object.' };
      const [, call, result] = conversation([user, assistantCall(written), told]).messages;
      expect(call.content).toEqual([expect.objectContaining({ input: { unreadable_arguments: written } })]);
      expect(result.content).toEqual([expect.objectContaining({ type: 'tool_result', content: told.content })]);
    }
  });

  it("counts the nesting of each call's arguments separately, even after broken JSON", () => {
    const deep = assistantCall('{"a":'.repeat(300));
    expect(() => conversation([user, assistantCall('"'), deep])).toThrow('nested deeper');
    expect(() => conversation([{ ...user, tool_calls: assistantCall('"').tool_calls }, deep])).toThrow('nested deeper');
    const many = Array.from({ length: 101 }, () => assistantCall('{"a":{"b":'));
    expect(conversation([user, ...many]).messages[1].content).toHaveLength(101);
  });

  it('makes call ids unique if a model restarts its numbering every turn', () => {
    const call = (...ids: string[]) => ({
      role: 'assistant',
      tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })),
    });
    const result = (id: string) => ({ role: 'tool', tool_call_id: id, content: 'x' });
    const turns = [
      call('f:0', 'f.0'),
      result('f:0'),
      result('f.0'),
      call('f:0', 'f_0_2'),
      result('f_0_2'),
      result('f:0'),
    ];
    const ids = conversation([user, ...turns, call('f:0'), result('f:0')]).messages.map(({ content }) =>
      (content as Anthropic.ContentBlockParam[]).map((block) =>
        'id' in block ? block.id : 'tool_use_id' in block ? block.tool_use_id : '',
      ),
    );
    expect(ids.slice(1)).toEqual([
      ['f_0', 'f_0_2'],
      ['f_0', 'f_0_2'],
      ['f_0_3', 'f_0_2_2'],
      ['f_0_2_2', 'f_0_3'],
      ['f_0_4'],
      ['f_0_4'],
    ]);
  });

  it('drops thinking during tool calls if earlier thinking came back unsigned, and says so', () => {
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    const call = [user, assistantCall('{}'), { role: 'tool', tool_call_id: 'c', content: '7' }];
    expect(convert({ thinking, messages: call })).toMatchObject({ droppedParams: ['thinking'] });
    expect(convert({ thinking, messages: call }).params.thinking).toBeUndefined();
    const after = [...call, { role: 'assistant', content: 'It is 7.' }, user];
    expect(convert({ thinking, messages: after }).params.thinking).toEqual(thinking);
  });

  it('puts a user message before a history that begins with an answer', () => {
    const history = [{ role: 'system', content: 'Be brief.' }, { role: 'assistant', content: 'Hello.' }, user];
    const { messages, system } = toMessagesRequest(
      { model: 'auto', messages: history },
      { model: 'm', maxOutputTokens: null },
    ).params;
    expect(system).toBe('Be brief.');
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[0].content).toEqual([{ type: 'text', text: expect.stringContaining('left out') }]);
    const prefilled = [
      { role: 'system', content: 'Write JSON.' },
      { role: 'assistant', content: '{' },
    ];
    const { params } = toMessagesRequest({ model: 'auto', messages: prefilled }, { model: 'm', maxOutputTokens: null });
    expect(params.messages.map(({ content }) => content)).toMatchObject([[{ text: 'Write JSON.' }], [{ text: '{' }]]);
  });

  it('sends a request that has only a system prompt as a user message', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: 'Tell a joke.' },
    ];
    expect(conversation([...messages, { role: 'user', content: ' ' }])).toEqual({
      system: 'Be brief.',
      messages: [{ role: 'user', content: [text('Tell a joke.')] }],
    });
    const parts = [messages[0], { role: 'system', content: [text('Tell'), text('a joke.')] }];
    expect(conversation(parts)).toMatchObject({
      system: 'Be brief.',
      messages: [{ content: [text('Tell'), text('a joke.')] }],
    });
    expect(conversation(messages.slice(0, 1))).toEqual({
      system: undefined,
      messages: [{ role: 'user', content: [text('Be brief.')] }],
    });
  });

  it('names the called tools if the request no longer has any, and forbids calling them', () => {
    const messages = [
      user,
      assistantCall('{}'),
      assistantCall('{}'),
      { role: 'tool', tool_call_id: 'c', content: '7' },
    ];
    const { params, droppedParams } = convert({ messages });
    const tools = [{ name: 'f', input_schema: { type: 'object', properties: {} } }];
    expect([params.tools, params.tool_choice, droppedParams]).toEqual([tools, { type: 'none' }, []]);
    expect(convert({ messages, tools: [weather] }).params.tool_choice).toBeUndefined();
    expect(convert({}).params).not.toHaveProperty('tools');
  });

  it('keeps forbidden tools out even when the request is sent again without strict schemas', () => {
    const strict = (tool: typeof other) => ({ ...tool, function: { ...tool.function, strict: true } });
    const body = { model: 'auto', messages: [user], tool_choice: allowed('required', 'get_weather') } as ChatBody;
    const again = (tools: object[]) =>
      toMessagesRequest({ ...body, tools }, { model: 'claude', maxOutputTokens: null, without: new Set(['tools']) });
    const { params, droppedParams } = again([strict(other), strict(weather)]);
    expect(params.tools).toEqual([expect.objectContaining({ name: 'get_weather' })]);
    expect([JSON.stringify(params).includes('strict'), droppedParams]).toEqual([false, ['tools']]);
    // A tool that is not offered is not the reason for a refusal.
    expect(refusedFields('tools.0.strict', { ...body, tools: [strict(other), weather] }, new Set())).toEqual([]);
  });

  it('reports that names of people are dropped, but not names of tools', () => {
    const dropped = (role: string) =>
      convert({ messages: [user, assistantCall('{}'), { role, name: 'ann', content: 'x', tool_call_id: 'c' }] })
        .droppedParams;
    expect([dropped('user'), dropped('assistant'), dropped('tool')]).toEqual([
      ['messages.name'],
      ['messages.name'],
      [],
    ]);
  });
});

describe('parameters', () => {
  it.each<[Record<string, unknown>, Partial<MessagesParams>, string[]]>([
    [{ max_tokens: 10 }, { max_tokens: 10 }, []],
    [{ max_completion_tokens: 20, max_tokens: 10 }, { max_tokens: 20 }, []],
    [{ max_tokens: -1 }, { max_tokens: 4096 }, ['max_tokens']],
    [{ temperature: 0.3, top_p: 0.9 }, { temperature: 0.3, top_p: 0.9 }, []],
    [{ temperature: 1.7 }, { temperature: 1 }, ['temperature']],
    [{ stop: 'END' }, { stop_sequences: ['END'] }, []],
    [{ stop: ['A', '\n', ''] }, { stop_sequences: ['A'] }, ['stop']],
    [{ stop: '\n' }, {}, ['stop']],
    [{ user: 'u-1' }, { metadata: { user_id: 'u-1' } }, []],
    [{ user: 'ann@example.com' }, {}, ['user']],
    [{ user: '+49 (30) 123-4567' }, {}, ['user']],
    [{ user: 'u'.repeat(257) }, {}, ['user']],
    [{ user: '4711' }, { metadata: { user_id: '4711' } }, []],
    [{ safety_identifier: 'u-2' }, { metadata: { user_id: 'u-2' } }, []],
    [
      { reasoning_effort: 'high' },
      { max_tokens: 16_384, output_config: { effort: 'high' }, thinking: { type: 'adaptive' } },
      [],
    ],
    [
      { reasoning_effort: 'high', max_tokens: 50 },
      { max_tokens: 50, output_config: { effort: 'high' }, thinking: { type: 'adaptive' } },
      [],
    ],
    [
      { reasoning_effort: 'minimal' },
      { output_config: { effort: 'low' }, thinking: { type: 'adaptive' } },
      ['reasoning_effort'],
    ],
    [{ reasoning_effort: 'none' }, { thinking: { type: 'disabled' } }, []],
    [{ thinking: { type: 'adaptive' } }, { max_tokens: 16_384, thinking: { type: 'adaptive' } }, []],
    [
      { thinking: { type: 'disabled' }, reasoning_effort: 'high' },
      { thinking: { type: 'disabled' }, output_config: { effort: 'high' } },
      [],
    ],
    [{ user: 'a@b.c', safety_identifier: 'u-3' }, { metadata: { user_id: 'u-3' } }, ['user']],
    [{ safety_identifier: 'u-3', user: 'u-4' }, { metadata: { user_id: 'u-4' } }, []],
    [{ service_tier: 'auto' }, {}, []],
    [{ service_tier: 'default' }, { service_tier: 'standard_only' }, []],
    [{ service_tier: 'flex' }, {}, ['service_tier']],
    [{ response_format: { type: 'text' } }, {}, []],
    [{ response_format: { type: 'json_object' } }, {}, ['response_format']],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema } } },
      { output_config: { format: { type: 'json_schema', schema } } },
      [],
    ],
    [{ functions: [], function_call: 'auto' }, {}, ['function_call', 'functions']],
    [
      { seed: 1, logit_bias: { 1: 2 }, n: 2, frequency_penalty: 0.5, presence_penalty: 1, logprobs: true },
      {},
      ['frequency_penalty', 'logit_bias', 'logprobs', 'n', 'presence_penalty', 'seed'],
    ],
    [{ zebra: 1, modalities: ['text', 'audio'], constructor: 1 }, {}, ['constructor', 'modalities', 'zebra']],
    [{ n: 1, frequency_penalty: 0, presence_penalty: 0, logprobs: false, store: false, logit_bias: {} }, {}, []],
    [{ stream: true, stream_options: { include_usage: true }, parallel_tool_calls: true, seed: null }, {}, []],
  ])('%j', (fields, expected, dropped) => {
    const { params, droppedParams } = convert(fields);
    const { model, messages, ...rest } = params;
    expect(rest).toEqual({ max_tokens: 4096, ...expected });
    expect(droppedParams).toEqual(dropped);
  });

  it("defaults max_tokens to the model's limit, never exceeds it, and leaves room for thinking", () => {
    expect(convert({}, 8192)).toMatchObject({ params: { max_tokens: 8192 }, droppedParams: [] });
    expect(convert({ max_tokens: 9000 }, 8192)).toMatchObject({
      params: { max_tokens: 8192 },
      droppedParams: ['max_tokens'],
    });
    const thinking = { type: 'enabled', budget_tokens: 8000 };
    expect(convert({ thinking }).params.max_tokens).toBeGreaterThan(8000);
    expect(convert({ thinking: 'much' }).params.max_tokens).toBe(4096);
  });

  it('keeps tool schemas complete and fills in missing ones', () => {
    const strict = { type: 'function', function: { name: 'now', strict: true } };
    const { params, droppedParams } = convert({ tools: [weather, strict, { type: 'custom', custom: { name: 'c' } }] });
    expect(params.tools).toEqual([
      { name: 'get_weather', description: 'Weather', input_schema: schema },
      { name: 'now', strict: true, input_schema: { type: 'object', properties: {} } },
    ]);
    expect(droppedParams).toEqual(['tools']);
  });

  it.each<[Record<string, unknown>, Anthropic.ToolChoice | undefined, string[]]>([
    [{}, undefined, []],
    [{ tool_choice: 'auto' }, { type: 'auto' }, []],
    [{ tool_choice: 'none', parallel_tool_calls: false }, { type: 'none' }, []],
    [{ tool_choice: 'required' }, { type: 'any' }, []],
    [{ tool_choice: { type: 'function', function: { name: 'f' } } }, { type: 'tool', name: 'f' }, []],
    [{ parallel_tool_calls: false }, { type: 'auto', disable_parallel_tool_use: true }, []],
    [{ tool_choice: 'required', parallel_tool_calls: false }, { type: 'any', disable_parallel_tool_use: true }, []],
    [{ tool_choice: { type: 'allowed_tools' } }, undefined, ['tool_choice']],
    [{ tool_choice: allowed('required', 'get_weather') }, { type: 'any' }, []],
    [{ tool_choice: allowed('auto', 'get_weather'), tools: [other, weather] }, { type: 'auto' }, []],
    [{ tool_choice: allowed('auto', 'unknown') }, undefined, []],
    [
      { tool_choice: { type: 'allowed_tools', mode: 'required', tools: [weather.function] }, tools: [other, weather] },
      { type: 'any' },
      [],
    ],
    [{ tool_choice: allowed('required', 'unknown') }, undefined, ['tool_choice']],
    [{ tools: [], tool_choice: 'auto' }, undefined, []],
    [{ tools: [], tool_choice: 'required' }, undefined, ['tool_choice']],
  ])('tool choice %j', (fields, choice, dropped) => {
    const { params, droppedParams } = convert({ tools: [weather], ...fields });
    expect(params.tool_choice).toEqual(choice);
    expect(droppedParams).toEqual(dropped);
    // Tools that the client forbids in this request are not offered.
    expect(JSON.stringify(params)).not.toContain('delete_all');
  });

  it("fits the SDK's own type", () => {
    expectTypeOf<MessagesParams>().toExtend<Anthropic.MessageCreateParamsNonStreaming>();
    expectTypeOf<MessagesParams & { stream: true }>().toExtend<Anthropic.MessageCreateParamsStreaming>();
  });
});

describe('any body', () => {
  const part = fc.oneof(
    { weight: 6, arbitrary: fc.string({ minLength: 1 }).map(text) },
    fc.record({ type: fc.constantFrom('text', 'refusal', 'image_url', 'file', 'x'), text: fc.jsonValue() }),
    fc.jsonValue(),
  );
  const call = fc.record({
    id: fc.string({ minLength: 1 }),
    function: fc.record({ name: fc.string(), arguments: fc.oneof(fc.constantFrom('{}', '', '{"a":1}'), fc.json()) }),
  });
  const likely = fc.record(
    {
      role: fc.constantFrom('system', 'developer', 'user', 'user', 'assistant', 'assistant', 'tool'),
      content: fc.oneof({ weight: 3, arbitrary: fc.string() }, fc.array(part, { maxLength: 3 })),
      tool_call_id: fc.string({ minLength: 1 }),
      tool_calls: fc.array(call, { maxLength: 2 }),
    },
    { requiredKeys: ['role', 'content', 'tool_call_id'] },
  );
  const wild = fc.record({
    role: fc.oneof(fc.constantFrom('system', 'user', 'assistant', 'tool'), fc.jsonValue()),
    content: fc.jsonValue(),
    tool_call_id: fc.jsonValue(),
    tool_calls: fc.oneof(fc.array(fc.record({ id: fc.string(), function: fc.jsonValue() })), fc.jsonValue()),
  });
  const messageList = fc.oneof(
    { weight: 3, arbitrary: fc.array(likely, { maxLength: 5 }) },
    fc.array(fc.oneof(likely, wild, fc.jsonValue())),
    fc.jsonValue(),
  );
  const names = ['max_tokens', 'temperature', 'stop', 'tools', 'tool_choice', 'parallel_tool_calls', 'response_format'];
  const moreNames = ['reasoning_effort', 'user', 'service_tier', 'thinking', 'n', 'toString', '__proto__'];
  const fields = fc.dictionary(fc.oneof(fc.constantFrom(...names, ...moreNames), fc.string()), fc.jsonValue());

  it("is converted or rejected with a GatewayError, and the result meets Anthropic's rules", () => {
    let converted = 0;
    fc.assert(
      fc.property(fields, messageList, (rest, messages) => {
        let result: ReturnType<typeof convert>;
        try {
          result = convert({ ...rest, messages });
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect((error as GatewayError).status).toBe(400);
          return;
        }
        converted++;
        const { params, droppedParams } = result;
        expect(droppedParams).toEqual([...new Set(droppedParams)].sort());
        const turns = params.messages;
        expect(turns.every((turn, index) => index === 0 || turn.role !== turns[index - 1]?.role)).toBe(true);
        expect(turns.every((turn) => turn.content.length > 0)).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(converted).toBeGreaterThan(100);
  });
});

describe('a refusal by Anthropic', () => {
  const body = { model: 'm', messages: [], temperature: 0.2, top_p: 0.9, reasoning_effort: 'low' } as ChatBody;
  it.each([
    ['`temperature` is deprecated for this model.', ['temperature'], true],
    ['`temperature` and `top_p` cannot both be specified for this model. Please use only one.', ['top_p'], false],
    ['This model does not support the effort parameter.', ['reasoning_effort'], true],
    ['top_k: Extra inputs are not permitted', [], true],
    ['messages.0: all messages must have non-empty content', [], false],
  ])('%s', (answer, fields, lasting) => {
    expect(refusedFields(answer, body, new Set())).toEqual(fields);
    expect(isLastingRefusal(answer)).toBe(lasting);
  });

  it.each([
    [`Tool 'temperature unsupported' not found`, 'Tool  not found'],
    [`Tool 'a' temperature unsupported 'b' not found`, 'Tool  not found'],
    [String.raw`role \"temperature unsupported\" is none`, 'role  is none'],
    [`This doesn't support \`temperature\`, it isn't new`, `This doesn't support \`temperature\`, it isn't new`],
  ])('is interpreted without the text it quotes: %s', (answer, told) => {
    expect(withoutQuotes(answer)).toBe(told);
  });

  it.each([
    ['This model does not support assistant message prefill. The conversation must end with a user message.', true],
    ['Prefilling assistant messages is not supported for this model.', true],
    ['messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 5690344 bytes > 5242880 bytes', true],
    ['messages.0: At least one of the image dimensions exceed max allowed size: 8000 pixels', true],
    ['A maximum of 100 PDF pages may be provided.', true],
    ['max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens for claude-x', true],
    ['`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation', true],
    ["This URL is disallowed by the website's robots.txt file.", true],
    ["Tool 'this model does not support' is unknown", false],
    ['prompt is too long: 210000 tokens > 200000 maximum', false],
  ])('%s: another model may accept the request: %s', (answer, expected) => {
    expect(isModelSpecific(JSON.stringify({ type: 'error', error: { message: answer } }))).toBe(expected);
  });

  it('never blames a field that was not sent', () => {
    expect(refusedFields('temperature', body, new Set(['temperature']))).toEqual([]);
  });

  it('of a field is answered by dropping the field and reporting it', () => {
    const request = toMessagesRequest(
      { ...body, messages: [user] },
      {
        model: 'm',
        maxOutputTokens: null,
        without: new Set(['temperature']),
      },
    );
    expect(request.params.temperature).toBeUndefined();
    expect(request.droppedParams).toEqual(['temperature']);
  });
});

function text(value: string) {
  return { type: 'text', text: value } as const;
}

function image(url: string) {
  return { type: 'image_url', image_url: { url } };
}

function assistantCall(args: unknown) {
  return { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: args } }] };
}
