import { expect, it } from 'vitest';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { priorAnew } from '../../src/bandit/prior-anew.ts';
import { derivedSeed, seededRandom } from '../../src/util/random.ts';
import { predictions, randomContext } from './support.ts';

it.each([1, 2, 5])('priorAnew leaves what is expected of one of %i arms, and lets go how sure that was', (arms) => {
  const random = seededRandom(derivedSeed(arms, 9));
  const policy = new LinearPolicy(6);
  const ids = Array.from({ length: arms }, (_, i) => `arm${i}`);
  policy.setPriorQualities(new Map([['arm0', 0.7]]));
  for (let i = 0; i < 300; i++) {
    const context = randomContext(6, random);
    const arm = ids[i % arms];
    const reward = 0.6 + 0.2 * context[1] - 0.1 * context[2] + 0.2 * random.normal();
    policy.learn({ kind: 'quality', arm, context, reward, weight: 1 });
  }
  const state = JSON.stringify(policy.state());
  const expected = policy.coefficients('arm0');
  const prior = priorAnew(policy, 'arm0', 0.01);
  expect(JSON.stringify(policy.state())).toBe(state);

  const mean = Float64Array.of(1, 0, 0, 0, 0, 0);
  const [before] = predictions(policy, ['arm0'], mean);
  policy.temper('arm0', 0.01);
  policy.beginFrom('arm0', prior);
  policy.coefficients('arm0').forEach((value, i) => void expect(Math.abs(value - expected[i])).toBeLessThan(5e-3));
  const [after] = predictions(policy, ['arm0'], mean);
  expect(after.qualitySd).toBeGreaterThan(2 * before.qualitySd);
  expect(after.qualitySd).toBeGreaterThan(0.12);
});
