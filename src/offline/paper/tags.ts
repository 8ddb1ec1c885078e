import { clip, STRUCTURE_DIMENSIONS } from '../../features/structure.ts';
import { seededRandom } from '../../util/random.ts';
import { type Measurement as Judged, measureSplit, splitOf } from '../evaluate/measure-split.ts';
import {
  fitDirections,
  fitPipeline,
  leastTexts,
  PIPELINE_DEFAULTS,
  type PipelineOptions,
  toEmbeddingLength,
} from '../features/pipeline.ts';
import { logCounts, timesDense, weightAndNormalise } from '../features/sparse-matrix.ts';
import type { OnlineData } from '../online-data.ts';
import { type Experiment, MIN_MODELS } from './experiment.ts';
import { figuresOfSplit, QUALITY_AT_COST } from './trade-off.ts';

const SHARE = 0.8;

const SHIPPED = 'latent directions and structure, as shipped';

/** Contexts by the way they are made. They do not depend on outcomes, so all splits of a data set share them. */
const made = new WeakMap<OnlineData, Record<string, OnlineData>>();

function variantsOf(data: OnlineData): Record<string, OnlineData> {
  const known = made.get(data);
  if (known) return known;
  const variants = { ...maskedVariants(data), ...refittedVariants(data) };
  made.set(data, variants);
  return variants;
}

/** A context is a constant, the embedding and the structure, in this order. */
function embeddingDimensions(data: Pick<OnlineData, 'dimensions'>): number {
  return data.dimensions - 1 - STRUCTURE_DIMENSIONS;
}

function maskedVariants(data: OnlineData): Record<string, OnlineData> {
  const structure = 1 + embeddingDimensions(data);
  const without = (from: number, to: number): OnlineData => ({
    ...data,
    contexts: data.contexts.map((context) => Float64Array.from(context).fill(0, from, to)),
  });
  return {
    [SHIPPED]: data,
    'structure alone': without(1, structure),
    'latent directions alone': without(structure, data.dimensions),
  };
}

/** Both maps are fitted on the prompts of this data set, so that they differ only in their use of tags. */
export function refittedVariants(
  data: OnlineData,
  options: Pick<PipelineOptions, 'latent' | 'tags'> = PIPELINE_DEFAULTS,
): Record<string, OnlineData> {
  const texts = data.queries.map(({ text }) => text);
  const width = embeddingDimensions(data);
  if (new Set(texts).size < leastTexts(options)) return {};
  const { seed, latent } = { ...PIPELINE_DEFAULTS, ...options };
  const { stages, embeddings } = fitPipeline(texts, { ...PIPELINE_DEFAULTS, ...options, kept: width });
  const matrix = logCounts(texts);
  weightAndNormalise(matrix, stages.idf);
  const scores = timesDense(matrix, stages.components, latent);
  const tagged = { ...PIPELINE_DEFAULTS, ...options, directions: width };
  const discriminant = fitDirections(scores, latent, texts, seededRandom(seed), tagged).embeddings;
  const withEmbedding = (vectors: ArrayLike<number>): OnlineData => ({
    ...data,
    contexts: data.contexts.map((context, row) => {
      const changed = Float64Array.from(context);
      for (let k = 0; k < width; k++) changed[1 + k] = clip(vectors[row * width + k]);
      return changed;
    }),
  });
  return {
    'refitted here, with tags (LDA)': withEmbedding(toEmbeddingLength(discriminant, width)),
    'refitted here, without tags (LSA)': withEmbedding(embeddings),
  };
}

export const tags: Experiment = {
  name: 'tags',
  title: 'With and without tags',
  protocol:
    'The main trade-off with other features. Tags here are clusters of benchmark prompts. The shipped embedding ' +
    'consists of latent semantic directions and uses no tags; either it is left out (structure alone), or the ' +
    "structure of the text is. Then two maps of equal width and length are fitted on this data set's prompts (no " +
    'outcomes): discriminant directions of 40 tags, and the leading latent semantic directions without tags. In ' +
    'the paper, tags come from a language model and fine-tune the encoder; ours are k-means clusters.',
  reading:
    'Rows one to three show what each part of the shipped features is worth; rows four and five show what tags ' +
    "add to a map of the same width and the same prompts. Does not show what a language model's tags would add. " +
    'Rows four and five saw the prompts of the held-out queries, but no outcomes.',
  lead: { figure: QUALITY_AT_COST, over: () => SHIPPED },
  plot: null,
  seeds: (asked) => Math.ceil(asked / 3),
  measure(data, seed) {
    if (data.models.length < MIN_MODELS || embeddingDimensions(data) < 1) return null;
    const figures = Object.entries(variantsOf(data)).map(([way, variant]) => {
      const judged: Judged = measureSplit(splitOf(variant, seed, SHARE), ['mixllm']).mixllm;
      return [way, figuresOfSplit(judged)] as const;
    });
    return { figures: Object.fromEntries(figures), curves: {} };
  },
};
