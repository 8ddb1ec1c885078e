import { describe, expect, it } from 'vitest';
import { LENGTH_CORRECTION, LENGTH_MODEL, PRIOR_LOG_LENGTH } from '../../src/bandit/defaults.ts';
import { LengthModel, type LengthObservation, lengthBeyond } from '../../src/bandit/length-model.ts';
import { normalCdf } from '../../src/util/normal-distribution.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { randomContext } from './support.ts';

const D = 4;
const X = Float64Array.of(1, 0.5, -1, 0);

function lengths(random: Random, count: number, predictedTokens: number | null = 300): LengthObservation[] {
  return Array.from({ length: count }, () => ({
    kind: 'length' as const,
    arm: random.uniform() < 0.5 ? 'a' : 'b',
    context: randomContext(D, random),
    outputTokens: Math.ceil(900 * random.uniform()),
    predictedTokens,
    weight: 1,
  }));
}

function taught(observations: readonly LengthObservation[]): LengthModel {
  const model = new LengthModel(D);
  for (const observation of observations) model.learn(observation);
  return model;
}

/** Predicted lengths of both arms, in logarithms, before and after the correction. */
function predictions(model: LengthModel): number[] {
  return ['a', 'b'].flatMap((arm) => {
    const { modelOutputTokens, outputTokens } = model.predict(arm, X);
    expect(model.modelOutputTokens(arm, X)).toBe(modelOutputTokens);
    return [Math.log(modelOutputTokens), Math.log(outputTokens)];
  });
}

function expectClose(model: LengthModel, other: LengthModel): void {
  const expected = predictions(other);
  predictions(model).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], 9);
  });
}

describe('LengthModel', () => {
  it('begins with the prior for every arm and context', () => {
    for (const value of predictions(new LengthModel(D))) expect(value).toBeCloseTo(PRIOR_LOG_LENGTH, 12);
  });

  it("multiplies by the arm's running ratio of actual to predicted tokens, where there was a prediction", () => {
    const observations = lengths(seededRandom(1), 30).map((observation, i) => ({
      ...observation,
      predictedTokens: 100 * (1 + (i % 5)),
    }));
    const model = taught(observations);
    const ofArm = observations.filter(({ arm }) => arm === 'a');
    const total = (key: 'outputTokens' | 'predictedTokens') => ofArm.reduce((sum, one) => sum + one[key], 0);
    const ratio = total('outputTokens') / total('predictedTokens');
    const { priorCount } = LENGTH_CORRECTION;
    const { modelOutputTokens, outputTokens } = model.predict('a', X);
    const expected = (priorCount + ofArm.length * ratio) / (priorCount + ofArm.length);
    expect(outputTokens / modelOutputTokens).toBeCloseTo(expected, 12);
    const unpredicted = taught(lengths(seededRandom(1), 30, null)).predict('a', X);
    expect(unpredicted.outputTokens).toBe(unpredicted.modelOutputTokens);
    expect(unpredicted.modelOutputTokens).toBe(modelOutputTokens);
  });

  it('goes by the newest answers', () => {
    const answers = (count: number, outputTokens: number) =>
      lengths(seededRandom(6), count).map((one) => ({ ...one, arm: 'a', outputTokens }));
    const ratio = (observations: readonly LengthObservation[]) => {
      const { modelOutputTokens, outputTokens } = taught(observations).predict('a', X);
      return outputTokens / modelOutputTokens;
    };
    const { priorCount, mostCount } = LENGTH_CORRECTION;
    const settled = (priorCount + 2 * mostCount) / (priorCount + mostCount);
    expect(ratio(answers(1000, 600))).toBeCloseTo(settled, 9);
    expect(ratio([...answers(1000, 30), ...answers(300, 600)])).toBeCloseTo(settled, 2);
  });

  // The prior expects 300 tokens.
  it.each([100, 300, 1000, 3000])('expects about %i tokens after twenty answers of that many', (tokens) => {
    const dimensions = 30;
    const random = seededRandom(7);
    const sums = { early: [0, 0], late: [0, 0] };
    for (let run = 0; run < 20; run++) {
      const model = new LengthModel(dimensions);
      const slopes = Array.from({ length: dimensions }, () => 0.08 * random.normal());
      for (let answer = 0; answer < 200; answer++) {
        const context = randomContext(dimensions, random);
        const log = Math.log(tokens) + context.reduce((sum, x, i) => (i === 0 ? sum : sum + slopes[i] * x), 0);
        const { modelOutputTokens, outputTokens } = model.predict('a', context);
        const range = answer < 20 ? null : answer < 100 ? 'early' : 'late';
        if (range) {
          sums[range][0] += outputTokens;
          sums[range][1] += Math.exp(log + LENGTH_MODEL.noiseVariance / 2);
        }
        const seen = Math.ceil(Math.exp(log + Math.sqrt(LENGTH_MODEL.noiseVariance) * random.normal()));
        const learned = { outputTokens: seen, predictedTokens: modelOutputTokens, weight: 1 };
        model.learn({ kind: 'length', arm: 'a', context, ...learned });
      }
    }
    expect(Math.abs(Math.log(sums.early[0] / sums.early[1]))).toBeLessThan(0.25);
    expect(Math.abs(Math.log(sums.late[0] / sums.late[1]))).toBeLessThan(0.1);
  });

  it("learns the same one by one, in a batch, with later corrections, or from another model's sums", () => {
    const observations = lengths(seededRandom(2), 40);
    const oneByOne = taught(observations);
    const together = new LengthModel(D);
    together.learnAll(observations);
    expectClose(together, oneByOne);
    const later = taught(observations.map((observation) => ({ ...observation, predictedTokens: null })));
    later.learnCorrections(observations);
    expectClose(later, oneByOne);
    const added = taught(observations.slice(0, 15));
    added.addSums(taught(observations.slice(15)).sums());
    expectClose(added, oneByOne);
  });

  it('tempers as if every observation had less weight, and forgets as if there had been none', () => {
    const observations = lengths(seededRandom(3), 40);
    const model = taught(observations);
    model.temper('a', 0.25);
    expectClose(model, taught(observations.map((one) => (one.arm === 'a' ? { ...one, weight: 0.25 } : one))));
    model.forget('a');
    expectClose(model, taught(observations.filter(({ arm }) => arm !== 'a')));
  });

  it('expects a positive length even if an answer is taken back that counted for more than is left of it', () => {
    const of = (outputTokens: number, weight: number): LengthObservation => {
      return { kind: 'length', arm: 'a', context: X, outputTokens, predictedTokens: 300, weight };
    };
    const model = new LengthModel(D);
    model.learnCorrections([of(6000, 1), ...Array.from({ length: 200 }, () => of(10, 1)), of(6000, -1)]);
    const { modelOutputTokens, outputTokens } = model.predict('a', X);
    expect(outputTokens / modelOutputTokens).toBeGreaterThan(0);
    expect(outputTokens / modelOutputTokens).toBeLessThan(0.2);
    // The other way round, 80 times the prediction would be left.
    const other = new LengthModel(D);
    other.learnCorrections([of(6000, 1), of(6000, 1), of(1, -1.5)]);
    const long = other.predict('a', X);
    expect(long.outputTokens / long.modelOutputTokens).toBeCloseTo((5 + 0.5 * 20) / 5.5, 9);
  });

  it('never expects an answer of more than a million tokens', () => {
    const endless = lengths(seededRandom(4), 50).map((one) => ({ ...one, outputTokens: 1e12, predictedTokens: 1e6 }));
    expect(taught(endless).predict('a', X)).toEqual({ modelOutputTokens: 1e6, outputTokens: 1e6 });
  });

  it('restores bit-identical predictions, and rejects a mismatched state', () => {
    const model = taught(lengths(seededRandom(5), 40));
    const copy = new LengthModel(D);
    copy.restore(structuredClone(model.state()));
    expect(predictions(copy)).toEqual(predictions(model));
    expect(() => new LengthModel(D + 1).restore(structuredClone(model.state()))).toThrow(RangeError);
    expect(() => model.predict('a', X.slice(1))).toThrow(RangeError);
  });
});

