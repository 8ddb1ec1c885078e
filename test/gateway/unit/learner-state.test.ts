import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../../src/domain/events.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { armOf } from '../../routing/support.ts';
import {
  ARMS,
  bitsOf,
  completed,
  DIMENSIONS,
  decided,
  explanationOf,
  FEATURE_MAP,
  interleaved,
  modelEvent,
  numbered,
  randomLife,
  randomStream,
  rated,
  withdrawn,
} from './support.ts';

/** @returns the state, and the number of events of which it rejected a part */
function foldAll(events: readonly GatewayEvent[], state = new LearnerState(FEATURE_MAP, DIMENSIONS)) {
  let refused = 0;
  const stored = numbered(events);
  stored.forEach((event, i) => {
    const history = stored.slice(0, i).filter(({ decisionId }) => decisionId === event.decisionId);
    try {
      state.fold(event, history);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      refused++;
    }
  });
  return { state, refused };
}

/** Every number that a decision rests on. */
function figures({ policy, statistics }: LearnerState): number[] {
  const random = seededRandom(77);
  const contexts = Array.from({ length: 3 }, () =>
    Float64Array.of(1, random.normal(), random.normal(), random.normal()),
  );
  const offers = ARMS.map((arm) => ({ arm, penalty: 0, cost: (tokens: number) => tokens / 1e6 }));
  const assessments = contexts.flatMap(
    (context) =>
      policy.decide({
        context,
        offers,
        weight: 0.5,
        reference: 'big',
        referenceCost: () => 1,
        exploration: 'none',
        random,
      }).assessments,
  );
  return [
    ...assessments.flatMap(({ quality, qualitySd, modelOutputTokens, outputTokens }) => [
      quality,
      qualitySd,
      Math.log(modelOutputTokens),
      Math.log(outputTokens),
    ]),
    ...ARMS.flatMap((arm) => [
      policy.ratingsOf(arm),
      statistics.tokensPerByte(arm, { inputCharacters: 600, inputBytes: 900 }),
      statistics.referenceCost(armOf(arm), null),
    ]),
  ];
}

function expectClose(one: LearnerState, other: LearnerState, tolerance = 1e-9): void {
  const expected = figures(other);
  figures(one).forEach((figure, i) => {
    expect(Math.abs(figure - expected[i]), `figure ${i}`).toBeLessThan(tolerance);
  });
}

