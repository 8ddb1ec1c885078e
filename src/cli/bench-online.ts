import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { drawLearningCurve } from '../offline/online/learning-curve-plot.ts';
import { type SeedMeasurement, WAYS, type Way } from '../offline/online/measure-seed.ts';
import { runJobs } from '../offline/online/run-jobs.ts';
import { SCENARIOS, type ScenarioName } from '../offline/online/scenarios.ts';
import { FIRST_SEED } from '../offline/online/stream.ts';
import { curveOf, datasetName, type OnlineReport, reportOf, type Spread } from '../offline/online/summary.ts';
import { systemClock } from '../util/clock.ts';
import { makeFolder } from '../util/make-folder.ts';
import { writeWhole } from '../util/write-whole.ts';
import { print, tell } from './print.ts';
import { ProgressLine } from './progress-line.ts';
import { recordedContexts } from './recorded-contexts.ts';
import { tellLeftOutOf } from './recorded-notes.ts';
import { renderTable } from './table.ts';

export interface OnlineBenchOptions {
  data: readonly string[];
  seeds: number;
  /** Names of scenarios, `all` or `none`; absent: all. */
  scenarios?: readonly string[];
  /** The config whose feature map makes the contexts; the shipped map by default. */
  config?: string;
  json?: boolean;
  out?: string;
}

const WAY_TITLES: Record<Way, string> = {
  cold: 'MixLLM Gateway, cold',
  warm50: '  first 50 queries answered by all',
  full: "every model's outcome seen",
  flat: 'flat-prior LinUCB, per model',
  best_single: 'always the best model',
  random: 'any model at random',
};

/** Ways shown in the learning curve. A warm start is scored on different queries than the others, so it is left out. */
const CURVES: readonly Way[] = ['cold', 'full', 'flat', 'best_single', 'random'];

/** `mixllm bench --online`: the production policy on recorded outcomes, in this process, over many random orders. */
export async function benchOnline(options: OnlineBenchOptions): Promise<void> {
  const seeds = Array.from({ length: options.seeds }, (_, i) => FIRST_SEED + i);
  const scenarios = scenarioNames(options.scenarios);
  await tellLeftOutOf(options.data);
  // An unwritable folder should fail before the work, not after it.
  if (options.out) makeFolder(options.out);
  const progress = new ProgressLine(process.stderr, systemClock);
  const { datasets: files, featureMap } = await recordedContexts(options.data, options.config, progress);
  const jobs = files.flatMap((file) => seeds.map((seed) => ({ ...file, seed, scenarios })));
  const told = (done: number) => `${done}/${jobs.length} runs`;
  const measured = await runJobs(jobs, availableParallelism(), (done) => progress.update(told(done)));
  progress.done(told(jobs.length));
  const byFile = options.data.map((file, i) => ({
    file,
    measurements: measured.slice(i * seeds.length, (i + 1) * seeds.length),
  }));
  const datasets = byFile.map(({ file, measurements }) => reportOf(file, measurements));
  const judged = options.config === undefined ? {} : { feature_map: featureMap };
  print(options.json ? JSON.stringify({ ...judged, datasets }) : renderOnline(datasets));
  if (options.out) for (const { file, measurements } of byFile) await writeCurve(options.out, file, measurements);
}

function scenarioNames(names: readonly string[] = ['all']): ScenarioName[] {
  const known = Object.keys(SCENARIOS) as ScenarioName[];
  if (names.length === 1 && names[0] === 'all') return known;
  if (names.length === 1 && names[0] === 'none') return [];
  const unknown = names.filter((name) => !known.some((candidate) => candidate === name));
  if (unknown.length > 0)
    throw new Error(`There is no scenario ${unknown.join(', ')}; choose from: ${known.join(', ')}.`);
  return known.filter((name) => names.includes(name));
}

function renderOnline(datasets: readonly OnlineReport[]): string {
  const row = (title: string, of: (dataset: OnlineReport) => Spread | undefined) => [
    title,
    ...datasets.map((dataset) => shown(of(dataset))),
  ];
  const rows = WAYS.map((way) => row(WAY_TITLES[way], ({ u }) => u[way]));
  for (const name of Object.keys(datasets[0].scenarios) as ScenarioName[]) {
    const { title } = SCENARIOS[name];
    const figures = Object.entries(datasets[0].scenarios[name] ?? {}).filter(([, value]) => typeof value === 'object');
    rows.push([`${name}: ${title}`]);
    for (const [figure] of figures) {
      rows.push(row(`  ${figure}`, ({ scenarios }) => scenarios[name]?.[figure] as Spread | undefined));
    }
  }
  return [
    '',
    `Utility, 100 · mean(quality − ν · cost / best model's cost) / best model's quality, ν log-uniform in [0.02, 0.5];`,
    `mean ± standard deviation over ${datasets[0].seeds} random orders.`,
    '',
    renderTable(['', ...datasets.map(({ name }) => name)], rows, { width: 140 }),
  ].join('\n');
}

function shown(spread: Spread | undefined): string {
  return spread ? `${spread.mean.toFixed(2)} ± ${spread.sd.toFixed(2)}` : '-';
}

async function writeCurve(folder: string, file: string, measurements: readonly SeedMeasurement[]): Promise<void> {
  const name = datasetName(file);
  const svg = await drawLearningCurve(
    name,
    CURVES.map((way) => ({ name: WAY_TITLES[way], points: curveOf(measurements, way) })),
  );
  const path = join(folder, `${name}-learning.svg`);
  await writeWhole([[path, svg]]);
  tell(`Wrote ${path}`);
}
