import { describe, expect, it, vi } from 'vitest';
import { type Arm, upstreamOf } from '../../../src/domain/arm.ts';
import type { ChatMessage } from '../../../src/domain/chat.ts';
import { Conversations, type Stickiness } from '../../../src/gateway/conversations.ts';
import type { InputSize } from '../../../src/routing/eligibility.ts';
import { armOf } from '../../routing/support.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const [A, B] = [armOf('a'), armOf('b')];
const USAGE = { inputTokens: 2000, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1 };
const user = (content: string): ChatMessage => ({ role: 'user', content });
const said = (content: string): ChatMessage => ({ role: 'assistant', content });
const called = (id: string) => ({ tool_calls: [{ id }] });
const asked = (id: string): ChatMessage => ({ role: 'assistant', content: null, ...called(id) });
const inParts = (...texts: string[]): ChatMessage => ({
  role: 'user',
  content: texts.map((text) => ({ type: 'text', text })),
});
const video = (url: string): ChatMessage => ({
  role: 'user',
  content: [{ type: 'video_url', text: 'Look', video_url: { url } }],
});
const result = (id: string): ChatMessage => ({ role: 'tool', tool_call_id: id, content: '1' });

interface SetUp {
  size?: InputSize;
  marked?: Arm[];
  bearsMarks?: boolean;
  clock?: ManualClock;
}

function setUp(stickiness: Stickiness, { size, marked = [], bearsMarks, clock = new ManualClock() }: SetUp = {}) {
  const conversations = new Conversations(clock);
  return (messages: ChatMessage[], sessionId: string | null = null) =>
    conversations.of({ key: null, sessionId, messages, size, bearsMarks }, stickiness, (arm) =>
      marked.includes(arm) ? 'marked' : 'automatic',
    );
}

