import { describe, expect, it } from 'vitest';
import { enabledArms } from '../../src/config/arms.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { ChatBody } from '../../src/domain/chat.ts';
import { PROVIDER_TRAITS } from '../../src/domain/provider-type.ts';
import type { Embedder } from '../../src/features/embedder.ts';
import { Featurizer } from '../../src/features/featurizer.ts';
import { queryText, requestProfile } from '../../src/features/query.ts';
import { toMessagesRequest } from '../../src/providers/anthropic/request.ts';

/** One dimension: the length of the text, which also decides the tag. */
class LengthEmbedder implements Embedder {
  readonly id = 'length-1';
  readonly dimensions = 1;
  async embed(text: string): Promise<Float32Array> {
    if (text.includes('break')) throw new Error('broken');
    return Float32Array.of(text.length / 100);
  }
  async start(): Promise<void> {}
  async close(): Promise<void> {}
  tagOf([length]: Float32Array): string {
    if (length > 3) throw new Error('no tag');
    return length > 1 ? 'long' : 'short';
  }
}

const featurizer = new Featurizer(new LengthEmbedder());
const user = (content: string) => ({ role: 'user', content });
const body = (...messages: ChatBody['messages']): ChatBody => ({ model: 'auto', messages });
const constantAlone = Float32Array.from({ length: featurizer.dimensions }, (_, i) => Number(i === 0));

