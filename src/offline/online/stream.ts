import { bestSingle } from '../../recorded/baselines.ts';
import { type RecordedPrice, recordedOutcomes, recordedPrices } from '../../recorded/recorded-prices.ts';
import { derivedSeed, seededRandom, shuffled } from '../../util/random.ts';
import type { OnlineData } from '../online-data.ts';

export interface StreamQuery {
  context: Float64Array;
  /** Per model: quality in 0..1, and cost in USD. */
  quality: readonly number[];
  cost: readonly number[];
  /** Price of money in units of quality; the query's weight is 1 / (1 + ν). */
  nu: number;
}

/** One random order of a data set: the queries that the learner sees, and the scale of its results. */
export interface Stream {
  models: readonly string[];
  dimensions: number;
  queries: readonly StreamQuery[];
  /** Texts of the queries, in the same order. */
  texts: readonly string[];
  /** List prices, as the learner knows them. */
  prices: readonly RecordedPrice[];
  /** Position of the model with the best mean quality, that mean, and its mean cost in USD. */
  reference: number;
  bestQuality: number;
  referenceCost: number;
  seed: number;
}

/** This first part of the shuffled queries is the stream; the rest is held out. */
const STREAM_SHARE = 0.8;
const NU = { least: 0.02, most: 0.5 };

/** Seeds of the measured protocol: 1100, 1101, … */
export const FIRST_SEED = 1100;

/** Numbers of the independent random streams, by purpose. */
export const PURPOSE = { order: 0, prices: 1, choices: 2, raters: 3 };

/**
 * A random permutation, of which the first 80 % are used, with ν drawn log-uniformly from [0.02, 0.5] for each query.
 * @param seed any 32-bit integer
 */
export function streamOf(data: OnlineData, seed: number): Stream {
  const random = seededRandom(derivedSeed(seed, PURPOSE.order));
  const order = shuffled([...data.queries.keys()], random).slice(0, Math.floor(STREAM_SHARE * data.queries.length));
  if (data.models.length < 2) throw new Error(`${data.file} has one model: there is nothing to choose.`);
  if (order.length === 0) throw new Error(`${data.file}: ${data.queries.length} queries are too few for a stream.`);
  const recorded = order.map((index) => data.queries[index]);
  const best = bestSingle(recordedOutcomes(recorded));
  if (!(best.quality > 0))
    throw new Error(`${data.file}: no model scores anything, so shares of the best are undefined.`);
  const spread = Math.log(NU.most / NU.least);
  return {
    models: data.models,
    dimensions: data.dimensions,
    queries: order.map((index) => ({
      context: data.contexts[index],
      quality: data.queries[index].quality,
      cost: data.queries[index].cost,
      nu: NU.least * Math.exp(spread * random.uniform()),
    })),
    texts: recorded.map(({ text }) => text),
    prices: recordedPrices(
      { file: data.file, models: data.models, queries: recorded },
      derivedSeed(seed, PURPOSE.prices),
    ),
    reference: best.model,
    bestQuality: best.quality,
    referenceCost: best.cost,
    seed,
  };
}

/** q − ν c / c_ref in percent of the best model's mean quality. */
export function utility(stream: Stream, query: StreamQuery, model: number): number {
  const { quality, cost, nu } = query;
  return (100 * (quality[model] - (nu * cost[model]) / stream.referenceCost)) / stream.bestQuality;
}
