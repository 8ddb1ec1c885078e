import { basename } from 'node:path';
import type { TierPriorsFile } from '../../bandit/tier-priors.ts';
import { TIERS } from '../../domain/arm.ts';
import type { Featurizer } from '../../features/featurizer.ts';
import { loadRecordedOutcomes } from '../../recorded/recorded-outcomes.ts';
import { mean } from '../../util/statistics.ts';
import { sourceOf } from '../features/sources.ts';
import { fileHash } from '../file-hash.ts';
import { textContext } from '../text-context.ts';
import { fitTiers, type TierModelOutcomes } from './fit-tiers.ts';
import { TIER_MODELS } from './tier-models.ts';

export interface PriorTraining {
  /** Recorded outcomes; costs are not needed. */
  files: readonly string[];
  featurizer: Featurizer;
  command: string;
  date: Date;
  onProgress?(queries: number): void;
}

/** Decimals kept of every coefficient; further ones are noise. */
const DECIMALS = 5;

/**
 * Learns the tiers' priors from the scores of models of known size.
 * @throws Error as `loadRecordedOutcomes` and `fitTiers` do
 */
export async function trainPriors(training: PriorTraining): Promise<TierPriorsFile> {
  const { files, featurizer, command, date } = training;
  const outcomes: TierModelOutcomes[] = [];
  const corpus: TierPriorsFile['corpus'] = [];
  let done = 0;
  for (const path of files) {
    const data = await loadRecordedOutcomes(path, { withoutCosts: true, withRepeats: true });
    const contexts: Float64Array[] = [];
    for (const { text } of data.queries) {
      contexts.push(await textContext(text, featurizer));
      training.onProgress?.(++done);
    }
    const file = basename(path);
    corpus.push({ name: file, sha256: await fileHash(path), queries: data.queries.length, source: sourceOf(file) });
    for (const [i, model] of data.models.entries()) {
      const tier = TIER_MODELS[model];
      if (tier)
        outcomes.push({ file, model, tier, contexts, qualities: data.queries.map((query) => query.quality[i]) });
    }
  }
  const fits = fitTiers(outcomes, featurizer.dimensions);
  const rounded = (value: number) => Number(value.toFixed(DECIMALS));
  return {
    feature_map: featurizer.featureMap,
    dimensions: featurizer.dimensions,
    tiers: Object.fromEntries(
      TIERS.map((tier) => {
        const { quality, slopes } = fits[tier];
        return [tier, { quality: rounded(quality), slopes: Array.from(slopes, rounded) }];
      }),
    ) as TierPriorsFile['tiers'],
    command,
    date: date.toISOString(),
    corpus,
    models: outcomes.map(({ file, model, tier, qualities }) => ({
      model,
      file,
      tier,
      quality: rounded(mean(qualities)),
    })),
  };
}
