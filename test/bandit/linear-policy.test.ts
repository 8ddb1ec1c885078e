import { describe, expect, it } from 'vitest';
import {
  LENGTH_CORRECTION,
  PRIOR_LOG_LENGTH,
  PRIOR_QUALITY,
  QUALITY_MODELS,
  THOMPSON,
  UCB_ALPHA,
} from '../../src/bandit/defaults.ts';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import type { DecisionInput } from '../../src/bandit/policy.ts';
import { EXPLORATION_KINDS } from '../../src/domain/exploration.ts';
import { seededRandom } from '../../src/util/random.ts';
import { describePolicyContract } from './policy-contract.ts';
import { inputOf, offer, predictions, randomObservations } from './support.ts';

for (const exploration of EXPLORATION_KINDS) {
  describePolicyContract('LinearPolicy', exploration, (dimensions) => new LinearPolicy(dimensions));
}

const X = Float64Array.of(1, 0.5, -1);
const OFFERS = [
  offer({ arm: 'ref', price: 10 }),
  offer({ arm: 'b', price: 4, penalty: 0.01 }),
  offer({ arm: 'c', price: 1 }),
  offer({ arm: 'hopeless', price: 400 }),
];

function taughtPolicy(lessons = 60): LinearPolicy {
  const policy = new LinearPolicy(3);
  for (const observation of randomObservations(['ref', 'b', 'c', 'hopeless'], 3, lessons, seededRandom(9))) {
    policy.learn(observation);
  }
  return policy;
}

/** 4.5 standard errors of a share of `draws`, plus a little for the quadrature. */
function bound(p: number, draws: number): number {
  return 4.5 * Math.sqrt((p * (1 - p)) / draws) + 1e-6;
}

describe('LinearPolicy, thompson', () => {
  it.each([
    { weight: 0.95, draws: 100_000 },
    { weight: 0.8, draws: 20_000 },
    { weight: 1, draws: 20_000 },
    { weight: 0, draws: 20_000 },
  ])('chooses as often as its propensities say: weight $weight', ({ weight, draws }) => {
    const policy = taughtPolicy();
    const random = seededRandom(2024);
    const input = inputOf({ offers: OFFERS, context: X, weight, exploration: 'thompson', random });
    const counts = OFFERS.map(() => 0);
    let floors = 0;
    let propensities: number[] = [];
    for (let i = 0; i < draws; i++) {
      const made = policy.decide(input);
      counts[made.chosen]++;
      if (made.chosenBy === 'floor') floors++;
      propensities = made.assessments.map(({ propensity }) => propensity);
    }
    propensities.forEach((p, i) => {
      expect(Math.abs(counts[i] / draws - p), `arm ${i}: ${p}`).toBeLessThanOrEqual(bound(p, draws));
    });
    expect(Math.abs(floors / draws - THOMPSON.floor)).toBeLessThanOrEqual(bound(THOMPSON.floor, draws));
  });

  it('keeps its floor, cheap arms first, for arms that could win, and none for the others', () => {
    const policy = new LinearPolicy(3);
    policy.setPriorQualities(
      new Map([
        ['b', 0.9],
        ['c', 0.85],
        ['dear', 0.85],
        ['hopeless', 0.1],
      ]),
    );
    const offers = [
      offer({ arm: 'b', price: 1 }),
      offer({ arm: 'c', price: 1 }),
      offer({ arm: 'dear', price: 20 }),
      offer({ arm: 'hopeless', price: 1 }),
    ];
    const made = policy.decide(
      inputOf({ offers, context: Float64Array.of(1, 0, 0), weight: 1, reference: 'b', exploration: 'thompson' }),
    );
    // At weight 1 only quality counts: 0.9, 0.85, 0.85 and 0.1, each ± sqrt(0.02) · 0.4 at most twice.
    const [b, c, dear, hopeless] = made.assessments.map(({ propensity }) => propensity);
    expect(hopeless).toBe(0);
    expect(b).toBeGreaterThan(c);
    // Same quality, so the same chance of winning except for ties: the difference comes from the floor.
    const shares = [1 / 1.05, 1 / 1.05, 1 / 20.05];
    const total = shares.reduce((sum, share) => sum + share, 0);
    expect(c - dear).toBeCloseTo((THOMPSON.floor * (shares[1] - shares[2])) / total, 3);
    expect(c - dear).toBeGreaterThan(0);
  });

  it('draws half as widely once an arm has enough ratings', () => {
    const policy = new LinearPolicy(3);
    const widest = () => {
      const offsets = Array.from({ length: 300 }, (_, seed) => {
        const [only] = policy.decide(
          inputOf({ offers: [OFFERS[0]], context: X, exploration: 'thompson', random: seededRandom(seed) }),
        ).assessments;
        return Math.abs(only.exploredQuality - only.quality) / only.qualitySd;
      });
      return Math.max(...offsets);
    };
    expect(widest()).toBeCloseTo(THOMPSON.clip * THOMPSON.coldWidth, 9);
    for (let i = 0; i < THOMPSON.warmAfter - 1; i++) {
      policy.learn({ kind: 'quality', arm: 'ref', context: X, reward: 1, weight: 1 });
    }
    expect(widest()).toBeCloseTo(THOMPSON.clip * THOMPSON.coldWidth, 9);
    policy.learn({ kind: 'quality', arm: 'ref', context: X, reward: 1, weight: 1 });
    expect(widest()).toBeCloseTo(THOMPSON.clip * THOMPSON.warmWidth, 9);
    // After a false drift alarm it draws widely again, so that the arm is still chosen.
    policy.resetLevel('ref', 1);
    expect(widest()).toBeCloseTo(THOMPSON.clip * THOMPSON.coldWidth, 9);
  });

  it.each([1, 7, 40])('draws with %i pending ratings as if they had arrived for this very query', (awaited) => {
    const explored = (policy: LinearPolicy, ratings: number) => {
      const random = { uniform: () => 0.9, normal: () => 1 };
      const offers = [{ ...OFFERS[0], awaited: ratings }, OFFERS[1]];
      const input = inputOf({ offers, context: X, exploration: 'thompson', random });
      const [ref, b] = policy.decide(input).assessments;
      // The other arm's draw is as wide as before, and predictions do not change.
      expect(b.exploredQuality).toBeCloseTo(b.quality + THOMPSON.coldWidth * b.qualitySd, 12);
      return { ...ref, drawn: ref.exploredQuality - ref.quality };
    };
    // Only one quality model; otherwise so many equal ratings would favour another.
    const policy = new LinearPolicy(3, { qualityModels: [QUALITY_MODELS[0]], priorQuality: PRIOR_QUALITY.level });
    const before = explored(policy, 0);
    const waiting = explored(policy, awaited);
    expect([waiting.quality, waiting.qualitySd]).toEqual([before.quality, before.qualitySd]);
    for (let i = 0; i < awaited; i++) {
      policy.learn({ kind: 'quality', arm: 'ref', context: X, reward: before.quality, weight: 1 });
    }
    expect(waiting.drawn).toBeCloseTo(explored(policy, 0).drawn, 10);
    expect(waiting.drawn).toBeLessThan(before.drawn);
  });
});

