import { TEXT_DIMENSIONS, textFeatures } from '../../features/structure.ts';
import { type Random, seededRandom } from '../../util/random.ts';
import { columnStatistics, type Standardisation, standardise, type TallMatrix, times } from './dense.ts';
import { discriminantDirections } from './discriminant.ts';
import { kMeans } from './k-means.ts';
import { inverseDocumentFrequency, logCounts, timesDense, weightAndNormalise } from './sparse-matrix.ts';
import { truncatedSvd } from './truncated-svd.ts';

export interface PipelineOptions {
  seed: number;
  /** Dimensions of the latent semantic space. */
  latent: number;
  tags: number;
  /** Dimensions of the embedding, fewer than tags. */
  directions: number;
  /** 0..1; see discriminantDirections. */
  shrinkage: number;
  onProgress(stage: string, share: number): void;
}

export const PIPELINE_DEFAULTS: PipelineOptions = {
  seed: 0,
  latent: 128,
  tags: 40,
  directions: 19,
  shrinkage: 0.1,
  onProgress: () => {},
};

/** The stages of the feature map as they were fitted, one after the other; every one but the first is linear. */
export interface Stages {
  idf: Float64Array;
  latent: number;
  /** NGRAM_BUCKETS × latent: the right singular vectors. */
  components: Float64Array;
  latentScale: Standardisation;
  /** (latent + TEXT_DIMENSIONS) × directions. */
  discriminants: Float64Array;
  directions: number;
  outputScale: Standardisation;
}

export interface Fit {
  stages: Stages;
  /** The tag of each text. */
  labels: Int32Array;
  /** texts × directions: the texts' embeddings. */
  embeddings: TallMatrix;
}

/** Fits the feature map. @throws Error when there are too few texts for the dimensions wanted */
export function fitPipeline(texts: readonly string[], options: PipelineOptions): Fit {
  const { seed, latent, tags, directions, shrinkage, onProgress } = options;
  if (texts.length < 2 * Math.max(tags, latent)) {
    throw new Error(`${texts.length} prompts are too few: ${2 * Math.max(tags, latent)} are needed at least.`);
  }
  const random: Random = seededRandom(seed);
  const matrix = logCounts(texts, (rows) => onProgress('counting n-grams', rows / texts.length));
  const idf = inverseDocumentFrequency(matrix);
  weightAndNormalise(matrix, idf);
  const svd = truncatedSvd(matrix, latent, random, {
    onIteration: (done, of) => onProgress('finding latent dimensions', done / of),
  });
  const scores = timesDense(matrix, svd.components, latent);
  const latentScale = columnStatistics(scores, latent);
  const width = latent + TEXT_DIMENSIONS;
  const full = appendTextFeatures(standardise(scores, latentScale), latent, texts);
  const { labels } = kMeans(full, width, tags, random, {
    // How many iterations it will take is unknown; a hundred per start are usual.
    onIteration: (restart, iteration) => onProgress('finding tags', Math.min(0.99, (restart + iteration / 100) / 2)),
  });
  onProgress('finding directions', 0);
  const discriminants = discriminantDirections(full, width, labels, directions, shrinkage);
  const embeddings = times(full, width, discriminants, directions);
  const outputScale = columnStatistics(embeddings, directions);
  standardise(embeddings, outputScale);
  return {
    stages: { idf, latent, components: svd.components, latentScale, discriminants, directions, outputScale },
    labels,
    embeddings,
  };
}

/** The stages applied one by one. @returns texts × directions, row-major */
export function applyStages(stages: Stages, texts: readonly string[]): TallMatrix {
  const matrix = logCounts(texts);
  weightAndNormalise(matrix, stages.idf);
  const scores = standardise(timesDense(matrix, stages.components, stages.latent), stages.latentScale);
  const full = appendTextFeatures(scores, stages.latent, texts);
  const width = stages.latent + TEXT_DIMENSIONS;
  return standardise(times(full, width, stages.discriminants, stages.directions), stages.outputScale);
}

function appendTextFeatures(scores: TallMatrix, latent: number, texts: readonly string[]): TallMatrix {
  const width = latent + TEXT_DIMENSIONS;
  const full = new Float64Array(texts.length * width);
  texts.forEach((text, row) => {
    full.set(scores.subarray(row * latent, (row + 1) * latent), row * width);
    full.set(textFeatures(text), row * width + latent);
  });
  return full;
}
