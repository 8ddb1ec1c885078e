import fc from 'fast-check';
import { CholeskyDecomposition, inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { CoupledLinearModel, type Prediction } from '../../src/bandit/coupled-linear-model.ts';
import { type CoupledModelOptions, QUALITY_MODELS } from '../../src/bandit/defaults.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';

interface Observation {
  arm: string;
  x: Float64Array;
  y: number;
  weight: number;
}

const [QUALITY_MODEL] = QUALITY_MODELS;
const WIDE: CoupledModelOptions = {
  noiseVariance: 0.3,
  sharedVariance: { intercept: 2, slope: 0.5 },
  ownVariance: { intercept: 1, slope: 0.2 },
};
const D = 4;
const ARMS = ['a', 'b', 'c'];
const DEFAULT_MEAN = Float64Array.of(0.85, 0.01, 0, -0.02);
const PRIOR_MEANS = new Map([
  ['a', Float64Array.of(0.6, 0.1, -0.1, 0)],
  ['b', Float64Array.of(0.9, 0, 0.05, -0.2)],
]);
const PRIORS = new Map([...PRIOR_MEANS].map(([arm, mean]) => [arm, { mean }]));
const seeds = fc.integer();

function context(random: Random): Float64Array {
  return Float64Array.from({ length: D }, (_, i) => (i === 0 ? 1 : random.normal()));
}

function observations(random: Random, count: number): Observation[] {
  return Array.from({ length: count }, () => ({
    arm: ARMS[Math.floor(random.uniform() * ARMS.length)],
    x: context(random),
    y: random.normal(),
    weight: 0.1 + 2 * random.uniform(),
  }));
}

function freshModel(options: CoupledModelOptions = QUALITY_MODEL): CoupledLinearModel {
  const model = new CoupledLinearModel(D, options, DEFAULT_MEAN);
  model.setPriors(PRIORS);
  return model;
}

function taught(items: readonly Observation[], options?: CoupledModelOptions): CoupledLinearModel {
  const model = freshModel(options);
  for (const { arm, x, y, weight } of items) model.learn(arm, x, y, weight);
  return model;
}

/** How much of the shared slopes each arm takes, given the level that its observations and its prior suggest. */
function loadings(items: readonly Observation[], options: CoupledModelOptions): Map<string, number> {
  const pseudo = options.noiseVariance / options.ownVariance.intercept;
  return new Map(
    ARMS.map((arm) => {
      if (!options.levelLoadings) return [arm, 1];
      const own = items.filter((item) => item.arm === arm);
      const rewards = own.reduce((sum, { y, weight }) => sum + weight * y, 0);
      const weights = own.reduce((sum, { weight }) => sum + weight, 0);
      const level = (pseudo * (PRIOR_MEANS.get(arm) ?? DEFAULT_MEAN)[0] + rewards) / (pseudo + weights);
      const loading = Math.min(1.3, Math.max(0.3, (level * (1 - level)) / 0.2));
      return [arm, Math.round(loading * 20) / 20];
    }),
  );
}

/** The same prior written out over all (m, δ_a, δ_b, δ_c) at once, and solved densely. */
function bruteForce(items: readonly Observation[], options: CoupledModelOptions) {
  const { noiseVariance, sharedVariance, ownVariance } = options;
  const size = D * (ARMS.length + 1);
  const loading = loadings(items, options);
  const design = (arm: string, x: Float64Array) => {
    const row = Matrix.zeros(size, 1);
    x.forEach((value, i) => {
      row.set(i, 0, i === 0 ? value : value * (loading.get(arm) ?? 1));
      row.set(D * (1 + ARMS.indexOf(arm)) + i, 0, value);
    });
    return row;
  };
  const priorMean = (arm: string) => PRIOR_MEANS.get(arm) ?? DEFAULT_MEAN;
  const offset = (arm: string, x: Float64Array) => x.reduce((sum, value, i) => sum + value * priorMean(arm)[i], 0);
  const precision = Matrix.zeros(size, size);
  for (let i = 0; i < size; i++) {
    const variance = i < D ? sharedVariance : ownVariance;
    precision.set(i, i, 1 / (i % D === 0 ? variance.intercept : variance.slope));
  }
  const response = Matrix.zeros(size, 1);
  for (const { arm, x, y, weight } of items) {
    const row = design(arm, x);
    precision.add(row.mmul(row.transpose()).mul(weight / noiseVariance));
    response.add(row.clone().mul((weight * (y - offset(arm, x))) / noiseVariance));
  }
  const covariance = inverse(precision);
  const mean = covariance.mmul(response);
  return (arm: string, x: Float64Array): Prediction => {
    const row = design(arm, x);
    return {
      mean: offset(arm, x) + row.dot(mean),
      sd: Math.sqrt(row.transpose().mmul(covariance).mmul(row).get(0, 0)),
    };
  };
}

/**
 * Log density of all observations at once, a joint normal with covariance σ²W⁻¹ + XΣXᵀ; less the parts that do not
 * depend on the variances (the power of 2π, the weights), and with an observation of weight w counted as w of them.
 */
function bruteForceEvidence(items: readonly Observation[], options: CoupledModelOptions) {
  if (items.length === 0) return 0;
  const { noiseVariance, sharedVariance, ownVariance } = options;
  const loading = loadings(items, options);
  const loaded = ({ arm, x }: Observation, k: number) => (k === 0 ? 1 : (loading.get(arm) ?? 1)) * x[k];
  const variance = (of: { intercept: number; slope: number }, i: number) => (i === 0 ? of.intercept : of.slope);
  const covariance = Matrix.zeros(items.length, items.length);
  items.forEach((one, i) => {
    items.forEach((other, j) => {
      const shared = one.x.reduce(
        (sum, _, k) => sum + variance(sharedVariance, k) * (loaded(one, k) * loaded(other, k)),
        0,
      );
      const own = one.x.reduce((sum, value, k) => sum + variance(ownVariance, k) * (value * other.x[k]), 0);
      covariance.set(i, j, shared + (one.arm === other.arm ? own : 0) + (i === j ? noiseVariance / one.weight : 0));
    });
  });
  const residuals = Matrix.columnVector(
    items.map(({ arm, x, y }) => y - x.reduce((sum, v, k) => sum + v * (PRIOR_MEANS.get(arm) ?? DEFAULT_MEAN)[k], 0)),
  );
  const cholesky = new CholeskyDecomposition(covariance);
  const logDeterminant = cholesky.lowerTriangularMatrix.diagonal().reduce((sum, value) => sum + 2 * Math.log(value), 0);
  const logWeights = items.reduce((sum, { weight }) => sum + Math.log(weight), 0);
  const uncounted = items.reduce((sum, { weight }) => sum + weight - 1, 0) * Math.log(noiseVariance);
  return -0.5 * (logDeterminant + logWeights + uncounted + residuals.dot(cholesky.solve(residuals)));
}

/** Largest difference of any mean or sd over all arms and a few contexts. */
function distance(
  one: (arm: string, x: Float64Array) => Prediction,
  other: (arm: string, x: Float64Array) => Prediction,
): number {
  const random = seededRandom(99);
  const differences = ARMS.flatMap((arm) =>
    Array.from({ length: 4 }, () => {
      const x = context(random);
      const [a, b] = [one(arm, x), other(arm, x)];
      return Math.max(Math.abs(a.mean - b.mean), Math.abs(a.sd - b.sd));
    }),
  );
  return differences.reduce((a, b) => (Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.max(a, b)), 0);
}

const predictorOf = (model: CoupledLinearModel) => (arm: string, x: Float64Array) => model.predict(arm, x);

describe('CoupledLinearModel', () => {
  it('starts from its prior: the mean of each arm, and the sum of both variances', () => {
    const x = Float64Array.of(1, 2, 0, -1);
    const { mean, sd } = freshModel().predict('b', x);
    expect(mean).toBeCloseTo(0.9 + 0.2, 12);
    // A level of 0.9 takes 0.09 / 0.2 of the shared slopes, which is 0.45.
    expect(sd ** 2).toBeCloseTo(0.01 + 0.01 + (4 + 1) * (0.45 ** 2 * 1e-3 + 1e-4), 12);
    expect(freshModel().predict('never heard of', x).mean).toBeCloseTo(0.85 + 0.02 + 0.02, 12);
  });

  it('matches a dense solve of the posterior, by rank-1 updates and after a rebuild', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 40 }), fc.boolean(), (seed, count, isWide) => {
        const options = isWide ? WIDE : QUALITY_MODEL;
        const items = observations(seededRandom(seed), count);
        const model = taught(items, options);
        const exact = bruteForce(items, options);
        expect(distance(predictorOf(model), exact)).toBeLessThan(1e-9);
        model.rebuild();
        expect(distance(predictorOf(model), exact)).toBeLessThan(1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it('predicts the same with and without a prepared spread, and updates it after each observation', () => {
    for (const options of [QUALITY_MODEL, WIDE]) {
      const items = observations(seededRandom(8), 30);
      const model = taught(items, options);
      const more = observations(seededRandom(9), 3);
      for (const [known, { arm, x, y, weight }] of more.entries()) {
        // Often enough for the spread of every arm to be prepared.
        for (let i = 0; i < 130; i++) for (const asked of ARMS) model.predict(asked, x);
        expect(model.predictAside(arm, x)).toEqual(
          taught([...items, ...more.slice(0, known)], options).predict(arm, x),
        );
        const exact = bruteForce([...items, ...more.slice(0, known)], options);
        expect(distance(predictorOf(model), exact)).toBeLessThan(1e-9);
        model.learn(arm, x, y, weight);
      }
      expect(distance(predictorOf(model), bruteForce([...items, ...more], options))).toBeLessThan(1e-9);
    }
  });

  it('may delay what other arms gain from an observation, and a restart does not change that', () => {
    const patient: CoupledModelOptions = { ...WIDE, refreshEvery: 25 };
    const items = observations(seededRandom(12), 299);
    const [model, prompt] = [taught(items, patient), taught(items, WIDE)];
    expect(distance(predictorOf(model), predictorOf(prompt))).toBeGreaterThan(1e-6);
    const restored = new CoupledLinearModel(D, patient, DEFAULT_MEAN);
    restored.restore(structuredClone(model.state()));
    expect(distance(predictorOf(restored), predictorOf(model))).toBe(0);
    // The first observations reach all arms at once, and so does every 25th.
    for (const count of [40, 255, 275]) {
      const early = items.slice(0, count);
      expect(distance(predictorOf(taught(early, patient)), predictorOf(taught(early, WIDE)))).toBeLessThan(1e-12);
    }
    const [last] = observations(seededRandom(13), 1);
    // An arm's own part is never delayed, even in a model that predicted and was then restored.
    const before = predictorOf(model)(last.arm, last.x);
    for (const arm of ARMS) restored.predict(arm, last.x);
    restored.learn(last.arm, last.x, last.y + 3, 1);
    expect(Math.abs(restored.predict(last.arm, last.x).mean - before.mean)).toBeGreaterThan(0.01);
    restored.restore(structuredClone(model.state()));
    expect(distance(predictorOf(restored), predictorOf(model))).toBe(0);
    for (const each of [model, prompt]) each.learn(last.arm, last.x, last.y, last.weight);
    expect(distance(predictorOf(model), predictorOf(prompt))).toBeLessThan(1e-12);
  });

  it('learns a batch as it would learn one by one, and continues from there', () => {
    const items = observations(seededRandom(21), 60);
    const together = freshModel();
    together.learnAll(items.slice(0, 50));
    for (const { arm, x, y, weight } of items.slice(50)) together.learn(arm, x, y, weight);
    expect(distance(predictorOf(together), predictorOf(taught(items)))).toBeLessThan(1e-9);
    expect(together.logEvidence).toBeCloseTo(taught(items).logEvidence, 8);
  });

  it('computes the marginal likelihood of its observations, as a joint normal does', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 30 }), fc.boolean(), (seed, count, isWide) => {
        const options = isWide ? WIDE : QUALITY_MODEL;
        const items = observations(seededRandom(seed), count);
        const model = taught(items, options);
        const exact = bruteForceEvidence(items, options);
        const tolerance = 1e-9 * (1 + Math.abs(exact));
        expect(Math.abs(model.logEvidence - exact)).toBeLessThan(tolerance);
        model.rebuild();
        expect(Math.abs(model.logEvidence - exact)).toBeLessThan(tolerance);
      }),
      { numRuns: 60 },
    );
  });

  it('applies what it learns about the difficulty of a query most to arms of medium level', () => {
    const model = new CoupledLinearModel(D, QUALITY_MODEL, Float64Array.of(0.5, 0, 0, 0));
    model.setPriors(new Map([['sure', { mean: Float64Array.of(0.97, 0, 0, 0) }]]));
    const random = seededRandom(11);
    for (let i = 0; i < 400; i++) {
      const hard = random.normal();
      model.learn('a', Float64Array.of(1, hard, 0, 0), 0.5 - 0.2 * hard, 1);
    }
    const slope = (arm: string) =>
      model.predict(arm, Float64Array.of(1, 1, 0, 0)).mean - model.predict(arm, Float64Array.of(1, 0, 0, 0)).mean;
    expect(slope('b')).toBeLessThan(-0.05);
    expect(slope('sure') / slope('b')).toBeCloseTo(0.3 / 1.25, 6);
  });

  it('lets arms learn from each other', () => {
    const model = freshModel();
    const before = model.predict('c', Float64Array.of(1, 0, 0, 0));
    for (let i = 0; i < 20; i++) model.learn('a', Float64Array.of(1, 0, 0, 0), 0, 1);
    const after = model.predict('c', Float64Array.of(1, 0, 0, 0));
    expect(after.mean).toBeLessThan(before.mean - 0.1);
    expect(after.sd).toBeLessThan(before.sd);
    expect(model.weightOf('c')).toBe(0);
    expect(model.weightOf('a')).toBe(20);
  });

  it('forgets withdrawn observations without a trace, in any order', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = seededRandom(seed);
        const kept = observations(random, 15);
        const withdrawn = observations(random, 10);
        const model = taught([...withdrawn.slice(0, 5), ...kept, ...withdrawn.slice(5)]);
        for (const { arm, x, y, weight } of withdrawn.reverse()) model.learn(arm, x, y, -weight);
        const never = taught(kept);
        expect(distance(predictorOf(model), predictorOf(never))).toBeLessThan(1e-9);
        for (const arm of ARMS) expect(model.weightOf(arm)).toBeCloseTo(never.weightOf(arm), 9);
        expect(model.logEvidence).toBeCloseTo(never.logEvidence, 7);
      }),
      { numRuns: 60 },
    );
  });

  it('withdraws even an observation that left a denominator near zero', () => {
    const kept = observations(seededRandom(6), 10);
    const model = taught(kept);
    const huge = Float64Array.of(1, 3e5, -2e5, 1e5);
    model.learn('a', huge, 0.5, 1);
    model.learn('a', huge, 0.5, -1);
    expect(distance(predictorOf(model), predictorOf(taught(kept)))).toBeLessThan(1e-4);
  });

  it('is unchanged by the periodic rebuild, and continues learning', () => {
    const random = seededRandom(5);
    const model = taught(observations(random, 4095));
    const before = ARMS.map((arm) => model.predict(arm, Float64Array.of(1, 0.5, -1, 2)));
    const probe = observations(random, 1)[0];
    model.learn(probe.arm, probe.x, probe.y, 1e-12);
    ARMS.forEach((arm, i) => {
      const after = model.predict(arm, Float64Array.of(1, 0.5, -1, 2));
      expect(Math.abs(after.mean - before[i].mean)).toBeLessThan(1e-9);
      expect(Math.abs(after.sd - before[i].sd)).toBeLessThan(1e-9);
    });
    const more = observations(random, 300);
    for (const { arm, x, y, weight } of more) model.learn(arm, x, y, weight);
    const reference = structuredClone(model.state());
    model.rebuild();
    const rebuilt = new CoupledLinearModel(D, QUALITY_MODEL, DEFAULT_MEAN);
    rebuilt.restore(reference);
    expect(distance(predictorOf(model), predictorOf(rebuilt))).toBeLessThan(1e-9);
  });

  it('rejects non-finite or mismatched observations, and stays unchanged', () => {
    const model = taught(observations(seededRandom(1), 10));
    const before = structuredClone(model.state());
    const x = Float64Array.of(1, 0, 0, 0);
    const bad: [Float64Array, number, number][] = [
      [Float64Array.of(1, Number.NaN, 0, 0), 1, 1],
      [Float64Array.of(1, Number.POSITIVE_INFINITY, 0, 0), 1, 1],
      [x, Number.NaN, 1],
      [x, Number.NEGATIVE_INFINITY, 1],
      [x, 1, Number.NaN],
      [x, 1, Number.POSITIVE_INFINITY],
      [Float64Array.of(1, 0, 0), 1, 1],
      [Float64Array.of(1, 0, 0, 0, 0), 1, 1],
    ];
    for (const [features, y, weight] of bad) {
      expect(() => model.learn('a', features, y, weight)).toThrow(RangeError);
      expect(() => model.learn('new', features, y, weight)).toThrow(RangeError);
    }
    expect(model.state()).toEqual(before);
  });

  it('rejects a context of the wrong length when predicting', () => {
    expect(() => freshModel().predict('a', Float64Array.of(1, 0, 0))).toThrow(RangeError);
    expect(() => freshModel().predict('a', Float64Array.of(1, 0, 0, 0, 0))).toThrow(RangeError);
  });

  it('is bit-identical after setting equal prior means, and recomputed fully for different ones', () => {
    const model = taught(observations(seededRandom(2), 30));
    const before = structuredClone(model.state());
    model.setPriors(new Map([...PRIOR_MEANS].map(([arm, mean]) => [arm, { mean: Float64Array.from(mean) }])));
    expect(model.state()).toEqual(before);

    const items = observations(seededRandom(2), 30);
    const late = new CoupledLinearModel(D, QUALITY_MODEL, DEFAULT_MEAN);
    for (const { arm, x, y, weight } of items) late.learn(arm, x, y, weight);
    late.setPriors(PRIORS);
    expect(distance(predictorOf(late), predictorOf(model))).toBeLessThan(1e-9);
    expect(late.logEvidence).toBeCloseTo(model.logEvidence, 8);
    late.setPriors(new Map());
    const plain = new CoupledLinearModel(D, QUALITY_MODEL, DEFAULT_MEAN);
    for (const { arm, x, y, weight } of items) plain.learn(arm, x, y, weight);
    expect(distance(predictorOf(late), predictorOf(plain))).toBeLessThan(1e-9);
  });
});

