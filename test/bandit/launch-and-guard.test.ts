import { describe, expect, it } from 'vitest';
import { CoupledLinearModel } from '../../src/bandit/coupled-linear-model.ts';
import { LAUNCH, PRIOR_QUALITY, QUALITY_MODELS } from '../../src/bandit/defaults.ts';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { NothingAffordable } from '../../src/bandit/policy.ts';
import { goodEnough } from '../../src/bandit/quality-guard.ts';
import { inverseNormalCdf, normalCdf } from '../../src/util/normal-distribution.ts';
import { seededRandom } from '../../src/util/random.ts';
import { inputOf, offer, predictions, randomContext } from './support.ts';

const DIMENSIONS = 3;
const [OPTIONS] = QUALITY_MODELS;

function trained(model: CoupledLinearModel, seed = 5, weight = 1): CoupledLinearModel {
  const random = seededRandom(seed);
  for (let i = 0; i < 60; i++) {
    model.learn(i % 2 ? 'a' : 'b', randomContext(DIMENSIONS, random), random.uniform(), i % 2 ? weight : 1);
  }
  return model;
}

const fresh = () => new CoupledLinearModel(DIMENSIONS, OPTIONS, Float64Array.of(0.85, 0, 0));

describe('CoupledLinearModel', () => {
  it('tempering an arm equals learning each of its observations with less weight', () => {
    const tempered = trained(fresh());
    tempered.temper('a', 0.1);
    const expected = trained(fresh(), 5, 0.1);
    const x = Float64Array.of(1, 0.3, -2);
    for (const arm of ['a', 'b', 'c']) {
      const [one, other] = [tempered.predict(arm, x), expected.predict(arm, x)];
      expect(one.mean).toBeCloseTo(other.mean, 10);
      expect(one.sd).toBeCloseTo(other.sd, 10);
    }
    expect(tempered.weightOf('a')).toBeCloseTo(3, 12);
    expect(tempered.logEvidence).toBeCloseTo(expected.logEvidence, 8);
  });

  it('does not recompute arms whose sums and priors are unchanged, for speed with many arms', () => {
    const model = trained(fresh());
    const { b } = model.state().arms;
    const { covariance } = b;
    model.temper('a', 0.1);
    model.setPriors(new Map([['a', { mean: Float64Array.of(0.5, 0, 0) }]]));
    expect(model.state().arms.b.covariance).toBe(covariance);
    expect(model.state().arms.a.covariance).not.toBe(covariance);
  });

  it("gives an arm with another's prior the same expectation and more uncertainty", () => {
    const model = trained(fresh());
    model.setPriors(new Map([['new', { mean: model.priorLike('a'), interceptVariance: LAUNCH.interceptVariance }]]));
    const random = seededRandom(9);
    for (let i = 0; i < 5; i++) {
      const x = randomContext(DIMENSIONS, random);
      expect(model.predict('new', x).mean).toBeCloseTo(model.predict('a', x).mean, 10);
      expect(model.predict('new', x).sd).toBeGreaterThan(model.predict('a', x).sd);
    }
  });

  it('is exact with an own intercept variance: one observation matches the closed-form joint Gaussian', () => {
    const model = fresh();
    model.setPriors(new Map([['new', { mean: Float64Array.of(0.5, 0, 0), interceptVariance: 0.05 }]]));
    const x = Float64Array.of(1, 0, 0);
    model.learn('new', x, 1, 1);
    // Prior variance of the intercept: 0.01 shared + 0.05 own; σ² = 0.16.
    const gain = 0.06 / (0.06 + 0.16);
    expect(model.predict('new', x).mean).toBeCloseTo(0.5 + gain * 0.5, 12);
    expect(model.predict('new', x).sd ** 2).toBeCloseTo(0.06 * (1 - gain), 12);
    // The other arms learn only the shared part.
    expect(model.predict('other', x).mean).toBeCloseTo(0.85 + (0.01 / 0.22) * 0.5, 12);
  });
});

describe('LinearPolicy', () => {
  it('a launched arm matches the named one on average, and otherwise resembles arms in general', () => {
    const policy = new LinearPolicy(DIMENSIONS);
    const random = seededRandom(5);
    for (let i = 0; i < 200; i++) {
      const context = randomContext(DIMENSIONS, random);
      const arm = i % 2 ? 'a' : 'b';
      const expected = arm === 'a' ? 0.8 + 0.1 * context[1] : 0.5 - 0.1 * context[1];
      const reward = expected + 0.1 * random.normal();
      policy.learn({ kind: 'quality', arm, context, reward, weight: 1 });
    }
    const level = policy.priorAsGood('a');
    policy.launch('new', level);
    policy.setPriorQualities(
      new Map([
        ['a', PRIOR_QUALITY.level],
        ['b', PRIOR_QUALITY.level],
        ['general', level[0]],
      ]),
    );
    const ids = ['a', 'new', 'general'];
    const [known, launched] = predictions(policy, ids, Float64Array.of(1, 0, 0));
    expect(launched.quality).toBeCloseTo(known.quality, 10);
    const [special, other, general] = predictions(policy, ids, Float64Array.of(1, 2, -1));
    expect(other.quality).toBeCloseTo(general.quality, 10);
    expect(Math.abs(special.quality - known.quality)).toBeGreaterThan(3 * Math.abs(other.quality - launched.quality));
  });
});

