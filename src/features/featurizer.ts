import type { ChatBody } from '../domain/chat.ts';
import type { Context, RequestProfile } from '../domain/context.ts';
import { allFinite } from '../util/linear-algebra.ts';
import type { Embedder } from './embedder.ts';
import { featureMapId } from './feature-map.ts';
import { queryText, requestProfile } from './query.ts';
import { clip, STRUCTURE_DIMENSIONS, STRUCTURE_VERSION, structureFeatures } from './structure.ts';

/** Weight of the text before the last user turn, relative to that turn. */
const PRECEDING_WEIGHT = 0.25;

export interface Features {
  context: Context;
  profile: RequestProfile;
  /** Name of the tag nearest to the last user turn; null when the embedder failed or knows no tags. */
  tag: string | null;
  /** The embedder's error, or null. On an error the context holds only the constant. */
  failure: Error | null;
}

/** Chat request -> context: a constant, the embedding of the query, and the structure of the request. */
export class Featurizer {
  readonly featureMap: string;
  /** d, including the leading constant. */
  readonly dimensions: number;
  readonly #embedder: Embedder;

  constructor(embedder: Embedder) {
    this.#embedder = embedder;
    this.dimensions = 1 + embedder.dimensions + STRUCTURE_DIMENSIONS;
    this.featureMap = featureMapId({ embedder: embedder.id, structure: STRUCTURE_VERSION });
  }

  /**
   * Must be awaited before `featurize`.
   * @throws Error as the embedder's `start` does
   */
  start(): Promise<void> {
    return this.#embedder.start();
  }

  close(): Promise<void> {
    return this.#embedder.close();
  }

  /** Never rejects: if the embedder fails, the query loses its features but still gets its answer. */
  async featurize(body: ChatBody): Promise<Features> {
    const profile = requestProfile(body);
    const values = new Float32Array(this.dimensions);
    values[0] = 1;
    const context = { featureMap: this.featureMap, values };
    try {
      const { current, preceding } = queryText(body);
      // In parallel, so that a slow embedder delays the request once and not twice.
      const [vector, before] = await Promise.all([
        this.#embedder.embed(current),
        preceding === '' ? null : this.#embedder.embed(preceding),
      ]);
      const tag = this.#embedder.tagOf(vector);
      for (let i = 0; i < vector.length; i++) values[1 + i] = clip(before ? mixed(vector[i], before[i]) : vector[i]);
      const shape = {
        profile,
        turns: body.messages.length,
        hasSystemPrompt: body.messages.some(({ role }) => role === 'system' || role === 'developer'),
      };
      values.set(structureFeatures(current, shape), 1 + this.#embedder.dimensions);
      if (!allFinite(values)) throw new Error('The embedder gave a number that is not finite.');
      return { context, profile, tag, failure: null };
    } catch (error) {
      values.fill(0, 1);
      return { context, profile, tag: null, failure: error instanceof Error ? error : new Error(String(error)) };
    }
  }
}

/** Mixes the last user turn with some of what precedes it. */
function mixed(current: number, preceding: number): number {
  return (current + PRECEDING_WEIGHT * preceding) / (1 + PRECEDING_WEIGHT);
}
