import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/config/load.ts';
import type { SimulatedAnswer } from '../../src/demo/upstream.ts';
import { CACHE_LIFETIME_MS } from '../../src/gateway/conversations.ts';
import {
  type Answer,
  type Answered,
  plainAnswer,
  send,
  settled,
  startTestGateway,
  type TestGateway,
} from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';

type Message = OpenAI.ChatCompletionMessageParam;

const KEYS = { a: 'sk-mixllm-conversations-a', b: 'sk-mixllm-conversations-b' };
const GOOD = { quality: 0.8 };
const price = (input: number) => ({ input, cached_input: input / 10, output: 0.5 });
/** `right` is a little cheaper than `left`; `cheap` is far cheaper than both, whatever they have cached. */
const MODELS = {
  left: { price: price(10), prior: GOOD },
  right: { price: price(9), prior: GOOD },
  cheap: { price: price(0.5), prior: GOOD },
  marked: { price: price(9.5), prior: GOOD },
};
const PAIR = { 'x-mixllm-models': 'left,right' };

let usage: Partial<SimulatedAnswer>;
let test: TestGateway;
let openings = 0;
const clock = new ManualClock();

beforeAll(async () => {
  const answer: Answer = (request) => {
    const calls = request.body.tools && !/"tool_call_id"|"tool_result"/.test(request.text);
    const toolCalls = ['{"x":1}', '{"x":2}'].map((text) => ({ name: 'f', arguments: text }));
    // As many as the gateway expects, or else it would learn that one arm's tokeniser is better.
    const inputTokens = Math.ceil(request.text.length / 4);
    return plainAnswer({ inputTokens, ...usage, ...(calls ? { text: '', toolCalls } : {}) })(request);
  };
  usage = {};
  test = await startTestGateway({
    clock,
    answers: { left: answer, right: answer, cheap: answer, marked: answer },
    formats: { marked: 'anthropic' },
    models: MODELS,
    config: configOf({}),
  });
});
afterEach(() => {
  usage = {};
});
afterAll(() => test.close());

function configOf(routing: object) {
  return {
    routing: { weight: 0.5, ...routing },
    learning: { exploration: 'none' },
    auth: { keys: Object.entries(KEYS).map(([name, key]) => ({ name, key })) },
  };
}

/** Sets `routing` for the following requests. */
function reload(routing: object): void {
  const { providers, models, storage } = test.gateway.config;
  test.gateway.reload(parseConfig(stringify({ providers, models, storage, ...configOf(routing) }), 'test.yaml', {}));
}

/** Sets the stickiness for the following requests. */
function stick(stickiness: 'off' | 'price' | 'strict' | null): void {
  reload(stickiness === null ? {} : { stickiness });
}

/** A new conversation, by default long enough for a prompt cache. */
function opening(sentences = 1000): Message[] {
  openings++;
  return [
    { role: 'system', content: `Conversation ${openings}. ${'Be brief and kind. '.repeat(sentences)}` },
    { role: 'user', content: 'Hello' },
  ];
}

const next = (messages: Message[], answer = 'Hi!'): Message[] => [
  ...messages,
  { role: 'assistant', content: answer },
  { role: 'user', content: 'And now?' },
];

type Headers = Record<string, string>;

const post = (path: string, messages: Message[], fields: object, headers: Headers, key: keyof typeof KEYS = 'a') =>
  send(
    `${test.url}/v1/${path}`,
    { model: 'auto', messages, ...fields },
    { headers: { authorization: `Bearer ${KEYS[key]}`, ...headers } },
  );

async function chat(messages: Message[], model: string, headers: Headers = {}, fields: object = {}): Promise<Answered> {
  const answer = await post('chat/completions', messages, { model, ...fields }, headers);
  expect(answer.status).toBe(200);
  return answer;
}

async function route(messages: Message[], headers: Headers = PAIR, key: keyof typeof KEYS = 'a') {
  const { json, status } = await post('route', messages, {}, headers, key);
  expect(status).toBe(200);
  // biome-ignore lint/suspicious/noExplicitAny: tests look wherever they like
  const of = (model: string) => json.models.find((candidate: any) => candidate.model === model);
  return { model: json.model, chosenBy: json.chosen_by, left: of('left'), right: of('right'), marked: of('marked') };
}

