import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdaptiveLinearModel } from '../../src/bandit/adaptive-model.ts';
import { CoupledLinearModel } from '../../src/bandit/coupled-linear-model.ts';
import { EVIDENCE_MARGIN, QUALITY_MODELS } from '../../src/bandit/defaults.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { randomContext } from './support.ts';

const D = 5;
const ARMS = ['a', 'b', 'c'];
const PRIOR = Float64Array.of(0.85, 0, 0, 0, 0);

interface Observation {
  arm: string;
  x: Float64Array;
  y: number;
}

const fresh = (margin = EVIDENCE_MARGIN) => new AdaptiveLinearModel(D, QUALITY_MODELS, margin, PRIOR);

function observations(
  random: Random,
  count: number,
  truth: (arm: string, x: Float64Array) => number,
  noiseSd: number,
): Observation[] {
  return Array.from({ length: count }, () => {
    const arm = ARMS[Math.floor(random.uniform() * ARMS.length)];
    const x = randomContext(D, random);
    return { arm, x, y: truth(arm, x) + noiseSd * random.normal() };
  });
}

function teach(model: AdaptiveLinearModel | CoupledLinearModel, items: readonly Observation[], weight = 1): void {
  for (const { arm, x, y } of items) model.learn(arm, x, y, weight);
}

const level = () => 0.8;
/** Each arm is good at something different. */
const specialists = (arm: string, x: Float64Array) => 0.8 + 0.08 * x[1 + ARMS.indexOf(arm)] - 0.08 * x[4];

describe('AdaptiveLinearModel', () => {
  it('begins with the first candidate and predicts exactly as it does', () => {
    const model = fresh();
    const [alone] = QUALITY_MODELS.map((options) => new CoupledLinearModel(D, options, PRIOR));
    const items = observations(seededRandom(1), 40, level, 0.4);
    for (const each of [model, alone]) teach(each, items);
    expect(model.chosen).toBe(0);
    expect(model.noiseVariance).toBe(QUALITY_MODELS[0].noiseVariance);
    const x = randomContext(D, seededRandom(2));
    for (const arm of ARMS) expect(model.predict(arm, x)).toEqual(alone.predict(arm, x));
    expect(model.weightOf('a')).toBe(alone.weightOf('a'));
  });

  it('keeps the first candidate for equal arms rated by thumbs, and leaves it for finely rated specialists', () => {
    let stayed = 0;
    for (let seed = 0; seed < 20; seed++) {
      const [equals, finely] = [fresh(), fresh()];
      teach(equals, observations(seededRandom(seed), 300, level, 0.4));
      teach(finely, observations(seededRandom(seed), 400, specialists, 0.2));
      stayed += Number(equals.chosen === 0);
      expect(finely.chosen).toBe(2);
    }
    expect(stayed).toBeGreaterThanOrEqual(18);
  });

  it('predicts with the candidate of highest evidence, if it beats the first one by the margin', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 0, max: 80 }),
        fc.double({ min: 0.05, max: 0.6, noNaN: true }),
        (seed, count, noise) => {
          const items = observations(seededRandom(seed), count, specialists, noise);
          const model = fresh();
          teach(model, items);
          const evidences = QUALITY_MODELS.map((options) => {
            const candidate = new CoupledLinearModel(D, options, PRIOR);
            teach(candidate, items);
            return candidate.logEvidence;
          });
          const handicapped = evidences.map((evidence, i) => evidence + (i === 0 ? EVIDENCE_MARGIN : 0));
          expect(model.chosen).toBe(handicapped.indexOf(Math.max(...handicapped)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('chooses as if withdrawn observations had never been learned, in any order', () => {
    const random = seededRandom(4);
    const kept = observations(random, 60, level, 0.4);
    const fine = observations(random, 500, specialists, 0.1);
    const model = fresh();
    teach(model, fine);
    expect(model.chosen).toBe(2);
    teach(model, kept);
    teach(model, fine.reverse(), -1);
    const never = fresh();
    teach(never, kept);
    expect(model.chosen).toBe(0);
    const x = randomContext(D, random);
    for (const arm of ARMS) {
      expect(model.predict(arm, x).mean).toBeCloseTo(never.predict(arm, x).mean, 9);
      expect(model.predict(arm, x).sd).toBeCloseTo(never.predict(arm, x).sd, 9);
    }
  });

  it('restores choice and predictions bit-identically, and rejects another number of candidates', () => {
    const model = fresh();
    teach(model, observations(seededRandom(5), 400, specialists, 0.1));
    const copy = fresh();
    copy.restore(structuredClone(model.state()));
    expect(copy.chosen).toBe(2);
    const x = randomContext(D, seededRandom(6));
    for (const arm of ARMS) expect(copy.predict(arm, x)).toEqual(model.predict(arm, x));
    const state = structuredClone(model.state());
    state.candidates.pop();
    expect(() => fresh().restore(state)).toThrow(RangeError);
  });

  it('rejects non-finite values in all candidates alike', () => {
    const model = fresh();
    teach(model, observations(seededRandom(7), 20, level, 0.4));
    const before = structuredClone(model.state());
    expect(() => model.learn('a', randomContext(D, seededRandom(1)), Number.NaN, 1)).toThrow(RangeError);
    expect(() => model.learn('a', new Float64Array(D - 1), 1, 1)).toThrow(RangeError);
    expect(model.state()).toEqual(before);
  });
});
