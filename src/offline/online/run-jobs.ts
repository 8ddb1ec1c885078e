import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SeedMeasurement } from './measure-seed.ts';
import type { Job } from './worker.ts';

type Answer = { measurement: SeedMeasurement } | { failure: string };

// The sources run as .ts, the built package as .js; TypeScript rewrites imports but not URLs.
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/**
 * Runs the jobs on so many threads, in order. @param threads 1 or more @param onDone called after each job
 * @returns one measurement per job @throws Error of the first job that failed
 */
export async function runJobs(
  jobs: readonly Job[],
  threads: number,
  onDone: (done: number) => void,
): Promise<SeedMeasurement[]> {
  const results = new Array<SeedMeasurement>(jobs.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    const worker = new Worker(WORKER);
    try {
      while (next < jobs.length) {
        const index = next++;
        worker.postMessage(jobs[index]);
        const [answer] = (await once(worker, 'message')) as [Answer];
        if ('failure' in answer) throw new Error(answer.failure);
        results[index] = answer.measurement;
        onDone(++done);
      }
    } catch (error) {
      next = jobs.length;
      throw error;
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
  return results;
}
