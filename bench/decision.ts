/**
 * `npm run bench:decision`: how long the gateway needs to decide, with 10 and 50 arms. Times the path from the text of
 * a query of about 200 tokens to the chosen arm, the parts of it for features and for arms, and the learning of a
 * rating and of an answer.
 */
import { performance } from 'node:perf_hooks';
import type { Arm } from '../src/domain/arm.ts';
import type { ChatBody } from '../src/domain/chat.ts';
import { type Features, Featurizer } from '../src/features/featurizer.ts';
import { LexicalEmbedder } from '../src/features/lexical-embedder.ts';
import { LearnerState } from '../src/gateway/learning/learner-state.ts';
import { Breakers } from '../src/routing/breaker.ts';
import { Load } from '../src/routing/load.ts';
import { RateLimits } from '../src/routing/rate-limits.ts';
import { Router } from '../src/routing/router.ts';
import { Silence } from '../src/routing/silence.ts';
import { systemClock } from '../src/util/clock.ts';
import { seededRandom } from '../src/util/random.ts';
import { prompts } from './support/prompts.ts';
import { quantile } from './support/quantile.ts';

const RATINGS = 5000;
const ROUNDS = 3000;
const LATENCY = { budgetS: 30, beta: 0.25, gamma: 4, xi: 0.5, cap: 100 };

const random = seededRandom(0x1234567);
const featurizer = new Featurizer(new LexicalEmbedder());
const bodies = prompts(1000).map((content): ChatBody => ({ model: 'auto', messages: [{ role: 'user', content }] }));
const someBody = () => bodies[Math.floor(random.uniform() * bodies.length)];
const contexts = await Promise.all(bodies.map((body) => featurizer.featurize(body)));
const someContext = () => contexts[Math.floor(random.uniform() * contexts.length)];

function armOf(index: number): Arm {
  const price = 0.1 * 1.15 ** index;
  return {
    id: `arm-${index}`,
    provider: 'bench',
    upstreamModel: 'bench',
    price: { input: price, cachedInput: price, cacheWrite: price, output: 4 * price },
    contextWindow: null,
    maxOutputTokens: null,
    capabilities: [],
    unsupportedForms: [],
    maxConcurrency: 100,
    prior: null,
    timeouts: { connectMs: 1000, firstByteMs: 1000, idleMs: 1000, totalMs: 10_000 },
  };
}

/**
 * Prints the median and the 99th percentile of the second half of the rounds, when the code has been compiled.
 * @param before called before each round, not timed
 */
async function time(title: string, work: () => unknown, before: () => void = () => {}): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    before();
    const start = performance.now();
    const result = work();
    if (result instanceof Promise) await result;
    times.push((performance.now() - start) * 1000);
  }
  const at = (share: number) => quantile(times.slice(ROUNDS / 2), share).toFixed(0);
  console.log(`  ${title}: median ${at(0.5)} µs, 99th percentile ${at(0.99)} µs`);
}

async function measure(count: number): Promise<void> {
  const arms = Array.from({ length: count }, (_, i) => armOf(i));
  const state = new LearnerState(featurizer.featureMap, featurizer.dimensions);
  const { policy } = state;
  const conditions = {
    load: new Load(),
    breakers: new Breakers(systemClock, { failures: 5, cooldownMs: 1000 }, () => {}),
    rateLimits: new RateLimits(systemClock),
    silence: new Silence(systemClock),
  };
  const options = {
    arms,
    reference: arms[count - 1].id,
    exploration: 'thompson' as const,
    latency: LATENCY,
    launch: { tries: 30, budgetUsd: 1 },
    patienceS: 5,
    guard: null,
    budget: null,
  };
  const router = new Router(options, () => state, conditions, random);
  const route = ({ context, profile, tag }: Features) =>
    router.decide({
      context,
      profile,
      tag,
      requested: null,
      allowed: null,
      stayWith: null,
      weight: 0.8,
      weightFrom: 'config',
      now: Date.now(),
    });
  const anyArm = () => Math.floor(random.uniform() * count);
  /** Arms differ in level and in what they are good at, as models do. */
  const rate = (arm: number) => {
    const context = Float64Array.from(someContext().context.values);
    const expectation = 0.6 + (0.3 * arm) / count + 0.05 * context[1] + 0.03 * context[2 + (arm % 5)];
    const reward = random.uniform() < expectation ? 1 : 0;
    policy.learn({ kind: 'quality', arm: arms[arm].id, context, reward, weight: 1 });
  };
  const answer = (arm: number) => {
    const context = Float64Array.from(someContext().context.values);
    const outputTokens = Math.round(300 * Math.exp(0.5 * random.normal()));
    policy.learn({ kind: 'length', arm: arms[arm].id, context, outputTokens, predictedTokens: 300, weight: 1 });
  };
  console.log(`${count} arms, d = ${featurizer.dimensions}`);
  await time('decide with nothing learned', () => route(someContext()));
  for (let i = 0; i < RATINGS; i++) {
    rate(anyArm());
    answer(anyArm());
  }
  console.log(`  after ${RATINGS} ratings and answers:`);
  await time('from text to chosen arm', async () => route(await featurizer.featurize(someBody())));
  await time('  of that, the features', () => featurizer.featurize(someBody()));
  await time('  of that, the arms', () => route(someContext()));
  await time(
    '  the arms, just after learning an answer',
    () => route(someContext()),
    () => answer(anyArm()),
  );
  await time(
    '  the arms, just after learning a rating',
    () => route(someContext()),
    () => rate(anyArm()),
  );
  await time('learn a rating', () => rate(anyArm()));
  await time('learn an answer', () => answer(anyArm()));
}

for (const count of [10, 50]) await measure(count);
