import { describe, expect, it } from 'vitest';
import type { RatedEvent } from '../../src/domain/events.ts';
import { ratedQuality } from '../../src/domain/ratings.ts';

const rating = (score: number, more: Partial<RatedEvent> = {}): RatedEvent => ({
  ...{ type: 'rated', decisionId: 'd', time: 0, feedbackId: 'fb', score, source: 'user' },
  ...{ comment: null, idempotencyKey: null },
  ...more,
});
const volunteered = { good: 1, bad: 0.2 };

describe('ratedQuality', () => {
  it('is the mean of whole ratings, and nothing without any', () => {
    expect(ratedQuality([], false)).toBeNull();
    expect(ratedQuality([rating(0, { source: 'implicit:abort' })], true)).toBeNull();
    expect(ratedQuality([rating(0.4), rating(0.8, { source: 'judge' })], false)).toEqual({
      quality: expect.closeTo(0.6, 12),
      weight: 1,
    });
  });

  it('counts what nobody asked for by its score, and what was asked for whole', () => {
    expect(ratedQuality([rating(0, { volunteered })], false)).toEqual({ quality: 0, weight: 0.2 });
    expect(ratedQuality([rating(0, { volunteered })], true)).toEqual({ quality: 0, weight: 1 });
    expect(ratedQuality([rating(1, { volunteered: { good: 0, bad: 0 } })], false)).toBeNull();
    const judged = [rating(0, { volunteered }), rating(1, { source: 'judge' })];
    expect(ratedQuality(judged, false)).toEqual({ quality: expect.closeTo(1 / 1.2, 12), weight: 1 });
  });
});
