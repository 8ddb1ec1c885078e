import { loadConfig } from '../config/load.ts';
import { Featurizer } from '../features/featurizer.ts';
import { LexicalEmbedder } from '../features/lexical-embedder.ts';
import { type SharedContexts, sharedContexts } from '../offline/online-data.ts';
import { buildFeaturizer } from '../wiring/features.ts';
import type { ProgressLine } from './progress-line.ts';

/**
 * Builds the featurizer for commands that work on recorded outcomes.
 * @param config the config whose feature map to use; default: the shipped map
 */
export function recordedFeaturizer(config: string | undefined): Featurizer {
  return config === undefined
    ? new Featurizer(new LexicalEmbedder())
    : buildFeaturizer(loadConfig(config, process.env).config);
}

const TOLD_EVERY = 500;

export interface RecordedContexts {
  datasets: { file: string; contexts: SharedContexts }[];
  /** Identifies the map that made the contexts. */
  featureMap: string;
}

/**
 * Computes the contexts of all files, in this thread, because a sentence-embedding model already has its own thread.
 * @throws StartError when the config's map cannot be used; Error as `loadRecordedOutcomes` does
 */
export async function recordedContexts(
  files: readonly string[],
  config: string | undefined,
  progress: ProgressLine,
): Promise<RecordedContexts> {
  const featurizer = recordedFeaturizer(config);
  try {
    await featurizer.start();
    const datasets: RecordedContexts['datasets'] = [];
    for (const file of files) {
      // A lexical map is finished before anyone could read the progress.
      const onProgress = (queries: number) => {
        if (queries % TOLD_EVERY === 0) progress.update(`${file}: features of ${queries} queries`);
      };
      datasets.push({ file, contexts: await sharedContexts(file, featurizer, onProgress) });
    }
    return { datasets, featureMap: featurizer.featureMap };
  } finally {
    await featurizer.close();
  }
}