describe('LearnerState.fold', () => {
  it('gives the same numbers whatever the order of events of different decisions', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 25 }), (seed, count) => {
        const random = seededRandom(seed);
        const lives = Array.from({ length: count }, (_, i) => randomLife(`d${i}`, random));
        const [oneByOne, mixed] = [interleaved(lives, random, 1), interleaved(lives, random, count)];
        // Mean service time is not among the numbers: a running mean that forgets depends on the order by its nature.
        expectClose(foldAll(mixed).state, foldAll(oneByOne).state);
      }),
      { numRuns: 60 },
    );
  });

  it('gives the same numbers if ratings arrive before the completion', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const lives = Array.from({ length: 15 }, (_, i) => randomLife(`d${i}`, seededRandom(seed + i)));
        const late = lives.map(([first, answer, ...rest]) => [first, ...rest, answer]);
        expectClose(foldAll(late.flat()).state, foldAll(lives.flat()).state);
      }),
      { numRuns: 30 },
    );
  });

  it('ends as if a withdrawn or replaced rating had never been given', () => {
    const others = randomStream(20, 4);
    const life = [decided('d'), completed('d')];
    const without = foldAll([...others, ...life, rated('d', 'kept', 0.3)]).state;
    const replaced = foldAll([...life, rated('d', 'old', 1), ...others, rated('d', 'kept', 0.3)]).state;
    expectClose(replaced, without);
    const revived = foldAll([
      ...life,
      rated('d', 'kept', 0.3),
      ...others,
      rated('d', 'new', 1),
      withdrawn('d', 'new'),
    ]).state;
    expectClose(revived, without);
    expect(without.policy.ratingsOf('big')).toBeCloseTo(foldAll(others).state.policy.ratingsOf('big') + 1, 12);
  });

  it('teaches only the arm that answered after a fallback', () => {
    const { state } = foldAll([decided('d', { arm: 'big' }), completed('d', { arm: 'small' }), rated('d', 'fb', 1)]);
    expect(ARMS.map((arm) => state.policy.ratingsOf(arm))).toEqual([0, 0, 1]);
    expect(state.statistics.serviceSeconds('small')).toBe(1.5);
    expect(state.statistics.serviceSeconds('big')).toBe(2);
  });

  it('expects ratings for answers newer than the newest rated one, by the arm that answered', () => {
    const lives = ['a', 'b', 'c', 'd'].flatMap((id) => [
      decided(id),
      completed(id, { arm: id === 'b' ? 'small' : 'big' }),
    ]);
    const failed = [decided('e'), completed('e', { arm: null, outcome: 'failed' })];
    const awaited = (...later: GatewayEvent[]) => {
      const { state } = foldAll([...lives, ...failed, ...later]);
      return ARMS.map((arm) => state.awaitedRatings.of(arm));
    };
    expect(awaited()).toEqual([3, 0, 1]);
    expect(awaited(rated('b', 'fb', 1))).toEqual([2, 0, 0]);
    expect(awaited(rated('d', 'fb', 1), rated('a', 'late', 0))).toEqual([0, 0, 0]);
    expect(awaited(modelEvent('big', 'model_reset'))).toEqual([0, 0, 1]);
    expect(awaited(rated('e', 'fb', 0))).toEqual([3, 0, 1]);
    expect(awaited(decided('f'), rated('f', 'early', 1), completed('f'))).toEqual([0, 0, 0]);
  });

  /** The prediction for the reference; null if it was no candidate. */
  const predicted = (outputTokens: number | null) => ({
    arms: [
      explanationOf(
        'big',
        outputTokens === null ? { costUsd: null } : { inputTokens: 100, cachedTokens: 60, outputTokens },
      ),
    ],
  });

  it('learns the reference cost of every decision, but the tokeniser only from complete answers to long texts', () => {
    const { state } = foldAll([
      decided('a', { ...predicted(200), inputCharacters: 500, inputBytes: 500 }),
      decided('b', { ...predicted(null), inputCharacters: 600, inputBytes: 600 }),
      decided('c', { ...predicted(400), inputCharacters: 600, inputBytes: 600, images: 1 }),
      decided('d', { ...predicted(null), inputCharacters: 600, inputBytes: 600, needs: ['files'] }),
      decided('video', { ...predicted(null), inputCharacters: 600, inputBytes: 600, needs: ['vision'] }),
      decided('audio', { ...predicted(null), inputCharacters: 600, inputBytes: 600, needs: ['audio'] }),
      // Short: the chat template would count for more than the text.
      decided('e', { ...predicted(null), inputCharacters: 499, inputBytes: 499 }),
      completed('a'),
      completed('b', { outcome: 'interrupted' }),
      ...['c', 'd', 'video', 'audio', 'e'].map((id) => completed(id)),
    ]);
    const price = { input: 10, cachedInput: 1, cacheWrite: 10, output: 1000 };
    expect(state.statistics.referenceCost({ id: 'big', price }, null)).toBeCloseTo(0.3 + 0.0004 + 0.00006, 12);
    const length = { inputCharacters: 600, inputBytes: 600 };
    expect(state.statistics.tokensPerByte('big', length)).toBe((500 + 120) / (2000 + 500));
    expect(state.sequence).toBe(14);
  });

  it('learns the reference cost with the tokens that it would have cached', () => {
    const price = { input: 10, cachedInput: 1, cacheWrite: 10, output: 1000 };
    const cost = (fields: object) =>
      foldAll([decided('a', { ...predicted(200), ...fields })]).state.statistics.referenceCost(
        { id: 'big', price },
        null,
      );
    expect(cost({})).toBeCloseTo(0.2 + (40 * 10 + 60 * 1) / 1e6, 12);
    expect(cost({ referenceCachedTokens: 90 })).toBeCloseTo(0.2 + (10 * 10 + 90 * 1) / 1e6, 12);
  });

  it('learns the tokeniser by bytes, and nothing from events before bytes were recorded', () => {
    const { state } = foldAll([
      decided('old', { ...predicted(200), inputCharacters: 600, inputBytes: undefined }),
      completed('old'),
      // Chinese: short in characters, but not in tokens.
      decided('a', { ...predicted(200), inputCharacters: 300, inputBytes: 900 }),
      completed('a'),
    ]);
    const length = { inputCharacters: 1000, inputBytes: 3000 };
    expect(state.statistics.tokensPerByte('big', length)).toBe((500 + 120) / (2000 + 900));
  });

  it('forgets by a reset only what that arm learned, whatever arrives later for older decisions', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seededRandom(seed);
        const before = Array.from({ length: 12 }, (_, i) => randomLife(`a${i}`, random));
        const after = Array.from({ length: 12 }, (_, i) => randomLife(`b${i}`, random));
        // Unfinished at the reset: the rest of every third life arrives later.
        const early = before.map((life, i) => (i % 3 === 0 ? life.slice(0, 1 + (i % 2)) : life));
        const late = before.map((life, i) => (i % 3 === 0 ? life.slice(1 + (i % 2)) : []));
        const reset = foldAll([
          ...early.flat(),
          modelEvent('mid', 'model_reset'),
          ...late.flat(),
          ...after.flat(),
        ]).state;
        const withoutMid = (life: GatewayEvent[]) => {
          const answer = life.find((event) => event.type === 'completed');
          const arm = answer?.type === 'completed' ? answer.arm : null;
          return arm === 'mid' ? life.filter(({ type }) => type === 'decided') : life;
        };
        const never = foldAll([...before.flatMap(withoutMid), ...after.flat()]).state;
        // Mean costs are kept for the reference arm only, and `mid` is not the reference here.
        expectClose(reset, never, 1e-8);
      }),
      { numRuns: 40 },
    );
  });

  it('is bit-identical after a reset, whether restored from a snapshot before or after it', () => {
    const events = [...randomStream(40, 9), modelEvent('big', 'model_reset'), modelEvent('small', 'model_retired')];
    const whole = foldAll([...events, ...randomStream(10, 10)]).state;
    for (const cut of [events.length - 2, events.length]) {
      const restored = new LearnerState(FEATURE_MAP, DIMENSIONS);
      restored.deserialise(foldAll(events.slice(0, cut)).state.serialise(), cut);
      const rest = numbered([...events, ...randomStream(10, 10)]).slice(cut);
      rest.forEach((event, i) => {
        restored.fold(
          event,
          rest.slice(0, i).filter(({ decisionId }) => decisionId === event.decisionId),
        );
      });
      expect(bitsOf(restored)).toBe(bitsOf(whole));
      expect([...restored.modelChanges]).toEqual([['small', { retired: true, settings: {} }]]);
    }
  });

  it('ignores a non-finite value, but nothing else of the same event or decision', () => {
    const life = [decided('d'), rated('d', 'good', 0.9, 'judge'), completed('d')];
    const clean = foldAll(life).state;
    const poison = { ...rated('d', 'bad', Number.NaN), comment: 'poison' };
    for (const events of [
      [...life, poison],
      [life[0], poison, life[1], life[2]],
      [...life, poison, withdrawn('d', 'bad')],
    ]) {
      const { state, refused } = foldAll(events);
      expect(refused).toBeGreaterThan(0);
      expectClose(state, clean);
    }
    const recovered = foldAll([...life, poison, rated('d', 'better', 0.4)]).state;
    expectClose(recovered, foldAll([...life, rated('d', 'better', 0.4)]).state);
    const withdrawnAll = foldAll([life[0], poison, life[1], life[2], withdrawn('d', 'good')]).state;
    expectClose(withdrawnAll, foldAll([life[0], life[2]]).state);
  });

  it('learns how long the upstream works on an answer, without the wait for its turn', () => {
    const { state } = foldAll([decided('d'), completed('d', { serviceMs: 9000, queued: 2 })]);
    expect(state.statistics.serviceSeconds('big')).toBe(3);
  });

  it('keeps its statistics finite whatever an upstream reports', () => {
    const usage = {
      inputTokens: Number.NaN,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: Number.POSITIVE_INFINITY,
    };
    const { state } = foldAll([
      decided('d', { arms: [explanationOf('big', { outputTokens: Number.NaN })] }),
      completed('d', { usage, serviceMs: Number.NaN, costUsd: Number.NaN }),
    ]);
    expect(figures(state).every(Number.isFinite)).toBe(true);
    expect(state.statistics.serviceSeconds('big')).toBe(2);
  });
});

