/** Times the learner: a decision among 50 arms at d = 32, and the learning of a rating. `node bench/decision.ts` */
import { performance } from 'node:perf_hooks';
import { LinearPolicy } from '../src/bandit/linear-policy.ts';
import type { DecisionInput } from '../src/bandit/policy.ts';
import { type Random, seededRandom } from '../src/util/random.ts';

const ARMS = 50;
const DIMENSIONS = 32;
const RATINGS = 5000;
const ROUNDS = 3000;

const random = seededRandom(0x1234567);
const policy = new LinearPolicy(DIMENSIONS);
const arms = Array.from({ length: ARMS }, (_, i) => ({ arm: `arm-${i}`, price: 0.1 * 1.15 ** i }));
const offers = arms.map(({ arm, price }) => ({ arm, penalty: 0, cost: (tokens: number) => (tokens * price) / 1e6 }));

function context(source: Random): Float64Array {
  return Float64Array.from({ length: DIMENSIONS }, (_, i) => (i === 0 ? 1 : source.normal()));
}

/** Arms differ in level and in what they are good at, as models do. */
function reward(arm: number, x: Float64Array): number {
  const expectation = 0.6 + (0.3 * arm) / ARMS + 0.05 * x[1] + 0.03 * x[2 + (arm % 5)];
  return random.uniform() < expectation ? 1 : 0;
}

function rate(arm: number): void {
  const x = context(random);
  policy.learn({ kind: 'quality', arm: arms[arm].arm, context: x, reward: reward(arm, x), weight: 1 });
}

function answer(arm: number): void {
  const outputTokens = Math.round(300 * Math.exp(0.5 * random.normal()));
  const x = context(random);
  policy.learn({ kind: 'length', arm: arms[arm].arm, context: x, outputTokens, predictedTokens: 300, weight: 1 });
}

function decide(): void {
  const input: DecisionInput = {
    context: context(random),
    offers,
    weight: 0.8,
    reference: arms[ARMS - 1].arm,
    referenceCost: (here) => here ?? 0,
    exploration: 'thompson',
    random,
  };
  policy.decide(input);
}

/** Microseconds of the later half of the rounds, when the code is compiled. */
function time(title: string, work: () => void): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    work();
    times.push((performance.now() - start) * 1000);
  }
  const sorted = times.slice(ROUNDS / 2).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(0);
  console.log(`${title}: median ${at(0.5)} µs, 99th percentile ${at(0.99)} µs`);
}

const anyArm = () => Math.floor(random.uniform() * ARMS);
console.log(`${ARMS} arms, d = ${DIMENSIONS}, ${RATINGS} ratings and answers learned before`);
time('decide, nothing learned', decide);
for (let i = 0; i < RATINGS; i++) {
  rate(anyArm());
  answer(anyArm());
}
time('decide', decide);
time('learn a rating', () => rate(anyArm()));
time('learn an answer', () => answer(anyArm()));
