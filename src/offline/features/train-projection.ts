import { hashOf } from '../../features/lexical-map.ts';
import { encodeProjection, type Projection } from '../../features/transformers/projection.ts';
import { seededRandom } from '../../util/random.ts';
import { composeDirections, placeTags } from './compose.ts';
import { describeCorpus, type MapDescription } from './describe.ts';
import { fitDirections, PIPELINE_DEFAULTS, requireEnough } from './pipeline.ts';
import { describeTags, type TrainingRequest } from './train.ts';

export interface ProjectionRequest extends Omit<TrainingRequest, 'sizes'> {
  /** The model's vector for a text; rejects when there is none. */
  encode(text: string): Promise<Float32Array>;
  /** Numbers per vector. */
  width: number;
  /** Stored in the description; the map can be used only with exactly this model. */
  model: Projection['model'];
  /** Sizes that differ from the defaults. */
  sizes?: { tags?: number; directions?: number };
}

export interface TrainedProjection {
  /** The map's file. The same model, corpus and seed give the same bytes on the same machine. */
  bytes: Buffer;
  description: MapDescription & { model: Projection['model'] };
}

/** Number of texts that are given to the model at once: enough that it never has to wait. */
const AHEAD = 16;

/**
 * Fits the directions that separate the tags, on a model's sentence vectors.
 * @throws Error when there are too few prompts
 */
export async function trainProjection(request: ProjectionRequest): Promise<TrainedProjection> {
  const { corpus, seed, knownTags, command, date, onProgress, width, model, sizes } = request;
  const { texts } = corpus;
  const options = { ...PIPELINE_DEFAULTS, ...sizes, onProgress };
  requireEnough(texts, options);
  const vectors = await encodeAll(request);
  const { stages, labels, embeddings } = fitDirections(vectors, width, texts, seededRandom(seed), options);
  onProgress('naming tags', 0);
  const places = placeTags(embeddings, options.directions, labels, options.tags);
  const { dimensions, base, text, bias } = composeDirections(stages);
  const bytes = encodeProjection({
    dimensions,
    width,
    vector: Float32Array.from(base, (_, at) => base[(at % width) * dimensions + Math.floor(at / width)]),
    text: Float32Array.from(text),
    bias: Float32Array.from(bias),
    ...places,
  });
  return {
    bytes,
    description: {
      sha256: hashOf(bytes),
      command,
      date: date.toISOString(),
      seed,
      prompts: texts.length,
      model,
      corpus: describeCorpus(corpus.files),
      tags: describeTags(texts, labels, options.tags, knownTags),
    },
  };
}

/**
 * @returns texts × width, row-major
 */
async function encodeAll({ corpus, width, encode, onProgress }: ProjectionRequest): Promise<Float64Array> {
  const { texts } = corpus;
  const vectors = new Float64Array(texts.length * width);
  for (let start = 0; start < texts.length; start += AHEAD) {
    onProgress('computing sentence vectors', start / texts.length);
    const block = await Promise.all(texts.slice(start, start + AHEAD).map(encode));
    block.forEach((vector, i) => {
      vectors.set(vector, (start + i) * width);
    });
  }
  return vectors;
}
