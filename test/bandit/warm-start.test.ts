import { describe, expect, it } from 'vitest';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { formatWarmStart, parseWarmStart } from '../../src/bandit/warm-start.ts';
import { seededRandom } from '../../src/util/random.ts';
import { predictions, randomContext, randomObservations } from './support.ts';

const D = 6;
const ARMS = ['a', 'b', 'c'];
const random = seededRandom(3);
const [first, second] = [randomObservations(ARMS, D, 200, random), randomObservations(ARMS, D, 50, random)];
const x = randomContext(D, random);

function taught(...lots: (typeof first)[]): LinearPolicy {
  const policy = new LinearPolicy(D);
  for (const lot of lots) policy.learnAll(lot);
  return policy;
}

const file = (policy: LinearPolicy) =>
  formatWarmStart(
    { featureMap: 'map', dimensions: D, command: 'c', decisions: ['d'], sums: policy.sums() },
    new Date(0),
    [],
  );

describe('a warm start', () => {
  it('equals learning its observations first, also when read from its file', () => {
    const together = predictions(taught(first, second), ARMS, x);
    const policy = new LinearPolicy(D);
    policy.addSums(parseWarmStart(file(taught(first))).sums);
    for (const observation of second) policy.learn(observation);
    for (const [i, { quality, qualitySd, outputTokens }] of predictions(policy, ARMS, x).entries()) {
      expect(quality).toBeCloseTo(together[i].quality, 9);
      expect(qualitySd).toBeCloseTo(together[i].qualitySd, 9);
      expect(outputTokens / together[i].outputTokens).toBeCloseTo(1, 9);
    }
    expect(policy.ratingsOf('a')).toBe(taught(first, second).ratingsOf('a'));
  });

  it('is read from its file bit-identically', () => {
    const policy = taught(first);
    const { sums, ...rest } = parseWarmStart(file(policy));
    expect(sums).toEqual(policy.sums());
    expect(rest).toEqual({ featureMap: 'map', dimensions: D, command: 'c', decisions: ['d'] });
  });

  it('accepts a model called "constructor" and one without known lengths', () => {
    const rated = randomObservations(['constructor'], D, 20, random).filter(({ kind }) => kind === 'quality');
    const { sums } = parseWarmStart(file(taught(rated)));
    expect(sums).toEqual(taught(rated).sums());
    expect([...sums.quality.keys(), ...sums.length.keys()]).toEqual(['constructor']);
  });

  it('is read without the length correction from a file of an earlier version', () => {
    const old = JSON.parse(file(taught(first)));
    for (const arm of ARMS) old.arms[arm].correction = { ratios: 60, count: 50 };
    expect(parseWarmStart(JSON.stringify(old)).sums).toEqual({ ...taught(first).sums(), correction: {} });
  });

  it('rejects files and sums that do not fit', () => {
    const text = file(taught(first));
    const edited = (edit: (value: ReturnType<typeof JSON.parse>) => void) => {
      const value = JSON.parse(text);
      edit(value);
      return () => parseWarmStart(JSON.stringify(value));
    };
    expect(edited((value) => void value.arms.a.quality.response.pop())).toThrow(/a vector has 5 numbers instead of 6/);
    expect(edited((value) => void value.arms.a.length.precision_rows.pop())).toThrow(/5 rows instead of 6/);
    expect(edited((value) => Object.assign(value, { format: 'x' }))).toThrow(/format is not mixllm-arms-1/);
    const damaged = { actual: -1, predicted: 300, count: 1 };
    expect(edited((value) => Object.assign(value.arms.a, { correction: damaged }))).toThrow(/^arms\.a\.correction/);
    expect(() => parseWarmStart('{')).toThrow(SyntaxError);
    const policy = new LinearPolicy(D + 1);
    expect(() => policy.addSums(parseWarmStart(text).sums)).toThrow(RangeError);
  });
});
