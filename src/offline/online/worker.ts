import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../util/message-of.ts';
import type { Answer } from '../parallel.ts';
import { measureSeed, type SeedMeasurement } from './measure-seed.ts';
import type { ScenarioName } from './scenarios.ts';
import { loadOnlineData, type OnlineData, streamOf } from './stream.ts';

/** One seed of one file. */
export interface Job {
  file: string;
  seed: number;
  scenarios: readonly ScenarioName[];
}

/** The current file, kept so that its contexts are computed once. */
let data: OnlineData | null = null;

parentPort?.on('message', async ({ file, seed, scenarios }: Job) => {
  const answer = (message: Answer<SeedMeasurement>) => parentPort?.postMessage(message);
  try {
    if (data?.file !== file) data = await loadOnlineData(file);
    answer({ result: measureSeed(streamOf(data, seed), scenarios) });
  } catch (error) {
    answer({ failure: messageOf(error) });
  }
});
