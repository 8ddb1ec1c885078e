import { derivedSeed, type Random, seededRandom, shuffled } from '../util/random.ts';
import type { Outcomes } from './baselines.ts';
import type { RecordedData, RecordedQuery } from './recorded-outcomes.ts';

/** The price of a recorded model as configured in the gateway. */
export interface RecordedPrice {
  model: string;
  /**
   * USD per million tokens. Input is free, so the recorded cost of an answer is represented by its output tokens alone.
   */
  input: 0;
  /** USD per million tokens, above 0. */
  output: number;
}

/** Output tokens of an answer that costs the list price: the length model's prediction for a model without data. */
export const TOKENS_PER_ANSWER = 300;

/** Spread of list prices around what answers really cost (BANDIT.md, Evidence). */
const LIST_PRICE_LOG_SD = 0.3;

/**
 * List prices according to the measured protocol: a model's price is its mean cost × exp(0.3 N(0, 1)), and an answer of
 * usual length costs exactly that, so that a gateway starts where the protocol's learner starts.
 *
 * Costs are reproduced by whole tokens: the sum over a model's answers is accurate to 0.02 %, and the cost of every
 * answer of at least 150 tokens to a third of a percent. An answer far below its model's mean cost has few tokens and
 * is coarser (10 % at 4 tokens, the extreme of our files). Ten times the tokens would be ten times as fine, but the
 * answers would no longer have the length that the learner's prior expects. Therefore, score runs by the recorded cost
 * itself.
 * @param seed any 32-bit integer
 * @throws Error for a model that never costs anything
 */
export function recordedPrices(data: Pick<RecordedData, 'file' | 'models' | 'queries'>, seed: number): RecordedPrice[] {
  const random = seededRandom(derivedSeed(seed, 0));
  return data.models.map((model, index) => {
    const meanCost = data.queries.reduce((sum, query) => sum + query.cost[index], 0) / data.queries.length;
    if (!(meanCost > 0)) throw new Error(`${data.file}: ${model} costs nothing on any query, so it has no price.`);
    return {
      model,
      input: 0,
      output: ((meanCost * Math.exp(LIST_PRICE_LOG_SD * random.normal())) / TOKENS_PER_ANSWER) * 1e6,
    };
  });
}

/**
 * Number of output tokens for which an answer at this price costs what was recorded: at least 1, or 0 if it was free.
 * @param cost USD
 */
export function recordedOutputTokens(price: Pick<RecordedPrice, 'output'>, cost: number): number {
  return cost === 0 ? 0 : Math.max(1, Math.round((cost * 1e6) / price.output));
}

/** Queries in random order, then cut to `limit`: files are often sorted by task. */
export function shuffledQueries(data: RecordedData, random: Random, limit?: number): RecordedQuery[] {
  return shuffled(data.queries, random).slice(0, limit);
}

/** The queries in the form that the baselines take, in the given order. */
export function recordedOutcomes(queries: readonly RecordedQuery[]): Outcomes {
  return { quality: queries.map((query) => query.quality), cost: queries.map((query) => query.cost) };
}