describe('forced tries', () => {
  const offers = [
    offer({ arm: 'ref', price: 10 }),
    { ...offer({ arm: 'new', price: 30 }), launch: { wide: true, forced: true } },
    { ...offer({ arm: 'newer', price: 90 }), launch: { wide: true, forced: true } },
  ];
  const context = Float64Array.of(1, 0.2, -0.4);

  it('have their share of the propensities, and the frequencies agree', () => {
    const policy = new LinearPolicy(DIMENSIONS);
    const random = seededRandom(21);
    const counts = [0, 0, 0];
    const rounds = 20_000;
    let forced = 0;
    let propensities: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const made = policy.decide(inputOf({ offers, context, exploration: 'thompson', weight: 0.5, random }));
      counts[made.chosen]++;
      forced += Number(made.chosenBy === 'launch');
      propensities = made.assessments.map(({ propensity }) => propensity);
    }
    const near = (count: number, p: number) =>
      expect(Math.abs(count / rounds - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / rounds) + 1e-9);
    expect(propensities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9);
    counts.forEach((count, i) => void near(count, propensities[i]));
    near(forced, LAUNCH.tryProbability);
    expect(propensities[2]).toBeGreaterThanOrEqual(LAUNCH.tryProbability / 2);
  });

  it('widen the draws while the arm is new', () => {
    const policy = new LinearPolicy(DIMENSIONS);
    const draw = (wide: boolean, awaited = 0) => {
      const random = { uniform: () => 0.9, normal: () => 1 };
      const newcomer = { ...offer({ arm: 'new', price: 1 }), launch: { wide, forced: false }, awaited };
      const input = inputOf({ offers: [offers[0], newcomer], context, exploration: 'thompson', random });
      const { exploredQuality, quality, qualitySd } = policy.decide(input).assessments[1];
      return (exploredQuality - quality) / qualitySd;
    };
    expect(draw(true)).toBeCloseTo(0.8, 10);
    expect(draw(false)).toBeCloseTo(0.4, 10);
    expect(draw(true, 30) / draw(true)).toBeCloseTo(draw(false, 30) / draw(false), 10);
    expect(draw(true, 30)).toBeLessThan(0.5 * draw(true));
  });

  it('do not happen without exploration', () => {
    const policy = new LinearPolicy(DIMENSIONS);
    const { assessments, chosen } = policy.decide(inputOf({ offers, context, exploration: 'none' }));
    expect(assessments[chosen].propensity).toBe(1);
  });
});

describe('the quality guard', () => {
  const arms = [
    { quality: 0.9, sd: 0.03 },
    { quality: 0.88, sd: 0.04 },
    { quality: 0.8, sd: 0.2 },
  ];

  it('keeps the arms whose predicted quality reaches the share of the best', () => {
    expect(goodEnough(arms, [0, 1, 2], { share: 0.97, confidence: 0.5 })).toEqual([0, 1]);
    expect(goodEnough(arms, [1, 2], { share: 0.9, confidence: 0.5 })).toEqual([1, 2]);
  });

  it('keeps arms that are exactly as good as the best, such as two with the same prior', () => {
    const equal = [0.1, 0.2, 0].map((sd) => ({ quality: 0.8, sd }));
    expect(goodEnough(equal, [0, 1, 2], { share: 1, confidence: 0.5 })).toEqual([0, 1, 2]);
  });

  it('requires the given confidence, and never excludes the best arm', () => {
    // P(q₁ ≥ 0.97 q₀) = Φ((0.88 − 0.873) / √(0.04² + (0.97 · 0.03)²))
    const confidence = normalCdf(0.007 / Math.hypot(0.04, 0.97 * 0.03));
    expect(goodEnough(arms, [0, 1, 2], { share: 0.97, confidence: confidence - 1e-6 })).toEqual([0, 1]);
    expect(goodEnough(arms, [0, 1, 2], { share: 0.97, confidence: confidence + 1e-6 })).toEqual([0]);
  });

  it('gives excluded arms no propensity, and the rest add up to 1', () => {
    const policy = new LinearPolicy(DIMENSIONS);
    policy.setPriorQualities(new Map([['bad', 0.5]]));
    const offers = ['ref', 'bad', 'good'].map((arm) => offer({ arm, price: arm === 'bad' ? 1 : 10 }));
    const context = Float64Array.of(1, 0, 0);
    const guard = { share: 0.97, confidence: 0.5 };
    const made = policy.decide(inputOf({ offers, context, exploration: 'thompson', weight: 0.1, guard }));
    expect(made.assessments.map(({ keptOut }) => keptOut)).toEqual([null, 'quality', null]);
    expect(made.assessments[1].propensity).toBe(0);
    expect(made.assessments.reduce((sum, { propensity }) => sum + propensity, 0)).toBeCloseTo(1, 9);
    expect(made.chosen).not.toBe(1);
  });
});

describe('the cost limit', () => {
  it('excludes arms that would cost more, and throws if none is left', () => {
    const policy = new LinearPolicy(DIMENSIONS);
    const offers = [offer({ arm: 'ref', price: 10 }), offer({ arm: 'cheap', price: 1 })];
    const context = Float64Array.of(1, 0, 0);
    const decide = (costLimitUsd: number) => policy.decide(inputOf({ offers, context, weight: 1, costLimitUsd }));
    expect(decide(0.001).assessments.map(({ keptOut }) => keptOut)).toEqual(['cost', null]);
    expect(decide(0.001).chosen).toBe(1);
    expect(() => decide(0.0001)).toThrow(NothingAffordable);
  });
});

describe('inverseNormalCdf', () => {
  it('inverts the distribution function', () => {
    for (const p of [1e-6, 0.01, 0.3, 0.5, 0.8, 0.975, 1 - 1e-6])
      expect(normalCdf(inverseNormalCdf(p))).toBeCloseTo(p, 12);
    expect(inverseNormalCdf(0.975)).toBeCloseTo(1.959963984540054, 9);
  });
});
