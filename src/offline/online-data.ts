import { hash } from 'node:crypto';
import { Featurizer } from '../features/featurizer.ts';
import { LexicalEmbedder } from '../features/lexical-embedder.ts';
import { loadRecordedOutcomes, type RecordedQuery } from '../recorded/recorded-outcomes.ts';
import { textContext } from './text-context.ts';

/** Recorded outcomes with the context of every query. */
export interface OnlineData {
  file: string;
  models: string[];
  queries: RecordedQuery[];
  /** x per query: length d, x[0] = 1. */
  contexts: Float64Array[];
  dimensions: number;
}

/** The contexts of a file's queries, computed once for all threads. */
export interface SharedContexts {
  dimensions: number;
  /** queries × dimensions, row-major, in the file's order. */
  values: Float64Array<SharedArrayBuffer>;
  /** Digest of the texts. */
  texts: string;
}

/**
 * Reads the file and computes every query's context, as the gateway would for a chat with a single turn.
 * @param featurizer must be started; by default the one with the shipped map
 * @throws Error as `loadRecordedOutcomes` does, and errors of the embedder
 */
export async function loadOnlineData(
  file: string,
  featurizer = new Featurizer(new LexicalEmbedder()),
  onProgress: (queries: number) => void = () => {},
): Promise<OnlineData> {
  const { models, queries } = await loadRecordedOutcomes(file, { withRepeats: true });
  const contexts: Float64Array[] = [];
  for (const { text } of queries) {
    contexts.push(await textContext(text, featurizer));
    onProgress(contexts.length);
  }
  return { file, models, queries, contexts, dimensions: featurizer.dimensions };
}

/**
 * Computes only the contexts, for threads whose jobs name the file.
 * @throws Error as `loadOnlineData` does
 */
export async function sharedContexts(...of: Parameters<typeof loadOnlineData>): Promise<SharedContexts> {
  const { contexts, dimensions, queries } = await loadOnlineData(...of);
  const bytes = contexts.length * dimensions * Float64Array.BYTES_PER_ELEMENT;
  const values = new Float64Array(new SharedArrayBuffer(bytes));
  for (const [i, context] of contexts.entries()) values.set(context, i * dimensions);
  return { dimensions, values, texts: digestOf(queries) };
}

/**
 * Reads a file whose contexts are already known.
 * @throws Error as `loadRecordedOutcomes` does, and when the file has changed since its contexts were computed
 */
export async function loadWithContexts(
  file: string,
  { dimensions, values, texts }: SharedContexts,
): Promise<OnlineData> {
  const { models, queries } = await loadRecordedOutcomes(file, { withRepeats: true });
  if (digestOf(queries) !== texts) throw new Error(`${file} has changed during the run.`);
  const contexts = queries.map((_, i) => values.subarray(i * dimensions, (i + 1) * dimensions));
  return { file, models, queries, contexts, dimensions };
}

function digestOf(queries: readonly RecordedQuery[]): string {
  return hash('sha256', JSON.stringify(queries.map(({ text }) => text)));
}