describe('LearnerState.serialise', () => {
  it('restores bit-identically and continues in the same way', () => {
    const { state } = foldAll(randomStream(60, 1));
    state.policy.setPriorQualities(new Map([['big', 0.93]]));
    const copy = new LearnerState(FEATURE_MAP, DIMENSIONS);
    copy.deserialise(state.serialise(), state.sequence);
    expect(copy.sequence).toBe(state.sequence);
    expect(figures(copy)).toEqual(figures(state));
    expect(bitsOf(copy)).toBe(bitsOf(state));
    const more = randomStream(60, 2);
    foldAll(more, state);
    foldAll(more, copy);
    expect(figures(copy)).toEqual(figures(state));
    expect(bitsOf(copy)).toBe(bitsOf(state));
  });

  it('restores models of any name', () => {
    const names = ['float64', 'constructor', '__proto__', 'a\nb'];
    const lives = names.flatMap((arm, i) => [
      decided(`d${i}`, { arm, arms: [explanationOf(arm)] }),
      completed(`d${i}`, { arm }),
      rated(`d${i}`, `fb${i}`, 0.25 * i),
    ]);
    const { state } = foldAll(lives);
    const copy = new LearnerState(FEATURE_MAP, DIMENSIONS);
    copy.deserialise(state.serialise(), state.sequence);
    expect(bitsOf(copy)).toBe(bitsOf(state));
    expect(names.map((name) => copy.policy.ratingsOf(name))).toEqual([1, 1, 1, 1]);
  });

  it('is rejected rather than misread for another feature map or other dimensions', () => {
    const bytes = foldAll(randomStream(5, 1)).state.serialise();
    const fresh = figures(new LearnerState(FEATURE_MAP, DIMENSIONS));
    const other = new LearnerState('map-2', DIMENSIONS);
    expect(() => other.deserialise(bytes, 9)).toThrow('another key');
    expect(other.sequence).toBe(0);
    expect(figures(other)).toEqual(fresh);
    expect(() => new LearnerState(FEATURE_MAP, DIMENSIONS + 1).deserialise(bytes, 9)).toThrow('another key');
  });

  it('is rejected if damaged anywhere', () => {
    const bytes = foldAll(randomStream(10, 1)).state.serialise();
    const isAccepted = (damaged: Uint8Array) => {
      try {
        new LearnerState(FEATURE_MAP, DIMENSIONS).deserialise(damaged, 1);
        return true;
      } catch {
        return false;
      }
    };
    expect(isAccepted(bytes)).toBe(true);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flipped) => {
        expect(isAccepted(Uint8Array.from(bytes).with(at, bytes[at] ^ flipped))).toBe(false);
      }),
      { numRuns: 200 },
    );
    const texts = ['', 'null', '[]', '{}', '\n\n\n'].map((text) => Buffer.from(text));
    for (const damaged of [...texts, bytes.slice(0, -1), bytes.slice(1)]) expect(isAccepted(damaged)).toBe(false);
  });
});
