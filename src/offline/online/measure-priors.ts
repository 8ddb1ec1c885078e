import type { LinearPolicy } from '../../bandit/linear-policy.ts';
import type { Arm, Tier } from '../../domain/arm.ts';
import { priorQualities, priorSlopes } from '../../routing/priors.ts';
import { derivedSeed, seededRandom } from '../../util/random.ts';
import { mean } from '../../util/statistics.ts';
import { sumsOf } from '../arms/train-arms.ts';
import { observationsOf } from '../evaluate/production.ts';
import { PURPOSE, type Stream, utility } from './stream.ts';
import { StreamLearner, type StreamLearnerOptions } from './stream-learner.ts';

/** What is known about the models before the first query. */
export const PRIOR_WAYS = {
  flat: 'the same for all (0.85)',
  price: 'by list price (no `prior`)',
  tiers: 'tier, level alone',
  slopes25: 'tier, a quarter of its slopes (what `prior` gives)',
  slopes50: 'tier, half of its slopes',
  slopes100: 'tier, all of its slopes',
  quality: '`{ quality }`, the true mean',
  warm50: 'warm start, 50 queries',
  warm300: 'warm start, 300 queries',
} as const;
export type PriorWay = keyof typeof PRIOR_WAYS;

/** Number of queries that are answered and scored. Warm starts are recorded on the queries after them. */
const SCORED = 500;
const RECORDED = { warm50: 50, warm300: 300 };
/** Without drift alarms, because the recorded qualities do not drift. */
const LEARNER: StreamLearnerOptions = { kind: 'production', driftAlarms: false, guard: null };
const SLOPE_SHARES = { tiers: 0, slopes25: 0.25, slopes50: 0.5, slopes100: 1 };

/** What is known about tiers. */
export interface TierKnowledge {
  /** By model. */
  tiers: Readonly<Record<string, Tier>>;
  /** As learned: each has length d, and its first element is 0. */
  slopes: ReadonlyMap<Tier, Float64Array>;
}

/**
 * Mean utility in percent over the first 500 queries of the stream, for a learner that starts with this prior.
 * @throws Error for a model without a tier, or a stream that is too short
 */
export function measurePrior(stream: Stream, way: PriorWay, known: TierKnowledge): number {
  if (stream.queries.length < SCORED + RECORDED.warm300) throw new Error('The stream is too short.');
  const learner = new StreamLearner(LEARNER, stream, seededRandom(derivedSeed(stream.seed, PURPOSE.choices)));
  prepare(learner.policy, stream, way, known);
  const all = [...stream.models.keys()];
  return mean(
    stream.queries.slice(0, SCORED).map((query) => {
      const made = learner.decide(query, query.nu, all);
      const model = stream.models.indexOf(made.assessments[made.chosen].arm);
      learner.learnAnswer(query, model, made);
      learner.learnRating(query, model, query.quality[model]);
      return utility(stream, query, model);
    }),
  );
}

/**
 * Sets the priors. For `price` there is nothing to do, because the stream's learner starts with priors by list price.
 */
function prepare(policy: LinearPolicy, stream: Stream, way: PriorWay, { tiers, slopes }: TierKnowledge): void {
  const arms = stream.models.map((id, i): Pick<Arm, 'id' | 'price' | 'prior'> => {
    const price = { input: 0, cachedInput: 0, cacheWrite: 0, output: stream.prices[i].output };
    return { id, price, prior: tierOf(id, tiers) };
  });
  if (way === 'flat') policy.setPriorQualities(new Map());
  else if (way === 'quality') {
    policy.setPriorQualities(
      new Map(stream.models.map((id, i) => [id, mean(stream.queries.map(({ quality }) => quality[i]))])),
    );
  } else if (way === 'warm50' || way === 'warm300') {
    const recorded = stream.queries.slice(SCORED, SCORED + RECORDED[way]);
    const observations = recorded.flatMap((query) => observationsOf(query, stream.models, stream.prices));
    policy.addSums(sumsOf(observations, stream.dimensions));
  } else if (way !== 'price') {
    policy.setPriorQualities(priorQualities(arms), priorSlopes(arms, scaled(slopes, SLOPE_SHARES[way])));
  }
}

function tierOf(model: string, tiers: Readonly<Record<string, Tier>>): Tier {
  const tier = tiers[model];
  if (!tier) throw new Error(`${model} has no tier.`);
  return tier;
}

function scaled(slopes: TierKnowledge['slopes'], share: number): Map<Tier, Float64Array> {
  return new Map([...slopes].map(([tier, values]) => [tier, values.map((value) => share * value)]));
}
