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
  it('is the mean of the ratings, and null without any', () => {
    expect(ratedQuality([], false)).toBeNull();
    expect(ratedQuality([rating(0, { source: 'implicit:abort' })], true)).toBeNull();
    expect(ratedQuality([rating(0.4), rating(0.8, { source: 'judge' })], false)).toBeCloseTo(0.6, 12);
  });

  it('counts only requested ratings of a source with an audit', () => {
    expect(ratedQuality([rating(0, { volunteered })], false)).toBeNull();
    expect(ratedQuality([rating(0, { volunteered })], true)).toBe(0);
    expect(ratedQuality([rating(0, { volunteered }), rating(1, { source: 'judge' })], false)).toBe(1);
  });
});
