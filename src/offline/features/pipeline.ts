import { EMBEDDING_LENGTH } from '../../features/lexical-map.ts';
import { TEXT_DIMENSIONS, textFeatures } from '../../features/structure.ts';
import { type Random, seededRandom } from '../../util/random.ts';
import {
  columnStatistics,
  leadingColumns,
  type Standardisation,
  standardise,
  type TallMatrix,
  times,
} from './dense.ts';
import { discriminantDirections } from './discriminant.ts';
import { kMeans } from './k-means.ts';
import { inverseDocumentFrequency, logCounts, timesDense, weightAndNormalise } from './sparse-matrix.ts';
import { truncatedSvd } from './truncated-svd.ts';

export interface PipelineOptions {
  seed: number;
  /** Dimensions of the latent semantic space in which tags are found. */
  latent: number;
  /** Dimensions of a lexical embedding: the leading ones of the latent space. */
  kept: number;
  tags: number;
  /** Dimensions of the embedding from a sentence-embedding model; fewer than tags. */
  directions: number;
  /** 0..1; see `discriminantDirections`. */
  shrinkage: number;
  onProgress(stage: string, share: number): void;
}

export const PIPELINE_DEFAULTS: PipelineOptions = {
  seed: 0,
  latent: 128,
  kept: 24,
  tags: 40,
  directions: 19,
  shrinkage: 0.1,
  onProgress: () => {},
};

/** The last stages, from base vectors to embeddings: standardise, append the text features, project onto directions. */
export interface DirectionStages {
  /** Numbers per base vector. */
  latent: number;
  latentScale: Standardisation;
  /** (latent + TEXT_DIMENSIONS) × directions. */
  discriminants: Float64Array;
  directions: number;
  outputScale: Standardisation;
}

export interface DirectionFit {
  stages: DirectionStages;
  /** The tag of each text. */
  labels: Int32Array;
  /** texts × directions: the texts' embeddings. */
  embeddings: TallMatrix;
}

/** The fitted stages of the lexical map, in order; all but the first and the last are linear. */
export interface Stages {
  idf: Float64Array;
  latent: number;
  /** NGRAM_BUCKETS × latent: the right singular vectors, by descending singular value. */
  components: Float64Array;
  latentScale: Standardisation;
  /** The embedding consists of this many leading latent dimensions, scaled to EMBEDDING_LENGTH. */
  kept: number;
}

export interface Fit {
  stages: Stages;
  /** The tag of each text. */
  labels: Int32Array;
  /** texts × kept: the texts' embeddings. */
  embeddings: TallMatrix;
}

/**
 * Fits the lexical map.
 * @throws Error when there are too few texts for the requested dimensions
 */
export function fitPipeline(texts: readonly string[], options: PipelineOptions): Fit {
  const { seed, latent, kept, onProgress } = options;
  requireEnough(texts, options);
  const random: Random = seededRandom(seed);
  const matrix = logCounts(texts, (rows) => onProgress('counting n-grams', rows / texts.length));
  const idf = inverseDocumentFrequency(matrix);
  weightAndNormalise(matrix, idf);
  const svd = truncatedSvd(matrix, latent, random, {
    onIteration: (done, of) => onProgress('finding latent dimensions', done / of),
  });
  const scores = timesDense(matrix, svd.components, latent);
  const latentScale = columnStatistics(scores, latent);
  standardise(scores, latentScale);
  const labels = findTags(appendTextFeatures(scores, latent, texts), latent + TEXT_DIMENSIONS, random, options);
  const stages = { idf, latent, components: svd.components, latentScale, kept };
  return { stages, labels, embeddings: toEmbeddingLength(leadingColumns(scores, latent, kept), kept) };
}

/**
 * Checks the number of distinct texts. Repeated texts count once: they span no further dimensions, and directions that
 * are only rounding errors would be scaled up instead.
 * @throws Error when there are too few texts for the requested dimensions
 */
export function requireEnough(texts: readonly string[], wanted: Pick<PipelineOptions, 'tags' | 'latent'>): void {
  const distinct = new Set(texts).size;
  const least = leastTexts(wanted);
  if (distinct >= least) return;
  const prompts = distinct < texts.length ? `different prompts among ${texts.length}` : 'prompts';
  throw new Error(`${distinct} ${prompts} are too few: at least ${least} are needed.`);
}

/** The minimum number of distinct texts. */
export function leastTexts({ tags, latent }: Pick<PipelineOptions, 'tags' | 'latent'>): number {
  return 2 * Math.max(tags, latent);
}

/**
 * Finds tags among base vectors, and the directions that separate them.
 * @param base texts × latent, row-major; standardised in place
 */
export function fitDirections(
  base: TallMatrix,
  latent: number,
  texts: readonly string[],
  random: Random,
  options: Omit<PipelineOptions, 'latent' | 'kept' | 'seed'>,
): DirectionFit {
  const { directions, shrinkage, onProgress } = options;
  const latentScale = columnStatistics(base, latent);
  const width = latent + TEXT_DIMENSIONS;
  const full = appendTextFeatures(standardise(base, latentScale), latent, texts);
  const labels = findTags(full, width, random, options);
  onProgress('finding directions', 0);
  const discriminants = discriminantDirections(full, width, labels, directions, shrinkage);
  const embeddings = times(full, width, discriminants, directions);
  const outputScale = columnStatistics(embeddings, directions);
  standardise(embeddings, outputScale);
  return { stages: { latent, latentScale, discriminants, directions, outputScale }, labels, embeddings };
}

/**
 * Clusters the points.
 * @param points texts × width, row-major
 * @returns the tag of each text
 */
function findTags(
  points: TallMatrix,
  width: number,
  random: Random,
  { tags, onProgress }: Pick<PipelineOptions, 'tags' | 'onProgress'>,
): Int32Array {
  return kMeans(points, width, tags, random, {
    // The number of iterations is unknown in advance; about a hundred per start are usual.
    onIteration: (restart, iteration) => onProgress('finding tags', Math.min(0.99, (restart + iteration / 100) / 2)),
  }).labels;
}

/**
 * Applies the lexical map's stages one by one, to texts that have n-grams.
 * @returns texts × kept, row-major
 */
export function applyStages(
  { idf, latent, components, latentScale, kept }: Stages,
  texts: readonly string[],
): TallMatrix {
  const matrix = logCounts(texts);
  weightAndNormalise(matrix, idf);
  const scores = standardise(timesDense(matrix, components, latent), latentScale);
  return toEmbeddingLength(leadingColumns(scores, latent, kept), kept);
}

/** Scales each row to EMBEDDING_LENGTH, in place. */
export function toEmbeddingLength(matrix: TallMatrix, width: number): TallMatrix {
  for (let start = 0; start < matrix.length; start += width) {
    const row = matrix.subarray(start, start + width);
    const factor = EMBEDDING_LENGTH / (Math.hypot(...row) || 1);
    for (let k = 0; k < width; k++) row[k] *= factor;
  }
  return matrix;
}

/**
 * @param base texts × latent, row-major; standardised in place
 * @returns texts × directions, row-major
 */
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