describe('LinearPolicy, ucb and none', () => {
  it.each(['ucb', 'none'] as const)('%s: uses no randomness, and the choice is certain', (exploration) => {
    const policy = taughtPolicy();
    const never: DecisionInput['random'] = {
      uniform: () => expect.unreachable(),
      normal: () => expect.unreachable(),
    };
    const made = policy.decide(inputOf({ offers: OFFERS, context: X, weight: 0.9, exploration, random: never }));
    const { noiseVariance } = QUALITY_MODELS[policy.qualityModel];
    expect(made.chosenBy).toBe('score');
    expect(made.assessments.map(({ propensity }) => propensity)).toEqual(
      OFFERS.map((_, i) => Number(i === made.chosen)),
    );
    for (const { quality, qualitySd, exploredQuality } of made.assessments) {
      const bonus = exploration === 'ucb' ? (UCB_ALPHA * qualitySd ** 2) / noiseVariance : 0;
      expect(exploredQuality).toBeCloseTo(quality + bonus, 12);
    }
  });

  it('choose the first of equal arms', () => {
    const offers = [offer({ arm: 'x', price: 1 }), offer({ arm: 'ref', price: 1 })];
    expect(new LinearPolicy(3).decide(inputOf({ offers, context: X })).chosen).toBe(0);
  });
});

describe('LinearPolicy, priors', () => {
  it('ignores the level of an arm that is no longer named when predicting others, but uses its slopes', () => {
    const policy = new LinearPolicy(3);
    const levels = new Map([
      ['small', 0.35],
      ['mid', 0.5],
      ['new', 0.6],
    ]);
    policy.setPriorQualities(levels);
    const alternating = (i: number) => Float64Array.of(1, i % 2 === 0 ? 1 : -1, 0);
    const teach = (arm: string, level: number, ratings: number) => {
      for (let i = 0; i < ratings; i++) {
        const context = alternating(i);
        policy.learn({ kind: 'quality', arm, context, reward: level + 0.1 * context[1], weight: 1 });
      }
    };
    teach('small', 0.35, 200);
    teach('mid', 0.5, 20);
    const seen = () => predictions(policy, ['small', 'mid', 'new'], X).map(({ quality }) => quality);
    const [, mid, fresh] = seen();
    levels.delete('small');
    policy.setPriorQualities(levels);
    const [, midAfter, freshAfter] = seen();
    // With the common level of 0.85 the removed arm would look half a point too bad, and so would all others.
    expect(Math.abs(midAfter - mid)).toBeLessThan(0.02);
    expect(Math.abs(freshAfter - fresh)).toBeLessThan(0.02);
    const slope = (arm: string) => {
      const [up, down] = [alternating(0), alternating(1)].map((x) => predictions(policy, [arm], x)[0].quality);
      return (up - down) / 2;
    };
    expect(slope('new')).toBeGreaterThan(0.03);
    policy.setPriorQualities(new Map([...levels, ['small', 0.35]]));
    expect(seen().slice(1)).toEqual([expect.closeTo(mid, 12), expect.closeTo(fresh, 12)]);
  });
});

