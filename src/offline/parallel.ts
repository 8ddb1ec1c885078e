import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** A worker's answer to each job. */
export type Answer<Result> = { result: Result } | { failure: string };

/**
 * Runs the jobs on worker threads.
 * @param worker module that answers every message (a job) with an `Answer`
 * @param threads 1 or more
 * @param onDone called after each job
 * @returns one result per job, in the order of the jobs
 * @throws the error of the first job that failed
 */
export async function runOnThreads<Job, Result>(
  worker: URL,
  jobs: readonly Job[],
  threads: number,
  onDone: (done: number) => void,
): Promise<Result[]> {
  const results = new Array<Result>(jobs.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    const thread = new Worker(worker);
    try {
      while (next < jobs.length) {
        const index = next++;
        thread.postMessage(jobs[index]);
        const [answer] = (await once(thread, 'message')) as [Answer<Result>];
        if ('failure' in answer) throw new Error(answer.failure);
        results[index] = answer.result;
        onDone(++done);
      }
    } catch (error) {
      next = jobs.length;
      throw error;
    } finally {
      await thread.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
  return results;
}

/**
 * Returns the URL of a worker module. The sources run as .ts, the built package as .js, and TypeScript rewrites imports
 * but not URLs.
 * @param name name without extension
 */
export function workerUrl(name: string, from: string): URL {
  return new URL(`${name}${from.endsWith('.ts') ? '.ts' : '.js'}`, from);
}
