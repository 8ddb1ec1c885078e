import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../domain/errors.ts';
import type { Answer } from '../parallel.ts';
import { measureSeed, type SeedMeasurement } from './measure-seed.ts';
import { LABELLED } from './run-stream.ts';
import type { ScenarioName } from './scenarios.ts';
import { loadOnlineData, type OnlineData, type Stream, streamOf } from './stream.ts';

/** One seed of one file. */
export interface Job {
  file: string;
  seed: number;
  scenarios: readonly ScenarioName[];
}

/** The file at hand, so that its contexts are made once. */
let data: OnlineData | null = null;

parentPort?.on('message', async ({ file, seed, scenarios }: Job) => {
  const answer = (message: Answer<SeedMeasurement>) => parentPort?.postMessage(message);
  try {
    if (data?.file !== file) data = await loadOnlineData(file);
    const stream = streamOf(data, seed);
    refuseUnfit(file, stream);
    answer({ result: measureSeed(stream, scenarios) });
  } catch (error) {
    answer({ failure: messageOf(error) });
  }
});

function refuseUnfit(file: string, { models, queries }: Stream): void {
  if (models.length < 2) throw new Error(`${file} has one model: there is nothing to choose.`);
  if (queries.length <= LABELLED) {
    const needs = `the first ${LABELLED} are labelled, and some must be left to score`;
    throw new Error(`${file}: a stream of ${queries.length} queries, 80 % of the file, is too short: ${needs}.`);
  }
}
