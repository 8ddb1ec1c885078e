import { CholeskyDecomposition, inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { CoupledLinearModel } from '../../src/bandit/coupled-linear-model.ts';
import { type CoupledModelOptions, PAST_LEVEL_PRECISION, QUALITY_MODELS } from '../../src/bandit/defaults.ts';
import { seededRandom } from '../../src/util/random.ts';
import { randomContext } from './support.ts';

const DIMENSIONS = 4;
/** With loadings of 1 the model of one arm is a single Gaussian. */
const OPTIONS = { ...QUALITY_MODELS[0], levelLoadings: false };
const PRIOR = Float64Array.of(0.8, 0.1, 0, 0);

interface Rating {
  x: Float64Array;
  y: number;
  weight: number;
  /** The number of alarms before it. */
  era: number;
}

/** Ratings in order, with the given counts between alarms. */
function ratingsOf(counts: readonly number[], seed: number): Rating[] {
  const random = seededRandom(seed);
  return counts.flatMap((count, era) =>
    Array.from({ length: count }, () => ({
      x: randomContext(DIMENSIONS, random),
      y: random.uniform(),
      weight: 0.5 + random.uniform(),
      era,
    })),
  );
}

/** Learns in order, with an alarm after each era but the last. @param remains of each alarm */
function learned(ratings: readonly Rating[], remains: readonly number[], options: CoupledModelOptions = OPTIONS) {
  const model = new CoupledLinearModel(DIMENSIONS, options, PRIOR);
  for (let era = 0; era <= remains.length; era++) {
    for (const { x, y, weight } of ratings.filter((rating) => rating.era === era)) model.learn('a', x, y, weight);
    if (era < remains.length) model.resetLevel('a', remains[era]);
  }
  return model;
}

/** The share of a rating's weight that alarms since its era have left. */
const shareLeft = (era: number, remains: readonly number[]) => remains.slice(era).reduce((a, b) => a * b, 1);

/**
 * The joint Gaussian of all ratings by their covariance, without any sums: y = X θ + η_era + noise, where the noise of a
 * rating of weight w has the variance σ² / w, and η has σ² / κ in every era but the last one.
 */
function byCovariance(ratings: readonly Rating[], remains: readonly number[], options: CoupledModelOptions = OPTIONS) {
  const { noiseVariance, sharedVariance, ownVariance } = options;
  const prior = Matrix.diag(
    Array.from({ length: DIMENSIONS }, (_, i) =>
      i === 0 ? sharedVariance.intercept + ownVariance.intercept : sharedVariance.slope + ownVariance.slope,
    ),
  );
  const X = new Matrix(ratings.map(({ x }) => [...x]));
  const product = X.mmul(prior).mmul(X.transpose());
  const covariance = Matrix.add(product, product.transpose()).mul(0.5);
  for (const [i, one] of ratings.entries()) {
    for (const [j, other] of ratings.entries()) {
      const shareLevel = one.era === other.era && one.era < remains.length;
      const noise = i === j ? noiseVariance / (one.weight * shareLeft(one.era, remains)) : 0;
      covariance.set(i, j, covariance.get(i, j) + noise + (shareLevel ? noiseVariance / PAST_LEVEL_PRECISION : 0));
    }
  }
  const residual = Matrix.columnVector(ratings.map(({ x, y }) => y - dot(x, PRIOR)));
  const gain = prior.mmul(X.transpose()).mmul(inverse(covariance));
  const mean = gain.mmul(residual);
  const spread = Matrix.sub(prior, gain.mmul(X).mmul(prior));
  const factor = new CholeskyDecomposition(covariance).lowerTriangularMatrix;
  const logDeterminant = 2 * factor.diagonal().reduce((sum, value) => sum + Math.log(value), 0);
  const quadratic = residual.transpose().mmul(inverse(covariance)).mmul(residual).get(0, 0);
  return {
    predict(x: Float64Array) {
      const column = Matrix.columnVector([...x]);
      const variance = column.transpose().mmul(spread).mmul(column).get(0, 0);
      return { mean: dot(x, PRIOR) + dot(x, mean.to1DArray()), sd: Math.sqrt(variance) };
    },
    logEvidence: -0.5 * (logDeterminant + quadratic),
  };
}

function dot(one: ArrayLike<number>, other: ArrayLike<number>): number {
  return Array.from(one).reduce((sum, value, i) => sum + value * other[i], 0);
}

/** The largest difference between the predictions of the two. */
function distance(one: Pick<CoupledLinearModel, 'predict'>, other: { predict: typeof one.predict }, seed = 8): number {
  const random = seededRandom(seed);
  const differences = Array.from({ length: 20 }, () => {
    const x = randomContext(DIMENSIONS, random);
    const [here, there] = [one.predict('a', x), other.predict('a', x)];
    return Math.max(Math.abs(here.mean - there.mean), Math.abs(here.sd - there.sd));
  });
  return Math.max(...differences);
}

describe('an arm whose level was reset', () => {
  it.each([
    { counts: [30, 10], remains: [1] },
    { counts: [30, 10], remains: [0.5] },
    { counts: [40, 0], remains: [0.5] },
    { counts: [20, 15, 0, 8], remains: [0.5, 0.25, 0.7] },
  ])(
    'matches the joint Gaussian with an unknown constant per era: $counts ratings, $remains',
    ({ counts, remains }) => {
      const ratings = ratingsOf(counts, 3);
      const exact = byCovariance(ratings, remains);
      expect(distance(learned(ratings, remains), { predict: (_, x) => exact.predict(x) })).toBeLessThan(1e-9);
    },
  );

  it('has the evidence of the joint Gaussian, up to a constant common to all variances', () => {
    const [usual, ...others] = QUALITY_MODELS.map((options) => ({ ...options, levelLoadings: false }));
    // With whole weights: smaller ones are a power of the likelihood, and would change the constant.
    const ratings = ratingsOf([25, 10, 12], 5).map((rating) => ({ ...rating, weight: 1 }));
    const remains = [1, 1];
    const evidence = (options: CoupledModelOptions) => [
      learned(ratings, remains, options).logEvidence,
      byCovariance(ratings, remains, options).logEvidence,
    ];
    const [here, exact] = evidence(usual);
    for (const other of others) {
      const [hereOther, exactOther] = evidence(other);
      expect(hereOther - here).toBeCloseTo(exactOther - exact, 8);
    }
  });

  it('keeps what it learned about which queries it is better at, but little of its level', () => {
    const random = seededRandom(7);
    const ratings = Array.from({ length: 400 }, () => {
      const x = randomContext(DIMENSIONS, random);
      return { x, y: 0.4 + 0.1 * x[1] + 0.05 * random.normal(), weight: 1, era: 0 };
    });
    const [before, after] = [learned(ratings, []), learned(ratings, [0.5])];
    const slope = (model: CoupledLinearModel) =>
      model.predict('a', Float64Array.of(1, 1, 0, 0)).mean - model.predict('a', Float64Array.of(1, 0, 0, 0)).mean;
    const level = (model: CoupledLinearModel) => model.predict('a', Float64Array.of(1, 0, 0, 0));
    expect(Math.abs(slope(after) - slope(before))).toBeLessThan(0.02);
    expect(level(before).mean).toBeCloseTo(0.4, 1);
    expect(level(after).mean).toBeGreaterThan(0.6);
    expect(level(after).sd).toBeGreaterThan(4 * level(before).sd);
    expect(after.weightOf('a')).toBeCloseTo((200 * PAST_LEVEL_PRECISION) / (200 + PAST_LEVEL_PRECISION), 9);
  });

  it.each([3, 12])('can withdraw a rating of any era as if it had never been, after %i alarms', (alarms) => {
    const remains = Array.from({ length: alarms }, (_, i) => 0.9 - 0.05 * i);
    const ratings = ratingsOf(new Array(alarms + 1).fill(6), 11);
    const model = learned(ratings, remains);
    const gone = ratings.filter((_, i) => i % 5 === 0);
    for (const { x, y, weight, era } of gone) {
      model.learn('a', x, y, -weight * shareLeft(era, remains), alarms - era);
    }
    const without = learned(
      ratings.filter((rating) => !gone.includes(rating)),
      remains,
    );
    expect(distance(model, without)).toBeLessThan(1e-10);
    expect(model.logEvidence).toBeCloseTo(without.logEvidence, 8);
  });

  it('merges the oldest of many past levels', () => {
    const counts = new Array(12).fill(5);
    const remains = new Array(11).fill(0.9);
    const ratings = ratingsOf(counts, 13);
    const model = learned(ratings, remains);
    expect(model.state().arms.a.past).toHaveLength(8);
    // Of eleven past eras the first four are merged; what alarms have left of each is unchanged.
    const merged = ratings.map((rating) => ({
      ...rating,
      weight:
        rating.weight * (shareLeft(rating.era, remains) / shareLeft(Math.max(0, rating.era - 3), new Array(8).fill(1))),
      era: Math.max(0, rating.era - 3),
    }));
    const exact = byCovariance(merged, new Array(8).fill(1));
    expect(distance(model, { predict: (_, x) => exact.predict(x) })).toBeLessThan(1e-9);
  });

  it('takes its loading of the shared slopes from what is left of its level', () => {
    const options = { ...OPTIONS, levelLoadings: true };
    const model = learned(
      ratingsOf([200], 4).map((rating) => ({ ...rating, y: 0.5 })),
      [],
      options,
    );
    const loading = () => model.state().arms.a.loading;
    expect(loading()).toBeCloseTo(0.25 / 0.2, 1);
    model.resetLevel('a', 0.5);
    // Close to the prior level of 0.8 again.
    expect(loading()).toBeLessThan(1.15);
  });

  it('forgets its past with everything else, and is restored bit-identically from its state', () => {
    const model = learned(ratingsOf([10, 5, 5], 2), [0.5, 0.5]);
    const restored = new CoupledLinearModel(DIMENSIONS, OPTIONS, PRIOR);
    restored.restore(structuredClone(model.state()));
    for (const each of [model, restored]) each.learn('a', Float64Array.of(1, 0.3, -1, 2), 0.2, 0.25, 2);
    expect(distance(model, restored)).toBe(0);
    model.forget('a');
    expect(distance(model, learned([], []))).toBeLessThan(1e-15);
    expect(model.weightOf('a')).toBe(0);
    // Nor does anything earlier return with later observations and another reset.
    const next = ratingsOf([6, 4], 9);
    for (const era of [0, 1]) {
      for (const { x, y, weight } of next.filter((rating) => rating.era === era)) model.learn('a', x, y, weight);
      if (era === 0) model.resetLevel('a', 0.5);
    }
    expect(distance(model, learned(next, [0.5]))).toBeLessThan(1e-12);
  });

  it('is tempered as if every observation of any era had less weight', () => {
    const ratings = ratingsOf([10, 5], 2);
    const model = learned(ratings, [1]);
    model.temper('a', 0.25);
    const lighter = ratings.map((rating) => ({ ...rating, weight: rating.weight / 4 }));
    expect(distance(model, learned(lighter, [1]))).toBeLessThan(1e-12);
  });

  it('rejects a state whose past does not fit', () => {
    const state = learned(ratingsOf([4, 4], 2), [0.5]).state();
    const [past] = state.arms.a.past;
    for (const wrong of [
      { ...past, inputs: past.inputs.subarray(1) },
      { ...past, response: Number.NaN },
    ]) {
      const arms = { a: { ...state.arms.a, past: [wrong] } };
      expect(() => new CoupledLinearModel(DIMENSIONS, OPTIONS, PRIOR).restore({ ...state, arms })).toThrow(RangeError);
    }
  });
});
