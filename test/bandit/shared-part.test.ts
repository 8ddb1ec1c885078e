import fc from 'fast-check';
import { determinant, inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { type CoupledArm, newArm, observe, recount, solve, updateSolution } from '../../src/bandit/coupled-arm.ts';
import { SharedPart, type SharedPartState } from '../../src/bandit/shared-part.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { randomContext } from './support.ts';

const D = 5;
const PRIOR_PRECISION = Float64Array.of(2, 0.7, 3, 1, 0.4);
const OWN_PRECISION = Float64Array.of(1, 4, 2, 5, 3);
const seeds = fc.integer();
const runs = { numRuns: 40 };

const vectorOf = (random: Random) => Float64Array.from({ length: D }, () => random.normal());

/** Some solved arms, with `count` observations each, and with different priors and loadings. */
function armsOf(random: Random, count = 20): CoupledArm[] {
  return Array.from({ length: 3 }, () => {
    const arm = newArm(
      vectorOf(random),
      OWN_PRECISION.map((p) => p * (0.5 + random.uniform())),
    );
    for (let i = 0; i < count; i++) observe(arm, randomContext(D, random), random.normal(), 0.1 + random.uniform());
    solve(arm);
    arm.loading = 0.3 + random.uniform();
    recount(arm);
    return arm;
  });
}

function sharedBy(arms: readonly CoupledArm[]): SharedPart {
  const shared = new SharedPart(PRIOR_PRECISION);
  for (const arm of arms) shared.add(arm);
  shared.invert();
  shared.refreshMean();
  return shared;
}

const loadingsOf = ({ loading }: CoupledArm) =>
  Matrix.diag(Array.from({ length: D }, (_, i) => (i === 0 ? 1 : loading)));
const asMatrix = (values: Float64Array) => Matrix.from1DArray(D, D, values);

/**
 * What the shared part is after all observations, from the sums alone. An arm with A = Σ w x xᵀ measures m at
 * L m + δ, so it adds L (A⁻¹ + P1⁻¹)⁻¹ L to the precision of m, and that times L⁻¹ A⁻¹ (b − A m0) to the response.
 */
function closedForm(arms: readonly CoupledArm[]) {
  const precision = Matrix.diag([...PRIOR_PRECISION]);
  const response = Matrix.zeros(D, 1);
  for (const arm of arms) {
    const loadings = loadingsOf(arm);
    const inverseSums = inverse(asMatrix(arm.precision));
    const middle = inverse(Matrix.add(inverseSums, inverse(Matrix.diag([...arm.ownPrecision]))));
    const estimate = Matrix.sub(
      inverseSums.mmul(Matrix.columnVector([...arm.response])),
      Matrix.columnVector([...arm.priorMean]),
    );
    precision.add(loadings.mmul(middle).mmul(loadings));
    response.add(loadings.mmul(middle).mmul(estimate));
  }
  const covariance = inverse(precision);
  const mean = covariance.mmul(response);
  const priorDeterminant = PRIOR_PRECISION.reduce((product, p) => product * p, 1);
  return {
    sharedInverse: precision.to1DArray(),
    shared: covariance.to1DArray(),
    votes: response.to1DArray(),
    sharedMean: mean.to1DArray(),
    logDeterminant: Math.log(determinant(precision) / priorDeterminant),
    explained: mean.transpose().mmul(precision).mmul(mean).get(0, 0),
  };
}

/** Largest difference, relative to numbers larger than 1. */
function distance(one: ArrayLike<number>, other: ArrayLike<number>): number {
  expect(one.length).toBe(other.length);
  let largest = 0;
  for (let i = 0; i < one.length; i++) {
    const difference = Math.abs(one[i] - other[i]) / Math.max(1, Math.abs(other[i]));
    largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  }
  return largest;
}

function distanceOfStates(
  one: SharedPartState,
  other: Omit<SharedPartState, VectorName> & Record<VectorName, ArrayLike<number>>,
) {
  return Math.max(
    ...VECTORS.map((name) => distance(one[name], other[name])),
    distance([one.logDeterminant], [other.logDeterminant]),
  );
}
const VECTORS = ['sharedInverse', 'shared', 'votes', 'sharedMean'] as const;
type VectorName = (typeof VECTORS)[number];

describe('SharedPart', () => {
  it('equals its prior before any arm has learned', () => {
    const shared = sharedBy([newArm(vectorOf(seededRandom(1)), OWN_PRECISION)]);
    for (const part of [shared, new SharedPart(PRIOR_PRECISION)]) {
      expect(distance(part.covariance, Matrix.diag([...PRIOR_PRECISION].map((p) => 1 / p)).to1DArray())).toBeLessThan(
        1e-15,
      );
      expect(distance(part.mean, new Float64Array(D))).toBe(0);
      expect(part.logDeterminant).toBeCloseTo(0, 14);
      expect(part.explained).toBeCloseTo(0, 14);
    }
  });

  it('follows from the sums of the arms as in the closed form with their own parts integrated out', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const arms = armsOf(seededRandom(seed));
        const shared = sharedBy(arms);
        const exact = closedForm(arms);
        expect(distanceOfStates(shared.state(), exact)).toBeLessThan(1e-8);
        expect(distance([shared.explained], [exact.explained])).toBeLessThan(1e-8);
        expect(shared.logDeterminant).toBeGreaterThan(0);
        expect(shared.mean).toBe(shared.state().sharedMean);
        expect(shared.covariance).toBe(shared.state().shared);
      }),
      runs,
    );
  });

  it('a rank-1 update for an observation equals a full solve, and can be undone', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = seededRandom(seed);
        const arms = armsOf(random);
        const shared = sharedBy(arms);
        const before = structuredClone(shared.state());
        const [x, y, direction] = [randomContext(D, random), random.normal(), new Float64Array(D)];
        for (const weight of [0.7, -0.7]) {
          observe(arms[1], x, y, weight);
          const factor = updateSolution(arms[1], x, weight, direction) as number;
          expect(shared.update(direction, factor)).toBe(true);
          shared.removeVote(arms[1].vote);
          recount(arms[1]);
          shared.addVote(arms[1].vote);
          shared.refreshMean();
          expect(distanceOfStates(shared.state(), closedForm(arms))).toBeLessThan(1e-8);
        }
        expect(distanceOfStates(shared.state(), before)).toBeLessThan(1e-10);
      }),
      runs,
    );
  });

  it('replaces an arm by its new version', () => {
    const random = seededRandom(3);
    const arms = armsOf(random);
    const shared = sharedBy(arms);
    shared.remove(arms[0]);
    arms[0].loading = 1.2;
    recount(arms[0]);
    shared.add(arms[0]);
    shared.invert();
    shared.refreshMean();
    expect(distanceOfStates(shared.state(), closedForm(arms))).toBeLessThan(1e-8);
  });

  it('keeps the previous mean, V and determinant until it is asked to solve', () => {
    const random = seededRandom(4);
    const shared = sharedBy(armsOf(random));
    const before = structuredClone(shared.state());
    const [more] = armsOf(random);
    shared.add(more);
    expect(shared.covariance).toEqual(before.shared);
    expect(shared.logDeterminant).toBe(before.logDeterminant);
    shared.invert();
    expect(shared.mean).toEqual(before.sharedMean);
    shared.refreshMean();
    expect(shared.mean).not.toEqual(before.sharedMean);
    shared.clear();
    expect(distance(shared.covariance, before.shared)).toBeGreaterThan(0.001);
    shared.invert();
    shared.refreshMean();
    expect(shared.state()).toEqual(sharedBy([]).state());
  });

  it('rejects an update without a safe denominator, and stays unchanged', () => {
    const shared = sharedBy(armsOf(seededRandom(5)));
    const before = structuredClone(shared.state());
    const direction = vectorOf(seededRandom(6));
    const row = Matrix.rowVector([...direction]);
    const form = row.mmul(asMatrix(shared.covariance)).mmul(row.transpose()).get(0, 0);
    for (const factor of [-1 / form, -2 / form, Number.NaN]) {
      expect(shared.update(direction, factor)).toBe(false);
      expect(shared.state()).toEqual(before);
    }
    expect(shared.update(direction, -0.5 / form)).toBe(true);
    expect(shared.logDeterminant - before.logDeterminant).toBeCloseTo(Math.log(0.5), 10);
  });

  it('throws instead of inverting a matrix that is not positive definite', () => {
    const arms = armsOf(seededRandom(7));
    const shared = sharedBy(arms);
    for (let i = 0; i < 50; i++) shared.remove(arms[0]);
    expect(() => shared.invert()).toThrow('not positive definite');
  });

  it('continues bit-identically from a restored state', () => {
    const random = seededRandom(8);
    const shared = sharedBy(armsOf(random));
    const copy = new SharedPart(PRIOR_PRECISION);
    copy.restore(structuredClone(shared.state()));
    expect(copy.state()).toEqual(shared.state());
    const [more] = armsOf(random);
    for (const part of [shared, copy]) {
      part.update(vectorOf(seededRandom(9)), 0.3);
      part.add(more);
      part.refreshMean();
    }
    expect(copy.state()).toEqual(shared.state());
    expect(copy.explained).toBe(shared.explained);
  });

  it('rejects mismatched or non-finite states, and stays unchanged', () => {
    const shared = sharedBy(armsOf(seededRandom(10)));
    const before = structuredClone(shared.state());
    const good = () => structuredClone(sharedBy(armsOf(seededRandom(11))).state());
    for (const name of VECTORS) {
      const spoilt = good();
      spoilt[name][D - 1] = Number.NaN;
      const long = good()[name].length + 1;
      for (const state of [spoilt, { ...good(), [name]: new Float64Array(long) }]) {
        expect(() => shared.restore(state), name).toThrow(RangeError);
        expect(shared.state()).toEqual(before);
      }
    }
    expect(() => shared.restore({ ...good(), logDeterminant: Number.POSITIVE_INFINITY })).toThrow(RangeError);
    expect(shared.state()).toEqual(before);
  });
});
