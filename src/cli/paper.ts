import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { EXPERIMENTS } from '../offline/paper/experiments.ts';
import { drawExperiment } from '../offline/paper/plots.ts';
import { plotName, renderReport } from '../offline/paper/report.ts';
import { type ExperimentRun, runExperiments } from '../offline/paper/run.ts';
import { summaryOf } from '../offline/paper/summary.ts';
import { readRecordedRows } from '../recorded/recorded-row.ts';
import { systemClock } from '../util/clock.ts';
import { makeFolder } from '../util/make-folder.ts';
import { writeWhole } from '../util/write-whole.ts';
import { print, tell } from './print.ts';
import { ProgressLine } from './progress-line.ts';
import { tellLeftOutOf } from './recorded-notes.ts';

export interface PaperCommandOptions {
  data?: string[];
  seeds: number;
  experiments?: string[];
  json?: boolean;
  out: string;
}

/** Where the public data usually is, next to a checkout. */
const USUAL_DATA = '../shared/data';

const NEEDS =
  'The experiments need recorded outcomes: --data FOLDER, or files of JSON lines {id, task, prompt, models: {name: ' +
  '{quality: 0..1, cost: USD}}}, gzipped or not. mixllm convert routerbench makes one from RouterBench’s table.';

/** `mixllm paper`: runs the paper's experiments on recorded outcomes and writes one report. */
export async function paper(options: PaperCommandOptions): Promise<void> {
  const experiments = chosenExperiments(options.experiments);
  const files = await usableFiles(options.data ?? (existsSync(USUAL_DATA) ? [USUAL_DATA] : []));
  await tellLeftOutOf(files);
  // An unwritable folder should fail before the work, not after it.
  makeFolder(options.out);
  const progress = new ProgressLine(process.stderr, systemClock);
  const start = systemClock.monotonic();
  const threads = availableParallelism();
  const runs = await runExperiments({
    files,
    experiments,
    seeds: options.seeds,
    threads,
    onDone: (done, of) => progress.update(`${done}/${of} runs`),
  });
  const seconds = (systemClock.monotonic() - start) / 1000;
  progress.done(`all runs done in ${seconds.toFixed(0)} s`);
  const load = loadavg()[2].toFixed(0);
  const machine =
    `${threads} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}, ` +
    `${(seconds / 60).toFixed(1)} minutes at a load of ${load} (the 15-minute average).`;
  const date = new Date(systemClock.now()).toISOString().slice(0, 10);
  await writeReport(options.out, runs, { command: commandLine(options), date, machine });
  if (options.json) print(JSON.stringify(asJson(runs)));
}

function chosenExperiments(names: readonly string[] | undefined) {
  const known = EXPERIMENTS.map(({ name }) => name);
  const unknown = (names ?? []).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`There is no experiment ${unknown.join(', ')}; choose from: ${known.join(', ')}.`);
  return EXPERIMENTS.filter(({ name }) => names?.includes(name) ?? true);
}

/** Replaces a folder by its files of JSON lines. Files without costs are left out, with a message. */
async function usableFiles(paths: readonly string[]): Promise<string[]> {
  const missing = paths.filter((path) => !existsSync(path));
  if (missing.length > 0) throw new Error(`There is no ${missing.join(', ')}. ${NEEDS}`);
  const usable: string[] = [];
  for (const path of paths) {
    if (!statSync(path).isDirectory()) {
      usable.push(path);
      continue;
    }
    for (const name of readdirSync(path)
      .filter((each) => /\.jsonl(\.gz)?$/.test(each))
      .sort()) {
      const file = join(path, name);
      if (await hasCosts(file)) usable.push(file);
      else tell(`${file} records no costs and is left out.`);
    }
  }
  if (usable.length === 0) throw new Error(NEEDS);
  return usable;
}

async function hasCosts(file: string): Promise<boolean> {
  for await (const { row } of readRecordedRows(file)) {
    return Object.values(row.models).every(({ cost }) => typeof cost === 'number');
  }
  return false;
}

function commandLine({ data, seeds, experiments }: PaperCommandOptions): string {
  const parts = [
    ...(data ? [`--data ${data.join(' ')}`] : []),
    `--seeds ${seeds}`,
    ...(experiments ? [`--experiments ${experiments.join(' ')}`] : []),
  ];
  return `npm run bench:paper -- ${parts.join(' ')}`;
}

async function writeReport(
  folder: string,
  runs: readonly ExperimentRun[],
  frame: Parameters<typeof renderReport>[1],
): Promise<void> {
  const report = join(folder, 'README.md');
  const files = [[report, renderReport(runs, frame)] as const];
  for (const { experiment, datasets } of runs) {
    for (const { dataset, measurements } of datasets) {
      const svg = await drawExperiment(experiment, dataset, measurements);
      if (svg) files.push([join(folder, plotName(experiment, dataset)), svg]);
    }
  }
  await writeWhole(files);
  tell(`Wrote ${report}, with plots next to it`);
}

function asJson(runs: readonly ExperimentRun[]) {
  return {
    experiments: runs.map(({ experiment, datasets }) => ({
      name: experiment.name,
      datasets: datasets.map(({ dataset, queries, models, measurements }) => ({
        name: dataset,
        queries,
        models,
        ...summaryOf(experiment, measurements),
      })),
    })),
  };
}
