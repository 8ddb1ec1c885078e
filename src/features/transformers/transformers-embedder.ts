import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../util/clock.ts';
import type { Embedder } from '../embedder.ts';
import { embeddedPart } from '../query.ts';
import { Tagger } from '../tagger.ts';
import type { StartWorker } from './model-thread.ts';
import { type Projection, project } from './projection.ts';
import { SentenceEncoder } from './sentence-encoder.ts';

/** Where models are stored once they are fetched from the hub; relative to the working folder. */
export const HUB_CACHE = 'data/models';

/** Where `mixllm train features` writes a map by default; relative to the working folder. */
export const DEFAULT_PROJECTION = 'data/features/transformers-map.bin';

/** Each takes about a hundred bytes. */
const CACHED_TEXTS = 20_000;

export interface TransformersOptions {
  /** A folder with the model's files, or the name of a model on the Hugging Face hub. */
  model: string;
  map: Projection;
  clock: Clock;
  /** Where models are stored once they are fetched from the hub. */
  cacheFolder: string;
  /** Time limit per text, including waiting; null for no limit. */
  budgetMs: number | null;
  /** Called when the model's thread was lost (`false`, with the reason), and when it works again (`true`). */
  onHealth: (healthy: boolean, reason: string) => void;
  /** Replaces the function that starts the thread. */
  startWorker?: StartWorker;
}

/**
 * A sentence-embedding model followed by the directions of a trained map. Must be started before use. A text that was
 * embedded recently, or is being embedded, costs nothing.
 */
export class TransformersEmbedder implements Embedder {
  readonly id: string;
  readonly dimensions: number;
  readonly #model: string;
  readonly #map: Projection;
  readonly #tagger: Tagger;
  readonly #encoder: SentenceEncoder;
  /** Keyed by a hash of the text, so that no prompts are kept. */
  readonly #known = new LRUCache<string, Float32Array>({ max: CACHED_TEXTS });
  readonly #coming = new Map<string, Promise<Float32Array>>();

  constructor({ model, map, ...options }: TransformersOptions) {
    const { fingerprint, dtype, maxTokens } = map.model;
    this.#model = model;
    this.#map = map;
    this.#tagger = new Tagger(map);
    this.dimensions = map.dimensions;
    this.id = `transformers-${sha256(JSON.stringify([map.hash, fingerprint, dtype, maxTokens]), 'hex').slice(0, 12)}`;
    this.#encoder = new SentenceEncoder({ ...options, model, dtype, maxTokens });
  }

  /**
   * Loads the model.
   * @throws Error when it cannot be loaded, or is not the one that the map was fitted on
   */
  async start(): Promise<void> {
    const { width, fingerprint } = await this.#encoder.start().catch((error: Error) => {
      throw new Error(cannotLoad(this.#model, error.message));
    });
    const { model } = this.#map;
    if (fingerprint === model.fingerprint && width === this.#map.width) return;
    await this.close();
    throw new Error(otherModel(this.#model, model.name));
  }

  async embed(text: string): Promise<Float32Array> {
    const part = embeddedPart(text);
    const key = sha256(part, 'base64');
    const known = this.#known.get(key);
    if (known) return known.slice();
    const coming = this.#coming.get(key) ?? this.#embedNew(part, key);
    return (await coming).slice();
  }

  tagOf(vector: Float32Array): string {
    return this.#tagger.tag(vector).name;
  }

  async close(): Promise<void> {
    await this.#encoder.close();
  }

  #embedNew(text: string, key: string): Promise<Float32Array> {
    const coming = this.#encoder
      .encode(text)
      .then((vector) => {
        const projected = project(this.#map, vector, text);
        this.#known.set(key, projected);
        return projected;
      })
      .finally(() => this.#coming.delete(key));
    this.#coming.set(key, coming);
    return coming;
  }
}

function sha256(text: string, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(text).digest(encoding);
}

/** The command that fits a map on a model's vectors. */
function trainCommand(model: string): string {
  return `npm run mixllm -- train features --embedder transformers --model ${model} --corpus FILE…`;
}

const WAYS_OUT = `Download a model into a folder and set embedding.model to that folder (hf download Xenova/all-MiniLM-L6-v2 --local-dir models/all-MiniLM-L6-v2); or, if the Hugging Face hub can be reached, name a model there that has ONNX files, such as Xenova/all-MiniLM-L6-v2; or use embedding: { kind: lexical }, which needs no model.`;

/** What to do when a model cannot be loaded. */
export function cannotLoad(model: string, reason: string): string {
  return `The embedding model ${model} cannot be loaded: ${reason}. ${WAYS_OUT}`;
}

/** What to do when the map was fitted on vectors of a different model or version. */
export function otherModel(model: string, fitted: string): string {
  return `The map was fitted on the vectors of ${fitted}, from other files than those of ${model}. Fit a new map: ${trainCommand(model)}`;
}

/**
 * What to do without a map. A map is necessary because a sentence vector has hundreds of numbers, too many to learn
 * from a few ratings.
 */
export function cannotUseMap(model: string, reason: string): string {
  return `${reason}. embedding: { kind: transformers } needs a map that was fitted once on its model's vectors, with prompts like yours: ${trainCommand(model)}. The gateway reads it from ${DEFAULT_PROJECTION}, or from where embedding.map says. ${WAYS_OUT}`;
}
