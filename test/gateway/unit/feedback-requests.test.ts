import { describe, expect, it } from 'vitest';
import { LinearPolicy } from '../../../src/bandit/linear-policy.ts';
import type { PolicyDecision } from '../../../src/bandit/policy.ts';
import type { ExplorationKind } from '../../../src/domain/exploration.ts';
import { FeedbackRequests } from '../../../src/gateway/feedback-requests.ts';
import { AskingRule } from '../../../src/routing/asking-rule.ts';
import { logRatingValue } from '../../../src/routing/rating-value.ts';
import { AdaptiveThreshold } from '../../../src/util/adaptive-threshold.ts';
import { type Random, seededRandom } from '../../../src/util/random.ts';
import { mean } from '../../../src/util/statistics.ts';
import { decided, explanationOf } from './support.ts';

const decisionOf = (arms: ReturnType<typeof explanationOf>[], arm = 'a') => decided('d', { arm, arms }).decision;
/** With a weight of 0.5 and without exploration. */
const candidate = (arm: string, quality: number, qualitySd: number, handicap = 0) =>
  explanationOf(arm, { quality, qualitySd, exploredQuality: quality, score: 0.5 * quality - handicap });

describe('logRatingValue', () => {
  const value = (...arms: ReturnType<typeof explanationOf>[]) => logRatingValue(decisionOf(arms)) ?? Number.NaN;

  it('is v √f(−z), f(−z) = φ(z) − z Φ(−z), for the closest other candidate', () => {
    const even = value(candidate('a', 0.8, 0.1), candidate('b', 0.8, 0.2));
    expect(even).toBeCloseTo(Math.log(0.01 * Math.sqrt(1 / Math.sqrt(2 * Math.PI))), 12);
    // z = 1: half of a difference of 0.2 against half of √(0.12² + 0.16²).
    const apart = value(candidate('a', 0.8, 0.12), candidate('b', 0.6, 0.16), candidate('c', 0.1, 0.1));
    expect(apart).toBeCloseTo(Math.log(0.12 ** 2 * Math.sqrt(0.0833154705876)), 9);
  });

  it('uses scores without the random part of exploration', () => {
    const drawn = { ...candidate('b', 0.8, 0.2), exploredQuality: 0.9, score: 0.5 * 0.9 };
    expect(value(candidate('a', 0.8, 0.1), drawn)).toBeCloseTo(
      value(candidate('a', 0.8, 0.1), candidate('b', 0.8, 0.2)),
      12,
    );
  });

  it('rises with uncertainty, falls with the margin, and stays finite and continuous at the extremes', () => {
    const margins = Array.from({ length: 200 }, (_, i) =>
      value(candidate('a', 0.8, 0.1), candidate('b', 0.8 - i / 100, 0.1)),
    );
    margins.slice(1).forEach((one, i) => {
      expect(one).toBeLessThan(margins[i]);
      expect(margins[i] - one).toBeLessThan(1);
    });
    expect(Number.isFinite(value(candidate('a', 1, 1e-3), candidate('b', 0, 1e-3)))).toBe(true);
    expect(value(candidate('a', 0.8, 0.2), candidate('b', 0.7, 0.1))).toBeGreaterThan(margins[10]);
  });

  it('is null if there was no choice', () => {
    const excluded = explanationOf('b', { excluded: 'no vision', quality: null, qualitySd: null, score: null });
    expect(logRatingValue(decisionOf([candidate('a', 0.8, 0.1), excluded]))).toBeNull();
    const unknown = { quality: null, qualitySd: null, exploredQuality: null, score: null };
    expect(logRatingValue(decisionOf(['a', 'b'].map((arm) => explanationOf(arm, unknown))))).toBeNull();
    const free = decided('d', { weight: 0, arm: 'a', arms: ['a', 'b'].map((arm) => explanationOf(arm, { score: 0 })) });
    expect(logRatingValue(free.decision)).toBeNull();
  });
});

describe('AdaptiveThreshold', () => {
  it.each([0, 0.01, 0.05, 0.5, 1])('takes a share of %d of drifting values, choosing the large ones', (share) => {
    const [random, threshold] = [seededRandom(5), new AdaptiveThreshold()];
    const values = Array.from({ length: 20_000 }, (_, i) => 3 * random.normal() - i / 2000);
    const taken = values.filter((value) => threshold.takes(value, share));
    const count = 20_000;
    expect(Math.abs(taken.length - share * count)).toBeLessThan(4 * Math.sqrt(count * share * (1 - share)) + 1);
    if (share > 0 && share < 0.5) expect(mean(taken)).toBeGreaterThan(mean(values) + 3);
  });

  it('keeps the share if all values are equal, or infinite', () => {
    const values = [() => 1, (i: number) => (i % 2 === 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY)];
    for (const nth of values) {
      const threshold = new AdaptiveThreshold();
      const taken = Array.from({ length: 10_000 }, (_, i) => threshold.takes(nth(i), 0.1)).filter(Boolean);
      expect(Math.abs(taken.length - 1000)).toBeLessThan(260);
    }
  });
});