describe('a conversation without a session id', () => {
  it('prices what its arm has cached as cached input, so that arm wins where it would have lost narrowly', async () => {
    stick(null);
    const messages = opening();
    const before = await route(next(messages));
    expect(before).toMatchObject({ model: 'right', chosenBy: 'score', left: { cached_tokens: 0 } });
    await chat(messages, 'left');
    const after = await route(next(messages));
    expect(after).toMatchObject({ model: 'left', chosenBy: 'score', right: { cached_tokens: 0 } });
    // Those of the first turn, which are most of what the second will send.
    expect(after.left.cached_tokens).toBeGreaterThan(0.98 * after.left.input_tokens);
    await settled(test);
    const [held, cold] = [await route(next(messages)), await route(next(messages), PAIR, 'b')];
    const misjudged = cold.left.input_tokens - held.left.input_tokens;
    const saved = held.left.cached_tokens * (10 - 1) + misjudged * 10;
    expect(cold.left.cost_usd - held.left.cost_usd).toBeCloseTo(saved / 1e6, 12);
    expect(cold.right.cost_usd).toBe(held.right.cost_usd);
    // Still worth a switch.
    expect((await route(next(messages), {})).model).toBe('cheap');
  });

  it('estimates only what was added since the upstream counted the input', async () => {
    const messages = opening();
    // Of the arm that wins in any case: the others must not learn that one of their tokenisers is better.
    usage = { inputTokens: 9000 };
    await chat(messages, 'cheap');
    const inputTokens = async (key: keyof typeof KEYS) => {
      const { json } = await post('route', next(messages), {}, {}, key);
      return json.models.find(({ model }: { model: string }) => model === 'cheap').input_tokens;
    };
    const [counted, estimated] = [await inputTokens('a'), await inputTokens('b')];
    expect(counted).toBeGreaterThan(9000);
    expect(counted).toBeLessThan(9100);
    // An estimate of the whole is not that near, whatever has been learned.
    expect(Math.abs(estimated - 9000)).toBeGreaterThan(200);
  });

  it('does not continue from a count of fewer tokens than a text in its script can have', async () => {
    const messages: Message[] = [{ role: 'user', content: `${openings++}。${'今天天气很好。'.repeat(1000)}` }];
    usage = { inputTokens: 2100 };
    await chat(messages, 'cheap');
    const { json } = await post('route', next(messages), {}, {});
    const { input_tokens: estimated } = json.models.find(({ model }: { model: string }) => model === 'cheap');
    expect(estimated).toBeGreaterThan(4000);
  });

  it.each([
    ['right', false, true],
    ['marked', false, false],
    ['marked', true, true],
  ])(
    'is told against a reference with what its own kind of cache would hold: %s, marks: %s',
    async (reference, isMarked, isHeld) => {
      reload({ reference });
      const [system, question] = opening();
      const marked = { role: 'user', content: [{ type: 'text', text: 'Hello', cache_control: { type: 'ephemeral' } }] };
      const messages = [system, isMarked ? (marked as Message) : question];
      await chat(messages, 'left');
      const { json } = await post('route', next(messages), {}, {});
      expect(json.reference.model).toBe(reference);
      if (isHeld) expect(json.reference.cached_tokens).toBeGreaterThan(4000);
      else expect(json.reference).not.toHaveProperty('cached_tokens');
      reload({});
    },
  );

  it('after a switch, counts for each arm the cached tokens of the turns it has seen', async () => {
    const messages = opening();
    usage = { inputTokens: 4600 };
    await chat(messages, 'left');
    usage = { inputTokens: 4700 };
    const second = next(messages);
    await chat(second, 'right', {}, { stream: true });
    usage = {};
    const third = await route(next(second));
    expect(third.model).toBe('right');
    expect([third.left.cached_tokens, third.right.cached_tokens]).toEqual([4600, 4700]);
  });

  it('is forgotten when prompt caches expire', async () => {
    const messages = opening();
    await chat(messages, 'left');
    clock.advance(CACHE_LIFETIME_MS - 1);
    expect((await route(next(messages))).model).toBe('left');
    clock.advance(1);
    expect(await route(next(messages))).toMatchObject({ model: 'right', left: { cached_tokens: 0 } });
  });

  it('is not matched for another key, for different earlier messages, or for a first request', async () => {
    const messages = opening();
    await chat(messages, 'left');
    expect((await route(next(messages), PAIR, 'b')).model).toBe('right');
    const [system, hello] = messages;
    for (const other of [next(opening()), next([system, { ...hello, content: 'Hello?' } as Message]), messages]) {
      expect(await route(other)).toMatchObject({ model: 'right', left: { cached_tokens: 0 } });
    }
  });

  it('counts as cached only what the upstream caches: long prompts, or what the request marks', async () => {
    usage = { inputTokens: 1000 };
    const short = opening(230);
    await chat(short, 'left');
    expect((await route(next(short))).left.cached_tokens).toBe(0);
    usage = { inputTokens: 1000, cachedInputTokens: 512 };
    await chat(short, 'left');
    expect((await route(next(short))).left.cached_tokens).toBe(1000);
    usage = {};
    const unmarked = opening();
    await chat(unmarked, 'marked');
    expect((await route(next(unmarked), {})).marked.cached_tokens).toBe(0);
    usage = { cachedInputTokens: 1000, cacheWriteTokens: 2000 };
    await chat(unmarked, 'marked', {}, { stream: true });
    expect((await route(next(unmarked), {})).marked.cached_tokens).toBe(3000);
    usage = {};
  });

  it('stays with its arm under strict, unless the arm is ambiguous or cannot serve', async () => {
    stick('strict');
    const messages = opening();
    expect((await route(messages)).chosenBy).toBe('score');
    await chat(messages, 'right');
    expect((await route(messages)).chosenBy).toBe('score');
    expect(await route(next(messages), {})).toMatchObject({ model: 'right', chosenBy: 'session' });
    clock.advance(CACHE_LIFETIME_MS);
    expect(await route(next(messages), {})).toMatchObject({ model: 'right', chosenBy: 'session' });
    expect(await route(next(messages), { 'x-mixllm-models': 'left,cheap' })).toMatchObject({ chosenBy: 'score' });
    // Two conversations began alike: only the next turn shows whose answer this one got.
    await chat(messages, 'left');
    expect((await route(next(messages), {})).chosenBy).toBe('score');
    const second = next(messages, 'Well, hi.');
    await chat(second, 'left');
    expect(await route(next(second), {})).toMatchObject({ model: 'left', chosenBy: 'session' });
  });

  it('is not remembered while stickiness is off', async () => {
    stick('off');
    const messages = opening();
    const session = { ...PAIR, 'x-session-id': 'off' };
    await chat(messages, 'left', session);
    stick(null);
    await chat(messages, 'right', PAIR);
    stick('off');
    for (const headers of [PAIR, session]) {
      expect(await route(next(messages), headers)).toMatchObject({ model: 'right', chosenBy: 'score' });
      expect((await route(next(messages), headers)).right.cached_tokens).toBe(0);
    }
  });
});

