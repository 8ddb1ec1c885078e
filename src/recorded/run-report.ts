import {
  bestSingle,
  cheapestSingle,
  type Outcomes,
  oracle,
  type Result,
  randomChoice,
  resultOf,
  sliceOutcomes,
  staticMix,
} from './baselines.ts';

/** A result relative to the best single model of the whole run, on the same queries. */
export interface RelativeResult {
  /** Mean quality on [0, 1] and mean cost in USD per query. */
  quality: number;
  cost_usd: number;
  quality_ratio: number;
  cost_ratio: number;
}

export interface RunReport extends RelativeResult {
  queries: number;
  best_single_model: string;
  thirds: RelativeResult[];
  shares: Record<string, number>;
  baselines: {
    best_single: RelativeResult & { model: string };
    cheapest: RelativeResult & { model: string };
    random: RelativeResult;
    /**
     * The best random mix of at most two models at the run's mean cost; null when even the cheapest model costs more.
     */
    static_mix: (RelativeResult & { parts: Record<string, number> }) | null;
    oracle: RelativeResult;
  };
}

/**
 * Reports the results of a run, and what simple ways of choosing would have achieved on the same queries in the same
 * order.
 * @param models names in the order of the outcomes' columns
 * @param chosen per query, the column of the model that answered
 */
export function reportRun(models: readonly string[], outcomes: Outcomes, chosen: readonly number[]): RunReport {
  const queries = chosen.length;
  const best = bestSingle(outcomes);
  const cheapest = cheapestSingle(outcomes);
  const standing = (result: Result, reference: Result = best): RelativeResult => ({
    quality: result.quality,
    cost_usd: result.cost,
    quality_ratio: result.quality / reference.quality,
    cost_ratio: result.cost / reference.cost,
  });
  const own = resultOf(outcomes, (query) => chosen[query]);
  const mix = staticMix(outcomes, own.cost);
  const thirds = [0, 1, 2].map((third) => {
    const [from, to] = [Math.floor((third * queries) / 3), Math.floor(((third + 1) * queries) / 3)];
    const part = sliceOutcomes(outcomes, from, to);
    return standing(
      resultOf(part, (query) => chosen[from + query]),
      resultOf(part, () => best.model),
    );
  });
  return {
    queries,
    best_single_model: models[best.model],
    ...standing(own),
    thirds,
    shares: sharesOf(models, chosen),
    baselines: {
      best_single: { model: models[best.model], ...standing(best) },
      cheapest: { model: models[cheapest.model], ...standing(cheapest) },
      random: standing(randomChoice(outcomes)),
      static_mix: mix && {
        ...standing(mix),
        parts: Object.fromEntries(mix.parts.map(({ model, share }) => [models[model], share])),
      },
      oracle: standing(oracle(outcomes)),
    },
  };
}

/** Share of the queries that each model answered; models that answered none are listed with 0. */
export function sharesOf(models: readonly string[], chosen: readonly number[]): Record<string, number> {
  return Object.fromEntries(
    models.map((name, model) => [
      name,
      chosen.filter((choice) => choice === model).length / Math.max(1, chosen.length),
    ]),
  );
}
