import type { SharedContexts } from '../online-data.ts';
import { runOnThreads, workerUrl } from '../parallel.ts';
import type { EvaluationJob, EvaluationResult } from './worker.ts';

export interface EvaluationOptions {
  files: readonly { file: string; contexts: SharedContexts }[];
  seeds: number;
  /** Share of the rows used for training, 0..1. */
  share: number;
  names: readonly string[];
  threads: number;
  onDone(done: number, of: number): void;
}

/**
 * Scores predictors on recorded outcomes, using random splits with seeds 0, 1, …
 * @returns per file, one result per seed
 */
export async function evaluateFiles(options: EvaluationOptions): Promise<EvaluationResult[][]> {
  const { files, seeds, share, names, threads, onDone } = options;
  const jobs = files.flatMap((file) => Array.from({ length: seeds }, (_, seed) => ({ ...file, seed, share, names })));
  const results = await runOnThreads<EvaluationJob, EvaluationResult>(
    workerUrl('./worker', import.meta.url),
    jobs,
    threads,
    (done) => onDone(done, jobs.length),
  );
  return files.map((_, i) => results.slice(i * seeds, (i + 1) * seeds));
}