const ARMS = ['a', 'b', 'c', 'd', 'e'];
const COSTS = [1, 0.5, 0.25, 0.1, 0.05];
const WEIGHT = 0.8;
const FEATURES = 6;
const RATE = 0.1;
const STREAM = 1000;

/** Five models: the expensive ones are better, by different amounts on different queries. */
function fleet(random: Random) {
  const levels = [0.9, 0.85, 0.78, 0.7, 0.6].map((level) => level + 0.03 * random.normal());
  const shared = Array.from({ length: FEATURES - 1 }, () => 0.05 * random.normal());
  const slopes = ARMS.map((_, arm) => shared.map((slope) => slope * (1 + 0.3 * arm) + 0.03 * random.normal()));
  return (arm: number, x: Float64Array) =>
    Math.min(
      1,
      Math.max(
        0,
        slopes[arm].reduce((sum, slope, i) => sum + slope * x[i + 1], levels[arm]),
      ),
    );
}

const context = (random: Random) =>
  Float64Array.from({ length: FEATURES }, (_, i) => (i === 0 ? 1 : Math.max(-3, Math.min(3, random.normal()))));

/** The policy's decision in the form in which the gateway explains it. */
const explained = ({ assessments, chosen }: PolicyDecision, policy: LinearPolicy) =>
  decided('d', {
    weight: WEIGHT,
    arm: assessments[chosen].arm,
    arms: assessments.map(({ keptOut, ...figures }) =>
      explanationOf(figures.arm, { ...figures, ratings: policy.ratingsOf(figures.arm) }),
    ),
  }).decision;

/** Sends a stream through the production policy, rated where asked. @returns mean squared error, and the share asked */
function learnedBy(seed: number, teaches: boolean) {
  const quality = fleet(seededRandom(31 * seed));
  const random = seededRandom(7919 * seed);
  const lot = seededRandom(17 * seed);
  const policy = new LinearPolicy(FEATURES);
  const requests = new FeedbackRequests(lot, new AskingRule(lot, 0));
  const decide = (x: Float64Array, exploration: ExplorationKind) => {
    const offers = ARMS.map((arm, i) => ({ arm, cost: () => COSTS[i], penalty: 0 }));
    const common = { reference: 'a', referenceCost: () => 1, random };
    return policy.decide({ context: x, offers, weight: WEIGHT, exploration, ...common });
  };
  let asked = 0;
  for (let i = 0; i < STREAM; i++) {
    const x = context(random);
    const made = decide(x, 'thompson');
    const reward = random.uniform() < quality(made.chosen, x) ? 1 : 0;
    const request = requests.of(explained(made, policy), teaches ? { audit: 0, ask: RATE } : { audit: RATE, ask: 0 });
    if (!request?.audit && !request?.teaches) continue;
    asked++;
    policy.learn({ kind: 'quality', arm: ARMS[made.chosen], context: x, reward, weight: 1 });
  }
  const errors = Array.from({ length: 100 }, () => context(random)).flatMap((x) =>
    decide(x, 'none').assessments.map(({ quality: learned }, arm) => (learned - quality(arm, x)) ** 2),
  );
  return { squaredError: mean(errors), asked: asked / STREAM };
}

describe('asking for ratings where they teach most', () => {
  it('asks at the configured rate, and teaches more about unknown models than asking at random', () => {
    const seeds = Array.from({ length: 10 }, (_, i) => i + 1);
    const [rule, lot] = [true, false].map((teaches) => seeds.map((seed) => learnedBy(seed, teaches)));
    const bound = 4 * Math.sqrt((RATE * (1 - RATE)) / (STREAM * seeds.length));
    for (const runs of [rule, lot]) expect(Math.abs(mean(runs.map(({ asked }) => asked)) - RATE)).toBeLessThan(bound);
    const error = (runs: typeof rule) => mean(runs.map(({ squaredError }) => squaredError));
    // With 40 seeds 0.0271 against 0.0310.
    expect(error(rule)).toBeLessThan(0.95 * error(lot));
  });
});

describe('a model with fewer than 20 ratings', () => {
  it('is asked about at random, at the same rate and independently of the audit', () => {
    const requests = new FeedbackRequests(seededRandom(2));
    const rates = { audit: 0.2, ask: RATE };
    const decision = (ratings: number) =>
      decisionOf([{ ...candidate('a', 0.8, 0.1), ratings }, candidate('b', 0.1, 0.001)]);
    const made = Array.from({ length: 20_000 }, () => requests.of(decision(19), rates));
    const count = (matches: (request: (typeof made)[number]) => boolean | undefined) => made.filter(matches).length;
    const within = (share: number) => 4 * Math.sqrt(20_000 * share * (1 - share));
    expect(Math.abs(count((request) => request?.teaches) - 20_000 * RATE)).toBeLessThan(within(RATE));
    const both = 0.2 * RATE;
    expect(Math.abs(count((request) => request?.teaches && request.audit) - 20_000 * both)).toBeLessThan(within(both));
    // From 20 ratings on the rule applies: equal values are never above the threshold for long.
    const ruled = Array.from({ length: 1000 }, () => requests.of(decision(20), rates)?.teaches);
    expect(Math.abs(ruled.filter(Boolean).length - 1000 * RATE)).toBeLessThanOrEqual(2);
  });
});
