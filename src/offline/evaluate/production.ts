import { type CoupledModelOptions, PRIOR_QUALITY, QUALITY_MODELS } from '../../bandit/defaults.ts';
import { LinearPolicy, type LinearPolicyOptions } from '../../bandit/linear-policy.ts';
import type { Observation, Offer, OfferAssessment } from '../../bandit/policy.ts';
import { recordedOutputTokens, TOKENS_PER_ANSWER } from '../../recorded/recorded-prices.ts';
import { priorQualities } from '../../routing/priors.ts';
import { seededRandom } from '../../util/random.ts';
import type { EvaluationRow, Predictor, Split } from './predictor.ts';
import { matrixOf, type Outlook } from './trade-off.ts';

/**
 * The gateway's own policy class, taught the training rows as a warm start would teach it. Each model's price is set
 * so that its mean answer costs what it did. The predictions are what the gateway would score.
 */
function productionPredictor(name: string, title: string, options?: LinearPolicyOptions): Predictor {
  // Cached because the shuffled control asks for the same predictions.
  const known = new WeakMap<Split, Outlook>();
  return {
    name,
    title,
    isBaseline: false,
    predict(split) {
      const before = known.get(split);
      if (before) return before;
      const learned = new TaughtPolicy(split, options);
      const assessed = split.test.map(({ context }) => learned.assess(context));
      const predicted = {
        quality: matrixOf(assessed.map((arms) => arms.map(({ quality }) => quality))),
        cost: matrixOf(assessed.map((arms) => arms.map(({ costUsd }) => costUsd))),
      };
      known.set(split, predicted);
      return predicted;
    },
  };
}

class TaughtPolicy {
  readonly #policy: LinearPolicy;
  readonly #offers: Offer[];

  constructor({ models, dimensions, train }: Split, options?: LinearPolicyOptions) {
    this.#policy = new LinearPolicy(dimensions, options);
    const prices = models.map((_, k) => {
      const meanCost = train.reduce((sum, { cost }) => sum + cost[k], 0) / train.length;
      return { input: 0, cachedInput: 0, cacheWrite: 0, output: (meanCost / TOKENS_PER_ANSWER) * 1e6 };
    });
    this.#policy.setPriorQualities(priorQualities(models.map((id, k) => ({ id, price: prices[k], prior: null }))));
    this.#offers = models.map((arm, k) => ({
      arm,
      cost: (tokens) => (tokens * prices[k].output) / 1e6,
      penalty: 0,
    }));
    teachRows(this.#policy, models, prices, train, (context) => this.assess(context));
  }

  assess(context: Float64Array): OfferAssessment[] {
    return this.#policy.decide({
      context,
      offers: this.#offers,
      weight: 0.5,
      reference: '',
      referenceCost: () => 1,
      exploration: 'none',
      random: seededRandom(0),
    }).assessments;
  }
}

/**
 * A warm start: every model's quality and length on every row, solved once.
 * @param prices per model, USD per million output tokens
 * @param assess the policy's assessments of every model, in order
 */
export function teachRows(
  policy: LinearPolicy,
  models: readonly string[],
  prices: readonly { output: number }[],
  rows: readonly EvaluationRow[],
  assess: (context: Float64Array) => readonly OfferAssessment[],
): void {
  const lengths = (predicted: (row: EvaluationRow, arm: number) => number | null) =>
    rows.flatMap((row) => models.map((arm, k) => lengthOf(arm, row, k, prices[k], predicted(row, k))));
  policy.learnAll([
    ...rows.flatMap(({ context, quality }) =>
      models.map((arm, k): Observation => ({ kind: 'quality', arm, context, reward: quality[k], weight: 1 })),
    ),
    ...lengths(() => null).filter((observation) => observation !== null),
  ]);
  // The bias that exp() of the mean logarithm leaves is estimated on the same rows.
  const fitted = new Map(rows.map((row) => [row, assess(row.context)]));
  policy.learnCorrections(
    lengths((row, k) => fitted.get(row)?.[k].modelOutputTokens ?? null).filter((observation) => observation !== null),
  );
}

function lengthOf(
  arm: string,
  { context, cost }: EvaluationRow,
  k: number,
  price: { output: number },
  predictedTokens: number | null,
): Extract<Observation, { kind: 'length' }> | null {
  const outputTokens = price.output > 0 ? recordedOutputTokens(price, cost[k]) : 0;
  return outputTokens > 0 ? { kind: 'length', arm, context, outputTokens, predictedTokens, weight: 1 } : null;
}

/**
 * The shared variance of BANDIT.md, with every arm taking the shared slopes in full: the control for level loadings.
 */
const WHOLE_LOADINGS: readonly CoupledModelOptions[] = QUALITY_MODELS.map((model) => ({
  ...model,
  sharedVariance: { intercept: 0.01, slope: 5e-4 },
  levelLoadings: false,
}));

export const MIXLLM = productionPredictor('mixllm', 'MixLLM Gateway');
export const COUPLED = productionPredictor('coupled', 'the same without level loadings', {
  qualityModels: WHOLE_LOADINGS,
  priorQuality: PRIOR_QUALITY.level,
});
