import { mean } from '../util/statistics.ts';

/** What every model scored and cost on every query: `quality[query][model]` in 0..1, `cost[query][model]` in USD. */
export interface Outcomes {
  quality: readonly (readonly number[])[];
  cost: readonly (readonly number[])[];
}

/** Means per query over a run. */
export interface Result {
  /** 0..1 */
  quality: number;
  /** USD */
  cost: number;
}

export interface SingleModel extends Result {
  /** Position of the model. */
  model: number;
}

export interface Mix extends Result {
  /** One or two models and the share of the queries that each answers; the shares add up to 1. */
  parts: { model: number; share: number }[];
}

/** For each model, the mean quality and cost of always using it. */
export function singleModels(outcomes: Outcomes): SingleModel[] {
  const models = outcomes.quality[0]?.length ?? 0;
  return Array.from({ length: models }, (_, model) => ({ model, ...resultOf(outcomes, () => model) }));
}

/**
 * Always the model with the best mean quality; the cheapest of them if several are equal.
 * @param outcomes at least one query
 */
export function bestSingle(outcomes: Outcomes): SingleModel {
  return best(singleModels(outcomes), (a, b) => b.quality - a.quality || a.cost - b.cost);
}

/**
 * Always the model with the lowest mean cost; the best of them if several are equal.
 * @param outcomes at least one query
 */
export function cheapestSingle(outcomes: Outcomes): SingleModel {
  return best(singleModels(outcomes), (a, b) => a.cost - b.cost || b.quality - a.quality);
}

/** Every model equally often: the expected value of a random choice. */
export function randomChoice(outcomes: Outcomes): Result {
  const singles = singleModels(outcomes);
  return { quality: mean(singles.map((single) => single.quality)), cost: mean(singles.map((single) => single.cost)) };
}

/**
 * The best result that is possible at this mean cost without looking at the queries: each goes to one of at most two
 * models at random. Mixing more models does no better, because the upper hull of points in a plane consists of edges.
 * Null when even the cheapest model costs more.
 * @param meanCost USD per query; less is spent when more money gains nothing
 */
export function staticMix(outcomes: Outcomes, meanCost: number): Mix | null {
  const singles = singleModels(outcomes);
  const affordable = singles.filter((single) => single.cost <= meanCost);
  if (affordable.length === 0) return null;
  const mixes = affordable.flatMap((low): Mix[] => [
    { quality: low.quality, cost: low.cost, parts: [{ model: low.model, share: 1 }] },
    ...singles.filter((high) => high.cost > meanCost).map((high) => mixOf(low, high, meanCost)),
  ]);
  return best(mixes, (a, b) => b.quality - a.quality || a.cost - b.cost);
}

function mixOf(low: SingleModel, high: SingleModel, cost: number): Mix {
  const share = (cost - low.cost) / (high.cost - low.cost);
  return {
    quality: low.quality + share * (high.quality - low.quality),
    cost,
    parts: [
      { model: low.model, share: 1 - share },
      { model: high.model, share },
    ],
  };
}

/**
 * Each query goes to the model that answered it best (the cheapest of them if several did): no router can have a better
 * quality.
 */
export function oracle(outcomes: Outcomes): Result {
  return utilityOracle(outcomes, 0, 1);
}

/**
 * Each query goes to the model with the best quality − ν · cost / referenceCost (the cheapest of them if several are
 * equal): no router can have a better utility.
 * @param nu price of money in quality, 0 or more; (1 − w) / w for the weight w
 * @param referenceCost mean cost of the reference model in USD, above 0
 */
export function utilityOracle(outcomes: Outcomes, nu: number, referenceCost: number): Result {
  return resultOf(outcomes, (query) => {
    const [quality, cost] = [outcomes.quality[query], outcomes.cost[query]];
    const utility = (model: number) => quality[model] - (nu * cost[model]) / referenceCost;
    return best([...quality.keys()], (a, b) => utility(b) - utility(a) || cost[a] - cost[b]);
  });
}

/**
 * What a run really achieved.
 * @param choose returns the position of the model that answered the query at the given position
 */
export function resultOf(outcomes: Outcomes, choose: (query: number) => number): Result {
  const choices = outcomes.quality.map((_, query) => choose(query));
  return {
    quality: mean(choices.map((model, query) => outcomes.quality[query][model])),
    cost: mean(choices.map((model, query) => outcomes.cost[query][model])),
  };
}

/** The queries from position `from` up to but not including `to`. */
export function sliceOutcomes(outcomes: Outcomes, from: number, to: number): Outcomes {
  return { quality: outcomes.quality.slice(from, to), cost: outcomes.cost.slice(from, to) };
}

/**
 * The item that comes first according to `order`.
 * @param items at least one
 */
function best<T>(items: readonly T[], order: (a: T, b: T) => number): T {
  return items.reduce((winner, item) => (order(item, winner) < 0 ? item : winner));
}
