import { CoupledLinearModel } from '../../bandit/coupled-linear-model.ts';
import { PRIOR_QUALITY, QUALITY_MODELS } from '../../bandit/defaults.ts';
import { TIERS, type Tier } from '../../domain/arm.ts';
import { addScaled } from '../../util/linear-algebra.ts';
import { mean } from '../../util/statistics.ts';

/** The outcomes of one model in one file: x and quality 0..1 of every query. */
export interface TierModelOutcomes {
  file: string;
  model: string;
  tier: Tier;
  contexts: readonly Float64Array[];
  qualities: readonly number[];
}

export interface TierFit {
  /** Prior mean quality, 0..1. */
  quality: number;
  /** d − 1 coefficients of quality on the features after the constant. */
  slopes: Float64Array;
}

/**
 * Fits the level and slopes of each tier. Levels: the mean difference of logits to `mid`, over the files with models of
 * both tiers, added to the level of an unknown model, which is also that of `mid`. Only differences count, because how
 * hard a benchmark is says nothing about real traffic. Slopes: each model's own ridge regression, scaled to its tier's
 * level by p (1 − p) (see CoupledLinearModel) and averaged, first over the models of a file and then over files.
 * @param dimensions d of the contexts
 * @throws Error when no file links a tier with `mid`
 */
export function fitTiers(outcomes: readonly TierModelOutcomes[], dimensions: number): Record<Tier, TierFit> {
  const middle = logit(PRIOR_QUALITY.level);
  const fits = TIERS.map((tier): [Tier, TierFit] => {
    const quality = expit(middle + (tier === 'mid' ? 0 : logitAboveMid(tier, outcomes)));
    return [tier, { quality, slopes: slopesOf(tier, quality, outcomes, dimensions) }];
  });
  return Object.fromEntries(fits) as Record<Tier, TierFit>;
}

function logitAboveMid(tier: Tier, outcomes: readonly TierModelOutcomes[]): number {
  const level = (file: string, of: Tier) =>
    logit(mean(outcomes.filter((one) => one.file === file && one.tier === of).map(({ qualities }) => mean(qualities))));
  const differences = filesOf(outcomes)
    .map((file) => level(file, tier) - level(file, 'mid'))
    .filter((difference) => !Number.isNaN(difference));
  if (differences.length === 0) throw new Error(`No file has models of tier ${tier} alongside models of tier mid.`);
  return mean(differences);
}

function slopesOf(tier: Tier, level: number, outcomes: readonly TierModelOutcomes[], d: number): Float64Array {
  const ofTier = outcomes.filter((one) => one.tier === tier);
  const perFile = filesOf(ofTier).map((file) =>
    meanVector(
      ofTier.filter((one) => one.file === file).map((one) => slopesAtLevel(one, level, d)),
      d - 1,
    ),
  );
  return meanVector(perFile, d - 1);
}

function slopesAtLevel({ model, contexts, qualities }: TierModelOutcomes, level: number, d: number): Float64Array {
  const own = mean(qualities);
  const priorMean = new Float64Array(d);
  priorMean[0] = own;
  // Each model is fitted on its own: with the variances for a fleet of specialists, and nothing shared.
  const [, specialists] = QUALITY_MODELS;
  const alone = { ...specialists, sharedVariance: { intercept: 1e-12, slope: 1e-12 }, levelLoadings: false };
  const regression = new CoupledLinearModel(d, alone, priorMean);
  regression.learnAll(contexts.map((x, i) => ({ arm: model, x, y: qualities[i], weight: 1 })));
  const ratio = (level * (1 - level)) / (own * (1 - own));
  return Float64Array.from({ length: d - 1 }, (_, i) => {
    const unit = new Float64Array(d);
    unit[i + 1] = 1;
    return ratio * regression.predict(model, unit).mean;
  });
}

function filesOf(outcomes: readonly TierModelOutcomes[]): string[] {
  return [...new Set(outcomes.map(({ file }) => file))];
}

function meanVector(vectors: readonly Float64Array[], length: number): Float64Array {
  const result = new Float64Array(length);
  for (const vector of vectors) addScaled(result, vector, 1 / vectors.length);
  return result;
}

function logit(p: number): number {
  return Math.log(p / (1 - p));
}

function expit(z: number): number {
  return 1 / (1 + Math.exp(-z));
}
