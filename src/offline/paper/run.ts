import { datasetName } from '../online/summary.ts';
import { runOnThreads, workerUrl } from '../parallel.ts';
import type { Experiment, Measurement } from './experiment.ts';
import type { PaperJob, PaperResult } from './worker.ts';

export interface PaperOptions {
  files: readonly string[];
  experiments: readonly Experiment[];
  /** Random splits of the main trade-off; other experiments use fewer. */
  seeds: number;
  threads: number;
  onDone(done: number, of: number): void;
}

/** Results of one experiment on one suitable data set. */
export interface DatasetRun {
  dataset: string;
  queries: number;
  models: number;
  /** One per seed: 0, 1, … */
  measurements: Measurement[];
}

export interface ExperimentRun {
  experiment: Experiment;
  datasets: DatasetRun[];
  /** Total thread time in seconds. */
  threadS: number;
}

/** Runs the experiments on all files, file by file, so that a thread computes a file's contexts only once. */
export async function runExperiments(options: PaperOptions): Promise<ExperimentRun[]> {
  const { files, experiments, seeds, threads, onDone } = options;
  const jobs = files.flatMap((file) =>
    experiments.flatMap((experiment) =>
      Array.from({ length: experiment.seeds(seeds) }, (_, seed) => ({ file, experiment: experiment.name, seed })),
    ),
  );
  const results = await runOnThreads<PaperJob, PaperResult>(
    workerUrl('./worker', import.meta.url),
    jobs,
    threads,
    (done) => onDone(done, jobs.length),
  );
  return experiments.map((experiment) => {
    const own = (file: string) =>
      results.filter((_, i) => jobs[i].experiment === experiment.name && jobs[i].file === file);
    return {
      experiment,
      datasets: files.map((file) => datasetRun(file, own(file))).filter(({ measurements }) => measurements.length > 0),
      threadS: files.flatMap(own).reduce((sum, { tookMs }) => sum + tookMs / 1000, 0),
    };
  });
}

function datasetRun(file: string, results: readonly PaperResult[]): DatasetRun {
  const [{ queries, models }] = results;
  return { dataset: datasetName(file), queries, models, measurements: results.flatMap((r) => r.measurement ?? []) };
}