describe('Conversations', () => {
  it('distinguishes calls with the same id by the messages before them', () => {
    const of = setUp('off');
    of([user('one')]).called(A, ['call_0']);
    of([user('two')]).called(B, ['call_0']);
    const caller = (...messages: ChatMessage[]) => of(messages).recall().stayWith?.arm;
    expect(caller(user('one'), asked('call_0'), result('call_0'))).toBe('a');
    expect(caller(user('two'), asked('call_0'), result('call_0'))).toBe('b');
    expect(caller(asked('call_0'), result('call_0'))).toBe('b');
    expect(caller(result('call_0'))).toBe('b');
    expect(caller(user('one'), asked('call_1'), result('call_1'))).toBeUndefined();
  });

  it('does not store call ids, however long they are', () => {
    const conversations = new Conversations(new ManualClock());
    const kept = vi.spyOn(conversations.toolCalls, 'set');
    const of = () => conversations.of({ key: null, sessionId: null, messages: [result(id)] }, 'off', () => 'automatic');
    const id = 'x'.repeat(1e6);
    of().called(A, [id]);
    expect(Math.max(...kept.mock.calls.map(([key]) => key.length))).toBeLessThan(100);
    expect(of().recall().stayWith?.arm).toBe('a');
  });

  it('stores only so many calls of an answer and looks up only so many results, as each takes time', () => {
    const conversations = new Conversations(new ManualClock());
    const kept = vi.spyOn(conversations.toolCalls, 'set');
    const lookedAt = vi.spyOn(conversations.toolCalls, 'get');
    const ids = Array.from({ length: 2000 }, (_, i) => `call_${i}`);
    const of = (messages: ChatMessage[]) =>
      conversations.of({ key: null, sessionId: null, messages }, 'off', () => 'automatic');
    const answered = of([user('x')]);
    // As a stream reports them, and as a plain answer does.
    for (const some of [...ids.slice(0, 1000).map((id) => [id]), ids.slice(1000)]) answered.called(A, some);
    expect(of([user('x'), result('call_2')]).recall().stayWith?.arm).toBe('a');
    expect(kept.mock.calls.length).toBeLessThan(1000);
    of([user('x'), ...ids.map((id) => result(`other ${id}`))]).recall();
    expect(lookedAt.mock.calls.length).toBeLessThan(1000);
  });

  it('continues a loop if a user message follows the results, but not past an answer', () => {
    const of = setUp('off');
    of([user('one')]).called(A, ['call_0']);
    const loop = [user('one'), asked('call_0'), result('call_0')];
    const caller = (...more: ChatMessage[]) => of([...loop, ...more]).recall().stayWith?.arm;
    expect(caller(user('the screenshot'))).toBe('a');
    expect(caller({ role: 'system', content: 'Mind the time.' }, user('the screenshot'))).toBe('a');
    expect(caller(said('Done.'), user('two'))).toBeUndefined();
  });

  it("remembers one key's conversations, however many another key starts", () => {
    const conversations = new Conversations(new ManualClock());
    const of = (key: string, sessionId: string, messages = [user('x')]) =>
      conversations.of({ key, sessionId, messages }, 'strict', () => 'automatic');
    const first = of('a', 's');
    first.answeredBy(A);
    first.used(A, USAGE);
    first.called(A, ['call_0']);
    for (let i = 0; i < 20_100; i++) {
      const other = of('b', `s${i}`, [user(`x ${i}`)]);
      other.answeredBy(B);
      other.used(B, USAGE);
      other.called(B, [`call_${i}`]);
    }
    const recalled = of('a', 's', [user('x'), said('y'), user('z')]).recall();
    expect(recalled.stayWith).toEqual({ arm: 'a', as: 'session' });
    expect(recalled.cachedTokens.get(upstreamOf(A))).toBe(2000);
    expect(of('a', 'other', [user('x'), result('call_0')]).recall().stayWith?.arm).toBe('a');
    expect(of('b', 's20099').recall().stayWith?.arm).toBe('b');
    expect(of('b', 's0').recall().stayWith).toBeNull();
  });

  it('stays with the arm of the main conversation after a sub-agent or a title has used its session', () => {
    const of = setUp('strict');
    const main = [user('Fix the bug.')];
    of(main, 's').answeredBy(A);
    const next = [...main, said('Done.'), user('Now test it.')];
    of([{ role: 'system', content: 'You are a sub-agent.' }, user('Search.')], 's').answeredBy(B);
    expect(of(next, 's').recall().stayWith).toEqual({ arm: 'a', as: 'session' });
    // Only the session is known of a conversation whose beginning was rewritten.
    expect(of([user('Summary'), said('Ok.'), user('Go on.')], 's').recall().stayWith?.arm).toBe('b');
    // Another session with the same messages is none of its business.
    of(main, 't').answeredBy(B);
    expect(of(next, 's').recall().stayWith?.arm).toBe('a');
    expect(of(next, 't').recall().stayWith?.arm).toBe('b');
    // Asked once more: the client continues with the latest answer.
    for (const arm of [A, B]) of(main, 's').answeredBy(arm);
    expect(of(next, 's').recall().stayWith?.arm).toBe('b');
  });

  it('stays with the arm of the latest answer to a later turn', () => {
    const of = setUp('strict');
    const second = [user('one'), said('x'), user('two')];
    for (const arm of [A, B]) of(second).answeredBy(arm);
    expect(of([...second, said('y'), user('three')]).recall().stayWith).toEqual({ arm: 'b', as: 'session' });
  });

  it('does not tell first requests of one session apart by their messages', () => {
    const of = setUp('strict');
    of([user('Hello')], 's').answeredBy(A);
    of([user('Other')], 's').answeredBy(B);
    expect(of([user('Hello')], 's').recall().stayWith?.arm).toBe('b');
  });

  it('keeps what an upstream counted of the input, if that is plausible', () => {
    const text = { inputCharacters: 8000, inputBytes: 8000, images: 0 };
    const counted = (size: InputSize, inputTokens: number) => {
      const of = setUp('price', { size });
      of([user('one')]).used(A, { ...USAGE, inputTokens });
      return of([user('one'), said('x'), user('two')])
        .recall()
        .countedInput.get(upstreamOf(A))?.tokens;
    };
    expect(counted(text, 2000)).toBe(2000);
    // The upstream has read a part of it.
    expect(counted({ ...text, inputCharacters: 100_000, inputBytes: 100_000 }, 4098)).toBeUndefined();
    // It counts more than there is, except for images.
    expect(counted(text, 12_000)).toBe(12_000);
    expect(counted(text, 12_001)).toBeUndefined();
    expect(counted({ ...text, images: 2 }, 112_000)).toBe(112_000);
    // The guess for a file is subtracted where it must not decide, so it must be there.
    expect(counted({ ...text, attached: { likely: 2000, most: 4000 } as InputSize['attached'] }, 2000)).toBeUndefined();
  });

  it('goes by the longest part that is known', () => {
    const of = setUp('price', { size: { inputCharacters: 8000, inputBytes: 8000, images: 0 }, bearsMarks: true });
    const second = [user('one'), said('x'), user('two')];
    of([user('one')]).used(A, USAGE);
    of(second).used(A, { ...USAGE, inputTokens: 3000 });
    const { cachedTokens, countedInput, cacheable } = of([...second, said('y'), user('three')]).recall();
    expect(cachedTokens.get(upstreamOf(A))).toBe(3000);
    expect(countedInput.get(upstreamOf(A))?.tokens).toBe(3000);
    expect(cacheable).toEqual({ all: 3000, marked: 3000 });
  });

  it('keeps what an upstream holds, and since when, while the same request is asked once more', () => {
    const clock = new ManualClock();
    const size = { inputCharacters: 8000, inputBytes: 8000, images: 0 };
    const of = setUp('strict', { clock, size, bearsMarks: true });
    of([user('one')], 's').used(A, USAGE);
    clock.advance(200_000);
    of([user('one')], 's').answeredBy(A);
    const recall = () => of([user('one'), said('x'), user('two')], 's').recall();
    const { cachedTokens, countedInput, cacheable } = recall();
    expect(cachedTokens.get(upstreamOf(A))).toBe(2000);
    expect(countedInput.get(upstreamOf(A))?.tokens).toBe(2000);
    expect(cacheable).toEqual({ all: 2000, marked: 2000 });
    clock.advance(100_000);
    expect(recall().cachedTokens.size).toBe(0);
  });

  it('expects nothing in the cache of an upstream that last reported none', () => {
    const size = { inputCharacters: 8000, inputBytes: 8000, images: 0 };
    const of = setUp('price', { size, marked: [B] });
    of([user('one')], 's').used(B, { ...USAGE, cacheWriteTokens: 1500 });
    of([user('one')], 's').used(B, USAGE);
    expect(of([user('one'), said('x'), user('two')], 's').recall().cachedTokens.size).toBe(0);
  });

  it('knows what is cached without knowing how long the input was', () => {
    const of = setUp('price');
    of([user('one')], 's').used(A, USAGE);
    const { cacheable, countedInput } = of([user('one'), said('x'), user('two')], 's').recall();
    expect([cacheable, countedInput.size]).toEqual([{ all: 2000, marked: 0 }, 0]);
  });

  it('remembers only requests of which something may be cached', () => {
    const conversations = new Conversations(new ManualClock());
    const kept = vi.spyOn(conversations.prefixes, 'set');
    const of = (...messages: ChatMessage[]) =>
      conversations.of({ key: null, sessionId: null, messages }, 'price', () => 'automatic');
    const conversation = of(user('one'));
    conversation.answeredBy(A);
    conversation.used(A, { ...USAGE, inputTokens: 1023 });
    expect(kept).not.toHaveBeenCalled();
    conversation.used(A, { ...USAGE, inputTokens: 1024 });
    const { cachedTokens } = of(user('one'), said('x'), user('two')).recall();
    expect(cachedTokens.get(upstreamOf(A))).toBe(1024);
  });

  it('does not recognise conversations of thousands of messages, as hashing them would delay other requests', () => {
    const of = setUp('price');
    const held = (length: number) => {
      const messages = Array.from({ length }, (_, i) => (i % 2 === 0 ? user(`${i}`) : said(`${i}`)));
      of(messages).used(A, USAGE);
      return of(messages).recall().cachedTokens.size;
    };
    expect([held(2000), held(2001)]).toEqual([1, 0]);
  });

  it('tells what each kind of prompt cache would hold of a conversation that another arm answered', () => {
    const size = { inputCharacters: 8000, inputBytes: 8000, images: 0 };
    const next = [user('one'), said('x'), user('two')];
    const cacheable = (arm: Arm, usage: typeof USAGE, bearsMarks = false) => {
      const of = setUp('price', { size, marked: [B], bearsMarks });
      of([user('one')]).used(arm, usage);
      const { cacheable: found, cachedTokens } = of(next).recall();
      return { ...found, own: cachedTokens.get(upstreamOf(arm)) };
    };
    expect(cacheable(A, USAGE)).toEqual({ all: 2000, marked: 0, own: 2000 });
    // The client's marks would have filled the cache of one that goes by them.
    expect(cacheable(A, USAGE, true)).toEqual({ all: 2000, marked: 2000, own: 2000 });
    expect(cacheable(B, USAGE, true)).toEqual({ all: 2000, marked: 0, own: undefined });
    // Nothing was marked: only the other kind would hold it.
    expect(cacheable(B, USAGE)).toEqual({ all: 2000, marked: 0, own: undefined });
    expect(cacheable(B, { ...USAGE, cacheWriteTokens: 1500 })).toEqual({ all: 2000, marked: 1500, own: 1500 });
  });

  it('knows a conversation again whose client moves its cache marks', () => {
    const of = setUp('price');
    const part = (text: string, mark = {}) => ({ role: 'user', content: [{ type: 'text', text, ...mark }] });
    const mark = { cache_control: { type: 'ephemeral' } };
    for (const calls of [{}, called('c')]) {
      of([{ ...part('one', mark), ...calls }], 's').used(A, USAGE);
      for (const first of [user('one'), part('one'), part('one', mark)]) {
        const { cachedTokens } = of([{ ...first, ...calls }, said('x'), part('two', mark)], 's').recall();
        expect(cachedTokens.get(upstreamOf(A))).toBe(2000);
      }
    }
    const parts = (...marks: object[]) => ({
      role: 'user',
      content: [part('a'), part('b')].map(({ content }, i) => ({ ...content[0], ...marks[i] })),
    });
    of([parts({}, mark)], 's').used(B, USAGE);
    expect(
      of([parts(), said('x'), user('two')], 's')
        .recall()
        .cachedTokens.get(upstreamOf(B)),
    ).toBe(2000);
    expect(of([user('two'), said('x'), user('two')], 's').recall().cachedTokens.size).toBe(0);
  });

  it.each<[string, ChatMessage, ChatMessage]>([
    ['a role', user('one'), { role: 'system', content: 'one' }],
    ['the role of a call', asked('c'), { ...asked('c'), role: 'user' }],
    ['a later part', inParts('one', 'two'), inParts('one', 'three')],
    ['a part beside its text', video('a'), video('b')],
    ['a call without a text', asked('c'), asked('d')],
    ['a call beside a text', { ...said('one'), ...called('c') }, { ...said('one'), ...called('d') }],
  ])('tells conversations apart that differ in %s', (_, one, other) => {
    const of = setUp('price');
    of([one], 's').used(A, USAGE);
    const held = (first: ChatMessage) => of([first, said('x'), user('two')], 's').recall().cachedTokens;
    expect(held(one).get(upstreamOf(A))).toBe(2000);
    expect(held(other).size).toBe(0);
  });

  it("ends a loop without ids with the session's arm", () => {
    const loop = [user('x'), said(''), { role: 'function', name: 'f', content: '1' }];
    for (const stickiness of ['price', 'strict'] as const) {
      const of = setUp(stickiness);
      of([user('x')], 's').answeredBy(A);
      expect(of(loop, 's').recall().stayWith).toEqual({ arm: 'a', as: 'tool_calls' });
      expect(of(loop, 't').recall().stayWith).toBeNull();
    }
  });

  it('expects nothing in the cache of the upstream that an arm was moved to', () => {
    const of = setUp('price');
    of([user('one')], 's').used(A, USAGE);
    const { cachedTokens } = of([user('one'), said('x'), user('two')], 's').recall();
    expect(cachedTokens.get(upstreamOf(A))).toBe(2000);
    for (const moved of [{ provider: 'other' }, { upstreamModel: 'a-2' }]) {
      expect(cachedTokens.get(upstreamOf({ ...A, ...moved }))).toBeUndefined();
    }
    const strict = setUp('strict');
    strict([user('one')], 's').used(A, USAGE);
    strict([user('one')], 's').answeredBy({ ...A, provider: 'other' });
    expect(strict([user('one'), said('x'), user('two')], 's').recall().cachedTokens.size).toBe(0);
  });

  it('recognises a message of many megabytes by its ends and its length', () => {
    const of = setUp('strict');
    const image = (data: string): ChatMessage => ({
      role: 'user',
      content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }],
    });
    const large = 'A'.repeat(9e6);
    of([image(large)]).answeredBy(A);
    const arm = (data: string) => of([image(data), said('A cat.'), user('Sure?')]).recall().stayWith?.arm;
    expect([arm(large), arm(`${large}A`), arm(`${large.slice(1)}B`), arm(`B${large.slice(1)}`)]).toEqual([
      'a',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('makes nothing sticky for unrelated requests with the same examples or the same first message', () => {
    const of = setUp('strict');
    const examples = [user('2 + 2?'), said('4'), user('3 + 3?'), said('6')];
    for (const [question, arm] of [['5 + 5?', A] as const, ['Hello', B] as const]) {
      const one = of([...examples, user(question)]);
      one.answeredBy(arm);
      one.used(arm, USAGE);
    }
    const stranger = of([...examples, user('7 + 7?')]).recall();
    expect(stranger).toEqual({
      stayWith: null,
      cachedTokens: new Map(),
      countedInput: new Map(),
      cacheable: { all: 0, marked: 0 },
    });
    of([user('Hello')]).answeredBy(A);
    expect(of([user('Hello')]).recall().stayWith).toBeNull();
  });
});
