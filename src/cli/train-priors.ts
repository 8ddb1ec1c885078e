import { fileURLToPath } from 'node:url';
import { TIER_PRIORS_FILE } from '../bandit/tier-priors.ts';
import { trainPriors } from '../offline/priors/train-priors.ts';
import { systemClock } from '../util/clock.ts';
import { writeWhole } from '../util/write-whole.ts';
import { print } from './print.ts';
import { ProgressLine } from './progress-line.ts';
import { recordedFeaturizer } from './recorded-contexts.ts';

export interface TrainPriorsOptions {
  data: string[];
  config?: string;
  out?: string;
}

/** `mixllm train priors`: the tiers' levels and slopes from public data, with their provenance. */
export async function trainPriorsCommand({ data, config, out }: TrainPriorsOptions): Promise<void> {
  const progress = new ProgressLine(process.stderr, systemClock);
  const featurizer = recordedFeaturizer(config);
  await featurizer.start();
  const priors = await trainPriors({
    files: data,
    featurizer,
    // Without folders, which are specific to whoever trained the priors.
    command: `mixllm train priors --data (the ${data.length} files below)`,
    date: new Date(systemClock.now()),
    onProgress: (queries) => progress.update(`${queries} queries`),
  }).finally(() => featurizer.close());
  progress.done(`${priors.corpus.reduce((sum, { queries }) => sum + queries, 0)} queries`);
  const file = out ?? fileURLToPath(TIER_PRIORS_FILE);
  await writeWhole([[file, formatted(priors)]]);
  for (const [tier, { quality, slopes }] of Object.entries(priors.tiers)) {
    const models = priors.models.filter((model) => model.tier === tier).length;
    print(`${tier}: ${quality}, slopes of length ${Math.hypot(...slopes).toFixed(3)}, from ${models} models`);
  }
  print(`Wrote ${file}, for contexts of ${priors.feature_map}.`);
}

/** Puts each vector on one line. */
function formatted(value: object): string {
  return `${JSON.stringify(value, null, 2).replace(/\[[-\d.e,\s]*\]/g, (vector) => vector.replace(/\s+/g, ' '))}\n`;
}