describe('Featurizer', () => {
  it.each([
    [{ max_completion_tokens: 1, max_tokens: 9 }, 9],
    [{ max_completion_tokens: 9, max_tokens: 1 }, 9],
    [{ max_completion_tokens: 9, max_tokens: null }, 9],
    [{ max_tokens: 9 }, 9],
    [{}, null],
  ])('uses the larger output limit for what may be spent: %j', (limits, most) => {
    const body: ChatBody = { model: 'auto', messages: [{ role: 'user', content: 'x' }], ...limits };
    expect(requestProfile(body).maxOutputTokens).toBe(most);
  });

  it.each([
    { cache_control: { type: 'ephemeral', ttl: '1h' } },
    { messages: [{ ...user('x'), cache_control: { ttl: '1h' } }] },
    { messages: [{ role: 'user', content: [{ type: 'text', text: 'x', cache_control: { ttl: '1h' } }] }] },
    { tools: [null, { type: 'function', cache_control: { ttl: '1h' } }] },
    { tools: [{ type: 'function', function: { name: 'f', cache_control: { ttl: '1h' } } }] },
    { messages: [{ role: 'assistant', tool_calls: [null, { id: 'c', cache_control: { ttl: '1h' } }] }] },
  ])('recognises a prompt to be cached for an hour: %j', (marked) => {
    expect(requestProfile({ ...body(user('x')), ...marked }).hourCache).toBe(true);
    for (const other of ['"ttl":"5m"', '"type":"ephemeral"']) {
      const unmarked = JSON.parse(JSON.stringify(marked).replaceAll('"ttl":"1h"', other));
      expect(requestProfile({ ...body(user('x')), ...unmarked }).hourCache).toBeUndefined();
    }
  });

  it.each([
    [['text', 'audio'], ['audio']],
    [['text'], []],
    [null, []],
  ])('requires a model with audio for a spoken answer: modalities %j', (modalities, needs) => {
    expect(requestProfile({ ...body(user('x')), modalities }).needs).toEqual(needs);
  });

  it.each([
    [{ n: 2 }, ['n'], ['n']],
    [{ n: 1, logprobs: false, response_format: { type: 'text' } }, [], []],
    [{ logprobs: true, top_logprobs: 3 }, ['logprobs'], ['logprobs', 'top_logprobs']],
    [{ response_format: { type: 'json_object' } }, ['json_object'], ['response_format']],
    [{ functions: [{ name: 'f' }] }, ['functions'], ['functions']],
    [{ tools: [{ type: 'custom', custom: { name: 'f' } }] }, ['custom tools'], ['tools']],
    [{ tools: [{ type: 'function', function: { name: 'f' } }] }, [], []],
  ])('reports the answer form of %j, which is lost on the way to Anthropic', (fields, forms, lost) => {
    const asked = { ...body(user('x')), ...fields };
    expect(requestProfile(asked).forms).toEqual(forms);
    const { droppedParams } = toMessagesRequest(asked, { model: 'claude', maxOutputTokens: null });
    expect(droppedParams).toEqual(lost);
    const loaded = parseConfig(
      `providers: { a: { type: anthropic, api_key: k }, o: { type: openai, api_key: k } }
models: [{ id: a, provider: a, price: { input: 1, output: 1 } }, { id: o, provider: o, price: { input: 1, output: 1 } }]`,
      'x.yaml',
      {},
    );
    const [anthropic, openai] = enabledArms(loaded);
    expect(anthropic.unsupportedForms).toEqual(expect.arrayContaining(forms));
    expect(openai.unsupportedForms).toEqual([]);
  });

  it('reports a video, which Anthropic has no form for', () => {
    const video = { type: 'video_url', video_url: { url: 'https://a.example/b.mp4' } };
    const asked = body({ role: 'user', content: [{ type: 'text', text: 'What?' }, video] });
    expect(requestProfile(asked).forms).toEqual(['videos']);
    expect(PROVIDER_TRAITS.anthropic.unsupportedForms).toContain('videos');
    expect(() => toMessagesRequest(asked, { model: 'claude', maxOutputTokens: null })).toThrow('video_url');
  });

  it('treats json_object with a schema as a schema, for Claude too', () => {
    const schema = { type: 'object', properties: {} };
    const asked = { ...body(user('x')), response_format: { type: 'json_object', schema } };
    expect(requestProfile(asked)).toMatchObject({ forms: [], needs: ['json'] });
    const { params, droppedParams } = toMessagesRequest(asked, { model: 'claude', maxOutputTokens: null });
    expect([params.output_config?.format, droppedParams]).toEqual([{ type: 'json_schema', schema }, []]);
    const empty = { ...asked, response_format: { type: 'json_object', schema: {} } };
    expect(requestProfile(empty).forms).toEqual(['json_object']);
    const options = { model: 'claude', maxOutputTokens: null };
    expect(toMessagesRequest(empty, options).droppedParams).toEqual(['response_format']);
  });

  it.each([
    ['image_url', 'vision'],
    ['input_image', 'vision'],
    ['video_url', 'vision'],
    // As frames: Qwen's.
    ['video', 'vision'],
    ['input_audio', 'audio'],
    ['audio_url', 'audio'],
    ['file', 'files'],
  ])('requires a model that takes a part of type %s', (type, need) => {
    const parts = [
      { type: 'text', text: 'What is this?' },
      { type, [type]: { url: 'https://a.example/b' } },
    ];
    const profile = requestProfile(body({ role: 'user', content: parts }));
    expect(profile).toMatchObject({ needs: [need], images: Number(type.includes('image')) });
  });

  it('measures the input in characters and in UTF-8 bytes', () => {
    const asked = {
      ...body({ role: 'system', content: 'Antworte auf Chinesisch.' }, user('你好，世界')),
      tools: [{ type: 'function', function: { name: 'größe' } }],
    };
    const tools = JSON.stringify(asked.tools);
    expect(requestProfile(asked)).toMatchObject({
      inputCharacters: 24 + 5 + tools.length,
      inputBytes: 24 + 5 * 3 + tools.length + 2,
      inputEastAsianBytes: 5 * 3,
    });
  });

  it('measures schemas and calls as well', () => {
    const length = (fields: object) => requestProfile({ ...body(user('x')), ...fields }).inputBytes - 1;
    const call = { name: 'f', arguments: '{"a":1}' };
    const called = { role: 'assistant', content: null };
    for (const [fields, measured] of [
      [{ response_format: { type: 'json_object' } }, { type: 'json_object' }],
      [{ functions: [{ name: 'f' }] }, [{ name: 'f' }]],
      [{ messages: [user('x'), { ...called, function_call: call }] }, call],
      [
        { messages: [user('x'), { ...called, tool_calls: [{ id: 'c', function: call }] }] },
        [{ id: 'c', function: call }],
      ],
    ]) {
      expect(length(fields)).toBe(JSON.stringify(measured).length);
    }
  });

  it.each([
    ['こんにちは、カレー。', 30],
    ['안녕 하세요', 15],
    ['ＦＵＬＬ　\uf900', 18],
    // The first and the last of each range.
    ['\u2e80\u9fff\uac00\ud7a3\uf900\ufaff\uff00\uffef', 24],
    ['\u2e7f\ua000\uabff\ud7a4\uf8ff\ufb00\ufeff\ufff0', undefined],
    ['नमस्ते Привет مرحبا ﷺ สวัสดี 🙂 ½ …', undefined],
    ['plain', undefined],
  ])('counts the East Asian bytes of %j', (text, bytes) => {
    expect(requestProfile(body(user(text))).inputEastAsianBytes).toBe(bytes);
  });

  it('uses the last user turn with text as the question', () => {
    const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] };
    const text = queryText(body(user('Before'), user('What is it?'), image));
    expect(text).toEqual({ current: 'What is it?', preceding: 'Before' });
    const result = { role: 'tool', content: 'Found 3.' };
    expect(queryText(body(image, result))).toEqual({ current: '', preceding: '' });
  });

  it('tags the last user turn, whatever came before', async () => {
    const long = 'x'.repeat(150);
    const before = [user(long), { role: 'assistant', content: long }];
    expect((await featurizer.featurize(body(user('Hi')))).tag).toBe('short');
    expect((await featurizer.featurize(body(user(long)))).tag).toBe('long');
    const { tag, context } = await featurizer.featurize(body(...before, user('Hi')));
    expect(tag).toBe('short');
    // The context covers both turns.
    expect(context.values[1]).toBeGreaterThan(0.1);
    expect((await featurizer.featurize(body(user('Hi'), { role: 'assistant', content: 'Hi' }, user(long)))).tag).toBe(
      'long',
    );
  });

  it.each([
    ['the turn cannot be embedded', [user('break')]],
    ['what went before cannot', [user('break'), user('Hi')]],
    ['it cannot be tagged', [user('x'.repeat(301))]],
  ])('gives only the constant and no tag when %s', async (_, messages) => {
    const { tag, context, failure } = await featurizer.featurize(body(...messages));
    expect(failure).toBeInstanceOf(Error);
    expect(tag).toBeNull();
    expect(context).toEqual({ featureMap: featurizer.featureMap, values: constantAlone });
  });
});
