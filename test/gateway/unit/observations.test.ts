import { describe, expect, it } from 'vitest';
import { lengthBeyond } from '../../../src/bandit/length-model.ts';
import { activeRatings } from '../../../src/domain/ratings.ts';
import { observationsOf } from '../../../src/gateway/learning/observations.ts';
import { completed, DIMENSIONS, decided, explanationOf, FEATURE_MAP, rated, withdrawn } from './support.ts';

const lessonsOf = (...events: Parameters<typeof observationsOf>[0]) => {
  const lessons = observationsOf(events, FEATURE_MAP, DIMENSIONS);
  return Object.fromEntries(lessons);
};
const scores = (...events: Parameters<typeof activeRatings>[0]) => activeRatings(events).map(({ score }) => score);

describe('activeRatings', () => {
  const [first, second] = [rated('d', 'fb1', 0.1), rated('d', 'fb2', 0.9)];

  it('counts the latest rating of a source', () => {
    expect(scores(first)).toEqual([0.1]);
    expect(scores(first, second)).toEqual([0.9]);
    expect(scores(second, first)).toEqual([0.1]);
  });

  it('counts one rating per source', () => {
    expect(scores(first, rated('d', 'fb3', 0.5, 'judge')).sort()).toEqual([0.1, 0.5]);
    expect(scores(first, rated('d', 'fb3', 0.5, 'judge'), second).sort()).toEqual([0.5, 0.9]);
  });

  it('omits withdrawn ratings; an earlier one of the same source counts again', () => {
    expect(scores(first, withdrawn('d', 'fb1'))).toEqual([]);
    expect(scores(first, second, withdrawn('d', 'fb2'))).toEqual([0.1]);
    expect(scores(first, second, withdrawn('d', 'fb1'))).toEqual([0.9]);
    expect(scores(first, second, withdrawn('d', 'fb2'), withdrawn('d', 'fb1'))).toEqual([]);
    expect(scores(first, withdrawn('d', 'fb1'), second)).toEqual([0.9]);
    expect(scores(first, withdrawn('d', 'unknown'))).toEqual([0.1]);
  });
});