const arms = [...ARMS, 'named', 'unnamed'];
const step = fc.oneof(
  fc.record({ learn: fc.nat(4), seed: fc.integer() }),
  fc.record({ takeBack: fc.nat(20) }),
  fc.record({ forget: fc.nat(4) }),
  fc.record({ temper: fc.nat(4), factor: fc.double({ min: 0.1, max: 1, noNaN: true }) }),
  fc.record({ reset: fc.nat(4) }),
  fc.record({ level: fc.double({ min: 0, max: 1, noNaN: true }), wide: fc.boolean() }),
  fc.record({ ask: fc.nat(4) }),
  fc.record({ rebuild: fc.constant(true) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Applies the same steps to several models. */
class Script {
  priors: Parameters<CoupledLinearModel['setPriors']>[0] = PRIORS;
  kept: Observation[] = [];
  /** Arms that may appear in a state. */
  readonly taught = new Set<string>();
  #isTempered = false;

  apply(now: Step, models: readonly CoupledLinearModel[]): void {
    if ('learn' in now) {
      const [made] = observations(seededRandom(now.seed), 1);
      const { x, y, weight } = made;
      this.kept.push({ ...made, arm: arms[now.learn] });
      this.taught.add(arms[now.learn]);
      for (const model of models) model.learn(arms[now.learn], x, y, weight);
    } else if ('takeBack' in now) {
      if (this.kept.length === 0 || this.#isTempered) return;
      const [{ arm, x, y, weight }] = this.kept.splice(now.takeBack % this.kept.length, 1);
      for (const model of models) model.learn(arm, x, y, -weight);
    } else if ('forget' in now) {
      for (const model of models) model.forget(arms[now.forget]);
      this.kept = this.kept.filter(({ arm }) => arm !== arms[now.forget]);
      this.taught.delete(arms[now.forget]);
    } else if ('temper' in now) {
      for (const model of models) model.temper(arms[now.temper], now.factor);
      this.#isTempered = true;
    } else if ('reset' in now) {
      for (const model of models) model.resetLevel(arms[now.reset], 0.5);
      this.taught.add(arms[now.reset]);
      this.#isTempered = true;
    } else if ('level' in now) {
      const prior = { mean: Float64Array.of(now.level, 0, 0.1, 0), ...(now.wide && { interceptVariance: 0.5 }) };
      this.priors = new Map([...PRIORS, ['named', prior], ['a', prior]]);
      for (const model of models) model.setPriors(this.priors);
    } else if ('ask' in now) {
      for (const model of models) model.predict(arms[now.ask], context(seededRandom(1)));
    } else for (const model of models) model.rebuild();
  }
}

describe('CoupledLinearModel.restore', () => {
  it('predicts bit-identically, and keeps doing so while both models continue learning', () => {
    const random = seededRandom(3);
    const model = taught(observations(random, 4090));
    const copy = new CoupledLinearModel(D, QUALITY_MODEL, DEFAULT_MEAN);
    copy.restore(structuredClone(model.state()));
    // These observations cross the periodic rebuild.
    for (const { arm, x, y, weight } of [...observations(random, 12), { ...observations(random, 1)[0], arm: 'aa' }]) {
      expect(distance(predictorOf(copy), predictorOf(model))).toBe(0);
      for (const each of [model, copy]) each.learn(arm, x, y, weight);
    }
    expect(copy.state()).toEqual(model.state());
    expect(copy.logEvidence).toBe(model.logEvidence);
  });

  it('stores only arms with observations, and predicts bit-identically with the same priors after any history', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 15 }), (steps, later) => {
        const model = freshModel();
        const script = new Script();
        for (const now of steps) script.apply(now, [model]);
        const state = structuredClone(model.state());
        for (const arm of Object.keys(state.arms)) expect(script.taught).toContain(arm);
        for (const { arm } of script.kept) expect(Object.keys(state.arms)).toContain(arm);
        const copy = new CoupledLinearModel(D, QUALITY_MODEL, DEFAULT_MEAN);
        copy.restore(state);
        copy.setPriorsOfNew(script.priors);
        // Only the first model is asked for predictions, which must not change anything.
        for (const now of later) script.apply(now, 'ask' in now ? [model] : [model, copy]);
        expect(copy.state()).toEqual(model.state());
        const random = seededRandom(9);
        for (let i = 0; i < 5; i++) {
          const x = context(random);
          for (const arm of arms) expect(copy.predict(arm, x)).toEqual(model.predict(arm, x));
          for (const each of [model, copy]) each.learn(arms[i], x, 0.3, 1);
        }
        expect(copy.logEvidence).toBe(model.logEvidence);
        expect(copy.state()).toEqual(model.state());
      }),
      { numRuns: 200 },
    );
  });

  it('does not change when an arm that was only asked about is forgotten', () => {
    const model = taught(observations(seededRandom(5), 50), { ...QUALITY_MODEL, refreshEvery: 25 });
    model.predict('unnamed', context(seededRandom(1)));
    const before = structuredClone(model.state());
    model.forget('unnamed');
    expect(model.state()).toEqual(before);
  });

  it('keeps an arm whose observations only seem to cancel', () => {
    const [one, other] = [Float64Array.of(1, 1, 0, 0), Float64Array.of(1, -1, 0, 0)];
    const model = freshModel();
    model.learn('a', one, 0.5, 1);
    model.learn('a', other, 0.5, -1);
    expect(model.state().arms.a).toMatchObject({ weight: 0, squares: 0 });
    model.rebuild();
    const all = freshModel();
    all.learnAll([
      { arm: 'a', x: one, y: 0.5, weight: 1 },
      { arm: 'a', x: one, y: 0.5, weight: -1 },
    ]);
    expect(all.state().arms).toEqual({});
    expect(distance(predictorOf(all), predictorOf(freshModel()))).toBe(0);
  });

  it('rejects mismatched or non-finite states, and stays unchanged', () => {
    const model = taught(observations(seededRandom(4), 20));
    const good = () => structuredClone(model.state());
    const spoilt: ((state: ReturnType<typeof good>) => void)[] = [
      (state) => {
        state.shared = state.shared.slice(1);
      },
      (state) => {
        state.votes = new Float64Array(D + 1);
      },
      (state) => {
        state.sharedInverse[3] = Number.NaN;
      },
      (state) => {
        state.arms.a.precision = new Float64Array((D + 1) ** 2);
      },
      (state) => {
        state.arms.b.covariance[0] = Number.POSITIVE_INFINITY;
      },
      (state) => {
        state.arms.b.vote[1] = Number.NaN;
      },
      (state) => {
        state.arms.c.weight = Number.NaN;
      },
      (state) => {
        state.arms.a.loading = Number.NaN;
      },
      (state) => {
        state.updates = Number.NaN;
      },
    ];
    for (const spoil of spoilt) {
      const state = good();
      spoil(state);
      const target = taught(observations(seededRandom(8), 5));
      const before = structuredClone(target.state());
      expect(() => target.restore(state), spoil.toString()).toThrow(RangeError);
      expect(target.state()).toEqual(before);
    }
  });
});
