import { basename } from 'node:path';
import { loadRecordedOutcomes } from '../recorded/recorded-outcomes.ts';
import { mean, standardDeviation } from '../util/statistics.ts';
import { type BenchReport, type BenchRunOptions, runBench } from './bench-run.ts';
import { print } from './print.ts';
import { tellLeftOut } from './recorded-notes.ts';
import { renderTable } from './table.ts';

export interface BenchSeedsOptions extends BenchRunOptions {
  /** Number of random orders, each with its own prices and choices, using `seed` and the seeds after it. */
  seeds: number;
  json?: boolean;
}

/** `mixllm bench --seeds N`: means over several runs, because the result of a single run depends much on chance. */
export async function benchSeeds(options: BenchSeedsOptions): Promise<void> {
  const data = await loadRecordedOutcomes(options.data);
  tellLeftOut(data);
  const runs: BenchReport[] = [];
  for (let i = 0; i < options.seeds; i++) runs.push(await runBench({ ...options, seed: options.seed + i }, data));
  print(options.json ? JSON.stringify({ data: options.data, runs }) : renderSeeds(runs));
}

type Shares = { quality_ratio: number; cost_ratio: number };

const ROWS: readonly [string, (run: BenchReport) => Shares | null][] = [
  ['MixLLM Gateway', (run) => run],
  ['  its first third', ({ thirds }) => thirds[0]],
  ['  its last third', ({ thirds }) => thirds[2]],
  ['any model at random', ({ baselines }) => baselines.random],
  ['best random mix at the same cost', ({ baselines }) => baselines.static_mix],
];

export function renderSeeds(runs: readonly BenchReport[]): string {
  const [{ queries, data, weight, best_single_model: best }] = runs;
  const rows = ROWS.map(([name, of]) => {
    const shares = runs.map(of).filter((share) => share !== null);
    const cell = (key: keyof Shares) => (shares.length > 0 ? meanWithError(shares.map((share) => share[key])) : '-');
    return [name, cell('quality_ratio'), cell('cost_ratio')];
  });
  return [
    '',
    `${queries} recorded queries of ${basename(data)} at weight ${weight}, ${runs.length} random orders; in % of always using ${best}, mean ± standard error.`,
    '',
    renderTable(['', 'quality', 'cost'], rows),
  ].join('\n');
}

/** In percent; `-` when there is nothing to divide by, or no query. */
function meanWithError(shares: readonly number[]): string {
  if (!shares.every(Number.isFinite)) return '-';
  const error = (100 * standardDeviation(shares)) / Math.sqrt(shares.length);
  return `${(100 * mean(shares)).toFixed(1)} ± ${error.toFixed(1)}`;
}
