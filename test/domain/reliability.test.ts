import { describe, expect, it } from 'vitest';
import { mostVariance, weighedRating } from '../../src/domain/reliability.ts';
import { seededRandom } from '../../src/util/random.ts';

describe('weighedRating', () => {
  it('leaves ratings of a source without known errors unchanged', () => {
    expect(weighedRating(0.7, null)).toEqual({ reward: 0.7, weight: 1 });
  });

  it('has the quality as expected value, whatever the errors, and a weight that reflects its variance', () => {
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

describe('mostVariance', () => {
  const crowd = { truePositive: 0.9, falsePositive: 0.3 };

  it('equals the variance of corrected thumbs, computed from their two outcomes', () => {
    for (const quality of [0, 0.2, 0.7, 1]) {
      const up = 0.3 + 0.6 * quality;
      const [good, bad] = [1, 0].map((thumb) => weighedRating(thumb, crowd).reward);
      expect(mostVariance(quality, crowd)).toBeCloseTo(
        up * (good - quality) ** 2 + (1 - up) * (bad - quality) ** 2,
        12,
      );
    }
    expect(mostVariance(0.7, null)).toBeCloseTo(0.21, 12);
  });

  it('bounds the variance of any grades, and clips predictions to [0, 1]', () => {
    const random = seededRandom(7);
    const grades = Array.from({ length: 5000 }, () => random.uniform() ** 2);
    const mean = grades.reduce((sum, grade) => sum + grade, 0) / grades.length;
    const variance = grades.reduce((sum, grade) => sum + (grade - mean) ** 2, 0) / grades.length;
    expect(variance).toBeLessThan(mostVariance(mean, null));
    expect(mostVariance(1.2, crowd)).toBe(mostVariance(1, crowd));
    expect(mostVariance(-0.1, null)).toBe(0);
  });
});
