import { describe, expect, it } from 'vitest';
import { weighedRating } from '../../src/domain/reliability.ts';
import { seededRandom } from '../../src/util/random.ts';

describe('weighedRating', () => {
  it('takes a source without a record at its word', () => {
    expect(weighedRating(0.7, null)).toEqual({ reward: 0.7, weight: 1 });
  });

  it('has the quality as its expectation, whatever the errors, and a weight that makes up for its variance', () => {
    const random = seededRandom(6);
    const [quality, truePositive, falsePositive] = [0.7, 0.9, 0.3];
    const rewards = Array.from({ length: 40_000 }, () => {
      const good = random.uniform() < quality;
      const thumb = random.uniform() < (good ? truePositive : falsePositive) ? 1 : 0;
      return weighedRating(thumb, { truePositive, falsePositive }).reward;
    });
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    const thumbsUp = quality * truePositive + (1 - quality) * falsePositive;
    const sd = Math.sqrt(thumbsUp * (1 - thumbsUp)) / (truePositive - falsePositive);
    expect(Math.abs(mean - quality)).toBeLessThan((4 * sd) / Math.sqrt(rewards.length));
    expect(weighedRating(1, { truePositive, falsePositive }).weight).toBeCloseTo(0.36, 12);
  });
});
