import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../util/message-of.ts';
import { loadWithContexts, type OnlineData, type SharedContexts } from '../online-data.ts';
import type { Answer } from '../parallel.ts';
import { type Measurement, measureSplit, splitOf } from './measure-split.ts';

/** One seed of one file. */
export interface EvaluationJob {
  file: string;
  /** The contexts of the file's queries. */
  contexts: SharedContexts;
  seed: number;
  /** Share of the rows used for training, 0..1. */
  share: number;
  names: readonly string[];
}

export interface EvaluationResult {
  queries: number;
  models: readonly string[];
  measurements: Record<string, Measurement>;
}

/** The current file, kept so that it is read only once. */
let data: { file: string; content: OnlineData } | null = null;

parentPort?.on('message', async ({ file, contexts, seed, share, names }: EvaluationJob) => {
  const answer = (message: Answer<EvaluationResult>) => parentPort?.postMessage(message);
  try {
    if (data?.file !== file) data = { file, content: await loadWithContexts(file, contexts) };
    const { content } = data;
    const measurements = measureSplit(splitOf(content, seed, share), names);
    answer({ result: { queries: content.queries.length, models: content.models, measurements } });
  } catch (error) {
    answer({ failure: messageOf(error) });
  }
});