describe('LinearPolicy, weights and costs', () => {
  const chosenAt = (weight: number, offers = OFFERS) => {
    const policy = new LinearPolicy(3);
    policy.setPriorQualities(
      new Map([
        ['ref', 0.95],
        ['b', 0.9],
        ['c', 0.5],
      ]),
    );
    const made = policy.decide(inputOf({ offers, context: Float64Array.of(1, 0, 0), weight }));
    return { arm: offers[made.chosen].arm, unit: made.costUnitUsd };
  };

  it('chooses the best arm at weight 1 and the cheapest at weight 0', () => {
    expect(chosenAt(1).arm).toBe('ref');
    expect(chosenAt(0).arm).toBe('c');
  });

  it('handles free models, including a free reference', () => {
    const free = [offer({ arm: 'ref', price: 0 }), offer({ arm: 'b', price: 5 })];
    expect(chosenAt(0.5, free)).toEqual({ arm: 'ref', unit: expect.closeTo((300 * 5) / 1e6, 12) });
    const allFree = [offer({ arm: 'c', price: 0 }), offer({ arm: 'b', price: 0 })];
    expect(chosenAt(0.5, allFree)).toEqual({ arm: 'b', unit: 1 });
    expect(chosenAt(0, allFree)).toEqual({ arm: 'c', unit: 1 });
  });

  it('applies a penalty whatever the weight', () => {
    const queued = [offer({ arm: 'ref', price: 10, penalty: 0.06 }), OFFERS[1]];
    expect(chosenAt(1, queued).arm).toBe('b');
    expect(chosenAt(1, [OFFERS[0], OFFERS[1]]).arm).toBe('ref');
  });
});

describe('LinearPolicy, lengths', () => {
  it('expects 300 tokens at first, and later what it has seen', () => {
    const policy = new LinearPolicy(3);
    const [prior] = predictions(policy, ['b'], X);
    expect(prior.quality).toBeCloseTo(PRIOR_QUALITY.level, 12);
    expect(prior.outputTokens).toBeCloseTo(Math.exp(PRIOR_LOG_LENGTH), 9);
    for (let i = 0; i < 400; i++) {
      policy.learn({ kind: 'length', arm: 'b', context: X, outputTokens: 40, predictedTokens: null, weight: 1 });
    }
    expect(predictions(policy, ['b'], X)[0].outputTokens).toBeCloseTo(40, 0);
  });

  it('corrects by the ratio of actual to predicted tokens, shrunk to 1 and capped per answer', () => {
    const policy = new LinearPolicy(3);
    const lesson = { kind: 'length' as const, arm: 'b', context: X, weight: 1 };
    policy.learn({ ...lesson, outputTokens: 600, predictedTokens: 300 });
    policy.learn({ ...lesson, outputTokens: 1e5, predictedTokens: 100 });
    policy.learn({ ...lesson, outputTokens: 10, predictedTokens: null });
    policy.learn({ ...lesson, outputTokens: 10, predictedTokens: 0 });
    const [b] = policy.decide(inputOf({ offers: [offer({ arm: 'b', price: 1 })], context: X })).assessments;
    const { priorCount, cap } = LENGTH_CORRECTION;
    const ratio = (600 + cap * 100) / (300 + 100);
    expect(b.outputTokens / b.modelOutputTokens).toBeCloseTo((priorCount + 2 * ratio) / (priorCount + 2), 12);
    policy.learn({ ...lesson, outputTokens: 1e5, predictedTokens: 100, weight: -1 });
    const [after] = policy.decide(inputOf({ offers: [offer({ arm: 'b', price: 1 })], context: X })).assessments;
    expect(after.outputTokens / after.modelOutputTokens).toBeCloseTo((priorCount + 2) / (priorCount + 1), 12);
  });

  it('never expects more than a million tokens, however extreme the context', () => {
    const policy = new LinearPolicy(3);
    for (let i = 0; i < 30; i++) {
      policy.learn({
        kind: 'length',
        arm: 'b',
        context: Float64Array.of(1, 4, 0),
        outputTokens: 1e5,
        predictedTokens: 1,
        weight: 1,
      });
    }
    const [b] = predictions(policy, ['b'], Float64Array.of(1, 1e6, 0));
    expect(b.outputTokens).toBe(1e6);
  });
});