describe('an answer cut off by a limit', () => {
  const variance = LENGTH_MODEL.noiseVariance;

  it('teaches what the likelihood of a longer answer implies, to second order', () => {
    const logLikelihood = (tokens: number, log: number) =>
      Math.log(normalCdf((log - Math.log(tokens)) / Math.sqrt(variance)));
    for (const tokens of [20, 100, 300, 900, 3000]) {
      const { outputTokens, weight } = lengthBeyond(tokens, 300);
      const [at, h] = [Math.log(300), 1e-3];
      const [below, here, above] = [-h, 0, h].map((step) => logLikelihood(tokens, at + step));
      const slope = (weight * (Math.log(outputTokens) - at)) / variance;
      expect(slope / ((above - below) / (2 * h))).toBeCloseTo(1, 3);
      expect(weight / variance / ((2 * here - above - below) / h ** 2)).toBeCloseTo(1, 3);
    }
  });

  it('teaches nothing if far more was predicted, and its own length if far less was', () => {
    expect(lengthBeyond(1, 300).weight).toBeLessThan(1e-20);
    for (const tokens of [1e6, 1e9]) {
      const { outputTokens, weight } = lengthBeyond(tokens, 1);
      expect([Math.log(outputTokens) / Math.log(tokens), weight]).toEqual([expect.closeTo(1, 2), expect.closeTo(1, 2)]);
    }
  });

  it('leaves the prediction of complete answers correct, even if half of them are cut off', () => {
    const random = seededRandom(5);
    const model = new LengthModel(D);
    let sum = 0;
    for (let i = 0; i < 2000; i++) {
      const whole = Math.ceil(800 * Math.exp(0.5 * random.normal()));
      sum += whole;
      const limit = i % 2 === 0 ? 600 : Number.POSITIVE_INFINITY;
      const predictedTokens = model.modelOutputTokens('a', X);
      const seen = whole > limit ? lengthBeyond(limit, predictedTokens) : { outputTokens: whole, weight: 1 };
      model.learn({ kind: 'length', arm: 'a', context: X, predictedTokens, ...seen });
    }
    expect(Math.abs(model.predict('a', X).outputTokens / (sum / 2000) - 1)).toBeLessThan(0.05);
  });
});
