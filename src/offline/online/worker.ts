import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../util/message-of.ts';
import { loadWithContexts, type OnlineData, type SharedContexts } from '../online-data.ts';
import type { Answer } from '../parallel.ts';
import { measureSeed, type SeedMeasurement } from './measure-seed.ts';
import type { ScenarioName } from './scenarios.ts';
import { streamOf } from './stream.ts';

/** One seed of one file. */
export interface Job {
  file: string;
  /** The contexts of the file's queries. */
  contexts: SharedContexts;
  seed: number;
  scenarios: readonly ScenarioName[];
}

/** The current file, kept so that it is read only once. */
let data: OnlineData | null = null;

parentPort?.on('message', async ({ file, contexts, seed, scenarios }: Job) => {
  const answer = (message: Answer<SeedMeasurement>) => parentPort?.postMessage(message);
  try {
    if (data?.file !== file) data = await loadWithContexts(file, contexts);
    answer({ result: measureSeed(streamOf(data, seed), scenarios) });
  } catch (error) {
    answer({ failure: messageOf(error) });
  }
});
