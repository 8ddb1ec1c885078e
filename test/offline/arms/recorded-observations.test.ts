import { describe, expect, it } from 'vitest';
import type { FeedbackRequest } from '../../../src/domain/selection.ts';
import { observationsOf } from '../../../src/gateway/learning/observations.ts';
import { outputTokensOf, recordedObservations } from '../../../src/offline/arms/recorded-observations.ts';
import { exportRow } from '../../../src/offline/log/export-row.ts';
import type { RecordedRow } from '../../../src/recorded/recorded-row.ts';
import { completed, DIMENSIONS, decided, FEATURE_MAP, rated } from '../../gateway/unit/support.ts';

const price = { input: 1, output: 4 };
const x = Float64Array.of(1, 0.5);
const armOf = (model: string) => (model === 'known' ? { id: 'arm', price } : null);
const row = (outcome: RecordedRow['models'][string], fields: Partial<RecordedRow> = {}): RecordedRow => ({
  id: '1',
  models: { known: outcome, unknown: outcome },
  ...fields,
});

describe('recordedObservations', () => {
  it('teaches quality and length of the models that are arms', () => {
    expect(recordedObservations(row({ quality: 0.7, outTokens: 90 }), x, armOf)).toEqual([
      { kind: 'quality', arm: 'arm', context: x, reward: 0.7, weight: 1 },
      { kind: 'length', arm: 'arm', context: x, outputTokens: 90, predictedTokens: null, weight: 1 },
    ]);
    expect(recordedObservations(row({ quality: null, cost: null }), x, armOf)).toEqual([]);
  });

  it('several ratings share the weight of one, as in the gateway; a broken answer teaches no length', () => {
    const ratings = [0, 1, 0.5].map((score, i) => ({ source: `s${i}`, score, time: '2026-11-25T00:00:00Z' }));
    const lessons = recordedObservations(
      row({ quality: 0.5, outTokens: 90 }, { ratings, outcome: 'aborted' }),
      x,
      armOf,
    );
    const learned = lessons.map((lesson) => lesson.kind === 'quality' && [lesson.reward, lesson.weight]);
    expect(learned).toEqual([0, 1, 0.5].map((score) => [score, 1 / 3]));
  });

  it('uses each rating as the gateway had weighted it, and omits those with weight 0', () => {
    const time = '2026-11-25T00:00:00Z';
    const ratings = [
      { source: 'user', score: 1, time, reward: 1.25, weight: 0.36 },
      { source: 'judge', score: 0, time, weight: 0 },
    ];
    const lessons = recordedObservations(
      row({ quality: 0.5, outTokens: 90 }, { ratings, outcome: 'aborted' }),
      x,
      armOf,
    );
    expect(lessons).toEqual([{ kind: 'quality', arm: 'arm', context: x, reward: 1.25, weight: 0.36 }]);
  });

  it('of an export weights the ratings of volunteers and judges as the gateway does', () => {
    const ask: FeedbackRequest = { audit: false, auditProbability: 0.02, teaches: false };
    for (const [score, audit] of [
      [1, false],
      [0, false],
      [0, true],
    ] as const) {
      const volunteer = { ...rated('d', 'fb-1', score), volunteered: { good: 1, bad: 0.2 } };
      const ratings = [volunteer, rated('d', 'fb-2', 1, 'judge'), rated('d', 'fb-3', 0, 'test')];
      const [asked, answer] = [decided('d', { ask: { ...ask, audit } }), completed('d')];
      const exported = exportRow({ decided: asked, completed: answer, ratings });
      const weights = (lessons: ReturnType<typeof recordedObservations>) =>
        lessons.flatMap((lesson) => (lesson.kind === 'quality' ? [[lesson.reward, lesson.weight]] : []));
      const lessons = observationsOf([asked, answer, ...ratings], FEATURE_MAP, DIMENSIONS);
      const fromExport = recordedObservations(exported as RecordedRow, x, () => ({ id: 'big', price }));
      expect(weights(fromExport)).toEqual(weights([...lessons.values()]));
    }
  });
});

describe('outputTokensOf', () => {
  it('uses the recorded tokens, or else what the answer cost beyond its input', () => {
    expect(outputTokensOf({ outTokens: 12, cost: 99 }, price, 0)).toBe(12);
    expect(outputTokensOf({ outTokens: 0, cost: 99 }, price, 0)).toBeNull();
    expect(outputTokensOf({ inTokens: 100, cost: (100 * 1 + 50 * 4) / 1e6 }, price, 0)).toBeCloseTo(50, 9);
    expect(outputTokensOf({ cost: (100 * 1 + 50 * 4) / 1e6 }, price, 400)).toBeCloseTo(50, 9);
    const longPrompt = { above: 99, input: 2, cachedInput: 2, cacheWrite: 2, output: 6 };
    const long = { inTokens: 100, cost: (100 * 2 + 50 * 6) / 1e6 };
    expect(outputTokensOf(long, { ...price, longPrompt }, 0)).toBeCloseTo(50, 9);
  });

  it('is null if the cost is unknown, output is free, or the input costs as much as the answer', () => {
    expect(outputTokensOf({ cost: null }, price, 0)).toBeNull();
    expect(outputTokensOf({ cost: 1 }, { input: 1, output: 0 }, 0)).toBeNull();
    expect(outputTokensOf({ inTokens: 100, cost: 100 / 1e6 }, price, 0)).toBeNull();
  });
});