describe('a session', () => {
  it('stays with its arm, which is priced for what it has cached', async () => {
    stick(null);
    const session = { 'x-session-id': 'one' };
    const messages = opening();
    await chat(messages, 'left', session);
    const stays = await route(next(messages), session);
    expect(stays).toMatchObject({ model: 'left', chosenBy: 'session' });
    expect(stays.left.cached_tokens).toBeGreaterThan(0.98 * stays.left.input_tokens);
    // A session may change the subject: then the arm has nothing of it cached.
    const other = await route(opening(), session);
    expect(other).toMatchObject({ model: 'left', chosenBy: 'session', left: { cached_tokens: 0 } });
    expect((await route(next(messages), session, 'b')).chosenBy).toBe('score');
    stick('price');
    expect(await route(next(messages), session)).toMatchObject({ model: 'cheap', chosenBy: 'score' });
    expect(await route(next(messages), { ...session, ...PAIR })).toMatchObject({ model: 'left', chosenBy: 'score' });
  });
});

describe('a loop of tool calls', () => {
  const tools: OpenAI.ChatCompletionTool[] = [{ type: 'function', function: { name: 'f', parameters: {} } }];
  const results = (calls: readonly { id: string }[]): Message[] =>
    calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: '42' }));
  const client = (key: keyof typeof KEYS = 'a') =>
    new OpenAI({ baseURL: `${test.url}/v1`, apiKey: KEYS[key], maxRetries: 0 });

  it.each(['off', 'price', 'strict'] as const)('is finished by the arm that started it (%s)', async (stickiness) => {
    stick(stickiness);
    for (const arm of ['right', 'marked']) {
      const question: Message[] = [{ role: 'user', content: `What is it, ${stickiness}?` }];
      const { choices } = await client().chat.completions.create({ model: arm, messages: question, tools });
      const calls = choices[0].message.tool_calls ?? [];
      expect(calls).toHaveLength(2);
      const messages = [...question, choices[0].message, ...results(calls)];
      const { data, response } = await client()
        .chat.completions.create({ model: 'auto', messages, tools })
        .withResponse();
      expect(response.headers.get('x-mixllm-model')).toBe(arm);
      expect(data.choices[0].message.content).toContain(`answered by ${arm}`);
      const decided = await send(`${test.url}/v1/route`, { model: 'auto', messages, tools }, { headers: auth('a') });
      expect(decided.json).toMatchObject({ model: arm, chosen_by: 'tool_calls', propensity: 1 });
    }
  });

  it('is recognised by its call ids alone, also streamed ones, but only for the same key', async () => {
    stick('off');
    const stream = client().chat.completions.stream({
      model: 'right',
      messages: [{ role: 'user', content: 'What is it?' }],
      tools,
    });
    const { message } = (await stream.finalChatCompletion()).choices[0];
    const forgetful: Message[] = [
      { role: 'user', content: 'Summary: ...' },
      message,
      ...results(message.tool_calls ?? []),
    ];
    expect(await route(forgetful, {})).toMatchObject({ model: 'right', chosenBy: 'tool_calls' });
    expect(await route(forgetful, {}, 'b')).toMatchObject({ model: 'cheap', chosenBy: 'score' });
    // Once answered, the loop is over.
    const answer: Message = { role: 'assistant', content: 'It is 42.' };
    expect((await route([...forgetful, answer, { role: 'user', content: 'Thanks' }], {})).chosenBy).toBe('score');
    const without = { 'x-mixllm-models': 'cheap,left' };
    expect(await route(forgetful, without)).toMatchObject({ model: 'cheap', chosenBy: 'score' });
  });

  const auth = (key: keyof typeof KEYS) => ({ authorization: `Bearer ${KEYS[key]}` });
});
