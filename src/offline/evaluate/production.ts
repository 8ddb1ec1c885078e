import { type CoupledModelOptions, PRIOR_QUALITY, QUALITY_MODELS } from '../../bandit/defaults.ts';
import { LinearPolicy, type LinearPolicyOptions } from '../../bandit/linear-policy.ts';
import type { Observation, Offer, OfferAssessment } from '../../bandit/policy.ts';
import { recordedOutputTokens, TOKENS_PER_ANSWER } from '../../recorded/recorded-prices.ts';
import { priorQualities } from '../../routing/priors.ts';
import { seededRandom } from '../../util/random.ts';
import { teach } from '../arms/train-arms.ts';
import type { EvaluationRow, Predictor, Split } from './predictor.ts';
import { matrixOf, type Outlook } from './trade-off.ts';

/**
 * The gateway's own policy class, taught the training rows as a warm start would teach it. Each model's price is set so
 * that its mean answer costs what it did in the data. The predictions are those that the gateway would score.
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
    teach(
      this.#policy,
      train.flatMap((row) => observationsOf(row, models, prices)),
    );
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

/** Every model's quality and length on a row; a free answer has no length. */
export function observationsOf(
  { context, quality, cost }: Pick<EvaluationRow, 'context' | 'quality' | 'cost'>,
  models: readonly string[],
  prices: readonly { output: number }[],
): Observation[] {
  return models.flatMap((arm, k): Observation[] => {
    const outputTokens = prices[k].output > 0 ? recordedOutputTokens(prices[k], cost[k]) : 0;
    const rated: Observation = { kind: 'quality', arm, context, reward: quality[k], weight: 1 };
    if (outputTokens === 0) return [rated];
    return [rated, { kind: 'length', arm, context, outputTokens, predictedTokens: null, weight: 1 }];
  });
}

/**
 * The shared variance of BANDIT.md, with every arm taking the shared slopes in full; the control for level loadings.
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
