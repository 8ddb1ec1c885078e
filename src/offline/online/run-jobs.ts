import { runOnThreads, workerUrl } from '../parallel.ts';
import type { SeedMeasurement } from './measure-seed.ts';
import type { Job } from './worker.ts';

/**
 * Runs the jobs on worker threads, in order.
 * @param threads 1 or more
 * @param onDone called after each job
 * @returns one measurement per job
 * @throws the error of the first job that failed
 */
export function runJobs(
  jobs: readonly Job[],
  threads: number,
  onDone: (done: number) => void,
): Promise<SeedMeasurement[]> {
  return runOnThreads<Job, SeedMeasurement>(workerUrl('./worker', import.meta.url), jobs, threads, onDone);
}
