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

/** The last stages, from base vectors to embeddings: standardised, with the text features beside them, onto directions. */
export interface DirectionStages {
  /** Numbers per base vector. */
  latent: number;
  latentScale: Standardisation;
  /** (latent + TEXT_DIMENSIONS) × directions. */
  discriminants: Float64Array;
  directions: number;
  outputScale: Standardisation;
}

/** The stages of the lexical map as they were fitted, one after the other; every one but the first is linear. */
export interface Stages extends DirectionStages {
  idf: Float64Array;
  /** NGRAM_BUCKETS × latent: the right singular vectors. */
  components: Float64Array;
}

export interface DirectionFit<S extends DirectionStages> {
  stages: S;
  /** The tag of each text. */
  labels: Int32Array;
  /** texts × directions: the texts' embeddings. */
  embeddings: TallMatrix;
}

export type Fit = DirectionFit<Stages>;

/** Fits the lexical map. @throws Error when there are too few texts for the dimensions wanted */
export function fitPipeline(texts: readonly string[], options: PipelineOptions): Fit {
  const { seed, latent, onProgress } = options;
  requireEnough(texts.length, options);
  const random: Random = seededRandom(seed);
  const matrix = logCounts(texts, (rows) => onProgress('counting n-grams', rows / texts.length));
  const idf = inverseDocumentFrequency(matrix);
  weightAndNormalise(matrix, idf);
  const svd = truncatedSvd(matrix, latent, random, {
    onIteration: (done, of) => onProgress('finding latent dimensions', done / of),
  });
  const scores = timesDense(matrix, svd.components, latent);
  const { stages, ...found } = fitDirections(scores, latent, texts, random, options);
  return { stages: { ...stages, idf, components: svd.components }, ...found };
}

/** @throws Error when there are too few texts for the dimensions wanted */
export function requireEnough(texts: number, { tags, latent }: Pick<PipelineOptions, 'tags' | 'latent'>): void {
  const least = 2 * Math.max(tags, latent);
  if (texts < least) throw new Error(`${texts} prompts are too few: ${least} are needed at least.`);
}

/**
 * Finds tags among base vectors, and the directions that tell them apart.
 * @param base texts × latent, row-major; standardised in place
 */
export function fitDirections(
  base: TallMatrix,
  latent: number,
  texts: readonly string[],
  random: Random,
  options: Omit<PipelineOptions, 'latent' | 'seed'>,
): DirectionFit<DirectionStages> {
  const { tags, directions, shrinkage, onProgress } = options;
  const latentScale = columnStatistics(base, latent);
  const width = latent + TEXT_DIMENSIONS;
  const full = appendTextFeatures(standardise(base, latentScale), latent, texts);
  const { labels } = kMeans(full, width, tags, random, {
    // How many iterations it will take is unknown; a hundred per start are usual.
    onIteration: (restart, iteration) => onProgress('finding tags', Math.min(0.99, (restart + iteration / 100) / 2)),
  });
  onProgress('finding directions', 0);
  const discriminants = discriminantDirections(full, width, labels, directions, shrinkage);
  const embeddings = times(full, width, discriminants, directions);
  const outputScale = columnStatistics(embeddings, directions);
  standardise(embeddings, outputScale);
  return { stages: { latent, latentScale, discriminants, directions, outputScale }, labels, embeddings };
}

/** The stages applied one by one. @returns texts × directions, row-major */
export function applyStages(stages: Stages, texts: readonly string[]): TallMatrix {
  const matrix = logCounts(texts);
  weightAndNormalise(matrix, stages.idf);
  return applyDirections(stages, timesDense(matrix, stages.components, stages.latent), texts);
}

/** @param base texts × latent, row-major; standardised in place @returns texts × directions, row-major */
export function applyDirections(stages: DirectionStages, base: TallMatrix, texts: readonly string[]): TallMatrix {
  const full = appendTextFeatures(standardise(base, stages.latentScale), stages.latent, texts);
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
