import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../util/message-of.ts';
import { loadOnlineData, type OnlineData } from '../online-data.ts';
import type { Answer } from '../parallel.ts';
import type { Measurement } from './experiment.ts';
import { EXPERIMENTS } from './experiments.ts';

/** One seed of one experiment on one file. */
export interface PaperJob {
  file: string;
  experiment: string;
  seed: number;
}

export interface PaperResult {
  queries: number;
  models: number;
  /** Null when the experiment does not suit the data set. */
  measurement: Measurement | null;
  /** Milliseconds that it took. */
  tookMs: number;
}

/** The current file, kept so that its contexts are computed only once. */
let data: { file: string; content: OnlineData } | null = null;

parentPort?.on('message', async ({ file, experiment, seed }: PaperJob) => {
  const answer = (message: Answer<PaperResult>) => parentPort?.postMessage(message);
  try {
    if (data?.file !== file) data = { file, content: await loadOnlineData(file) };
    const { content } = data;
    const start = performance.now();
    const measurement = EXPERIMENTS.find(({ name }) => name === experiment)?.measure(content, seed) ?? null;
    const tookMs = performance.now() - start;
    answer({ result: { queries: content.queries.length, models: content.models.length, measurement, tookMs } });
  } catch (error) {
    answer({ failure: messageOf(error) });
  }
});