describe('observationsOf', () => {
  const quality = { kind: 'quality', arm: 'big', reward: 0.7, weight: 1 };

  it('teaches nothing before an arm has answered', () => {
    expect(lessonsOf()).toEqual({});
    expect(lessonsOf(decided('d'), rated('d', 'fb', 0.7))).toEqual({});
    expect(lessonsOf(decided('d'), completed('d', { arm: null, outcome: 'failed' }), rated('d', 'fb', 0.7))).toEqual(
      {},
    );
    expect(lessonsOf(completed('d'), rated('d', 'fb', 0.7))).toEqual({});
  });

  it('teaches the length of the answer and each rating, with the context of the decision', () => {
    const values = [1, 0.1, 0.2, -0.3];
    const lessons = lessonsOf(decided('d', {}, values), completed('d'), rated('d', 'fb', 0.7));
    const context = Float64Array.from(Float32Array.from(values));
    expect(lessons).toEqual({
      length: { kind: 'length', arm: 'big', context, outputTokens: 250, predictedTokens: 300, weight: 1 },
      fb: { ...quality, context },
    });
  });

  it('several sources of one answer share the weight of one, or of the one with the largest weight', () => {
    const reliability = { truePositive: 0.6, falsePositive: 0.3 };
    const weights = (...ratings: ReturnType<typeof rated>[]) => {
      const { length, ...rest } = lessonsOf(decided('d'), completed('d'), ...ratings);
      return Object.values(rest).map(({ weight }) => weight);
    };
    const [user, judge, test] = ['user', 'judge', 'test'].map((source) => rated('d', source, 0.7, source));
    expect(weights(user, judge)).toEqual([1 / 2, 1 / 2]);
    expect(weights(user, judge, test)).toEqual([1 / 3, 1 / 3, 1 / 3]);
    // Unreliable sources say more together than alone.
    const [alone] = weights({ ...judge, reliability });
    expect(alone).toBeLessThan(0.5);
    expect(weights({ ...judge, reliability }, { ...test, reliability })).toEqual([alone, alone]);
    const [most, least] = weights({ ...user, weight: 4 }, judge);
    expect([most, least]).toEqual([4 * 0.8, 0.8]);
    // A rating that the policy rejects takes no share.
    expect(weights(user, rated('d', 'bad', Number.NaN, 'judge'))).toEqual([1, 1]);
  });

  it('volunteers share with nobody, as their weights depend on the score', () => {
    const complaint = { ...rated('d', 'user', 0), volunteered: { good: 1, bad: 0.2 } };
    const judge = rated('d', 'judge', 0, 'judge');
    const { user, judge: judged } = lessonsOf(decided('d'), completed('d'), complaint, judge);
    expect([user.weight, judged.weight]).toEqual([0.2, 1]);
    const praise = { ...complaint, score: 1 };
    const both = lessonsOf(decided('d'), completed('d'), praise, judge);
    expect([both.user.weight, both.judge.weight]).toEqual([1, 1]);
  });

  it('does not count an answer cut off by a limit as short', () => {
    const cut = (outputTokens: number) => {
      const usage = { inputTokens: 9, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens };
      return lessonsOf(decided('d'), completed('d', { finishReason: 'length', usage })).length;
    };
    expect(cut(1)).toMatchObject({ predictedTokens: 300, weight: expect.closeTo(0, 9) });
    expect(cut(900)).toMatchObject({ predictedTokens: 300, ...lengthBeyond(900, 300) });
  });

  it('teaches no length that was only estimated, but still the rating', () => {
    const lessons = lessonsOf(decided('d'), completed('d', { usageEstimated: true }), rated('d', 'fb', 0.7));
    expect(Object.keys(lessons)).toEqual(['fb']);
  });

  it('teaches the same if a rating arrives before the completion', () => {
    const events = [decided('d'), rated('d', 'fb', 0.7), completed('d')];
    expect(lessonsOf(...events)).toEqual(lessonsOf(events[0], events[2], events[1]));
    expect(lessonsOf(...events).fb).toMatchObject(quality);
  });

  it('teaches the arm that answered, not the one that was chosen', () => {
    const arms = [explanationOf('big', { modelOutputTokens: 111 }), explanationOf('small', { modelOutputTokens: 222 })];
    const lessons = lessonsOf(
      decided('d', { arm: 'big', arms }),
      completed('d', { arm: 'small' }),
      rated('d', 'fb', 0.7),
    );
    expect(lessons.fb).toMatchObject({ ...quality, arm: 'small' });
    expect(lessons.length).toMatchObject({ arm: 'small', predictedTokens: 222 });
  });

  it('has no predicted length for an arm without one', () => {
    const excluded = explanationOf('small', { excluded: 'no vision', modelOutputTokens: null });
    for (const arms of [[excluded], []]) {
      const lessons = lessonsOf(decided('d', { arms }), completed('d', { arm: 'small' }));
      expect(lessons.length).toMatchObject({ arm: 'small', predictedTokens: null });
    }
  });

  it('teaches no length from a broken answer, but its rating counts', () => {
    for (const outcome of ['interrupted', 'aborted'] as const) {
      const lessons = lessonsOf(decided('d'), completed('d', { outcome }), rated('d', 'fb', 0.7));
      expect(Object.keys(lessons)).toEqual(['fb']);
    }
    const usage = { inputTokens: 9, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0 };
    expect(lessonsOf(decided('d'), completed('d', { usage }))).toEqual({});
    expect(lessonsOf(decided('d'), completed('d', { usage: null }))).toEqual({});
  });

  it('weights an unrequested rating by the calibration at its time, and a requested one fully', () => {
    const ask = (audit: boolean) => ({ ask: { audit, auditProbability: 0.02, teaches: false } });
    const rating = (score: number) => ({ ...rated('d', 'fb', score), volunteered: { good: 1, bad: 0.2 } });
    const weightOf = (audit: boolean, score: number) =>
      lessonsOf(decided('d', ask(audit)), rating(score), completed('d')).fb;
    expect(weightOf(true, 0.7)).toMatchObject(quality);
    expect(weightOf(true, 0.7)).not.toHaveProperty('driftWeight');
    expect(weightOf(false, 0)).toMatchObject({ reward: 0, weight: 0.2, driftWeight: 0.2 });
    expect(weightOf(false, 0.5)).toMatchObject({ reward: 0.5, weight: 0.6 });
    const none = { ...rated('d', 'fb', 1), volunteered: { good: 0, bad: 0 } };
    expect(Object.keys(lessonsOf(decided('d', ask(false)), completed('d'), none))).toEqual(['length']);
  });

  it('corrects a rating for the errors of its source, and records the correction', () => {
    const reliability = { truePositive: 0.8, falsePositive: 0.2 };
    const { fb } = lessonsOf(decided('d'), completed('d'), { ...rated('d', 'fb', 1), reliability });
    expect(fb).toMatchObject({ reward: expect.closeTo(4 / 3, 12), weight: expect.closeTo(0.36, 12), reliability });
    expect(lessonsOf(decided('d'), completed('d'), rated('d', 'fb', 1)).fb).not.toHaveProperty('reliability');
  });

  it('keeps only the constant of a context with another feature map or length', () => {
    const constant = Float64Array.of(1, 0, 0, 0);
    for (const event of [
      decided('d', {}, [1, 2, 3, 4], 'map-0'),
      decided('d', {}, [1, 2, 3]),
      decided('d', {}, [1, 2, 3, 4, 5]),
    ]) {
      const lessons = lessonsOf(event, completed('d'), rated('d', 'fb', 0.7));
      expect(lessons.fb.context).toEqual(constant);
      expect(lessons.length.context).toEqual(constant);
    }
  });
});
