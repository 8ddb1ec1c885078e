import { basename, join } from 'node:path';
import { drawQualityCost } from '../offline/quality-cost-plot.ts';
import { singleModels } from '../recorded/baselines.ts';
import { loadRecordedOutcomes, type RecordedData, type RecordedQuery } from '../recorded/recorded-outcomes.ts';
import { recordedOutcomes } from '../recorded/recorded-prices.ts';
import { topTags } from '../recorded/tag-shares.ts';
import { makeFolder } from '../util/make-folder.ts';
import { writeWhole } from '../util/write-whole.ts';
import { type BenchReport, type BenchRunOptions, queriesOf, runBench } from './bench-run.ts';
import { print, tell } from './print.ts';
import { tellLeftOut } from './recorded-notes.ts';
import { percent, renderRun } from './run-table.ts';
import { renderTable } from './table.ts';

export interface BenchOptions extends BenchRunOptions {
  json?: boolean;
  sweep?: boolean;
  out?: string;
}

/** Number of rows in the table of tags, and of models named in each. */
const SHOWN_TAGS = 12;
const SHOWN_MODELS = 2;

/** From economical to demanding; the steps shrink where a small change of the weight has a large effect. */
const SWEEP = [0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99];

/** `mixllm bench`: sends recorded outcomes through the real gateway, at one weight or at a sweep of them. */
export async function bench(options: BenchOptions): Promise<void> {
  if (options.out && !options.sweep) throw new Error('--out needs --sweep: one run gives no curve.');
  const data = await loadRecordedOutcomes(options.data);
  tellLeftOut(data);
  if (options.out) makeFolder(options.out);
  if (!options.sweep) {
    const report = await runBench(options, data);
    print(options.json ? JSON.stringify(report) : renderBench(report));
    return;
  }
  const reports: BenchReport[] = [];
  for (const weight of SWEEP) reports.push(await runBench({ ...options, weight }, data));
  print(options.json ? JSON.stringify({ data: options.data, runs: reports }) : renderSweep(reports));
  if (options.out) await writeSweep(options.out, reports, data, queriesOf(options, data));
}

function renderBench(report: BenchReport): string {
  return [
    '',
    `${report.queries} recorded queries of ${report.data} at weight ${report.weight}, ${report.seconds.toFixed(0)} s.`,
    '',
    renderRun(report),
    renderTable(
      ['model', 'share'],
      Object.entries(report.shares).map(([model, share]) => [model, percent(share)]),
    ),
    "Which model got which kind of query, by the gateway's tag:",
    '',
    renderTags(report),
  ].join('\n');
}

/**
 * Names only the top models of each tag: a column per model, as in the demo, would be too wide for data with many
 * models.
 */
function renderTags(report: BenchReport): string {
  const { queries_by_tag, shares_by_tag } = topTags(report, SHOWN_TAGS);
  const most = (shares: Record<string, number>) =>
    Object.entries(shares)
      .filter(([, share]) => share > 0)
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN_MODELS)
      .map(([model, share]) => `${model} ${(100 * share).toFixed(0)} %`);
  return renderTable(
    ['tag', 'queries', 'mostly to'],
    Object.entries(shares_by_tag).map(([tag, shares]) => [tag, String(queries_by_tag[tag]), most(shares).join(', ')]),
    { width: 140 },
  );
}

const SWEEP_HEADERS = ['weight', 'quality', 'cost', 'last third: quality', 'cost', 'best random mix at the same cost'];

function sweepRows(reports: readonly BenchReport[]): string[][] {
  return reports.map((report) => [
    String(report.weight),
    percent(report.quality_ratio),
    percent(report.cost_ratio),
    percent(report.thirds[2].quality_ratio),
    percent(report.thirds[2].cost_ratio),
    report.baselines.static_mix ? percent(report.baselines.static_mix.quality_ratio) : '-',
  ]);
}

function renderSweep(reports: readonly BenchReport[]): string {
  return `\n${describe(reports[0])}\n\n${renderTable(SWEEP_HEADERS, sweepRows(reports))}`;
}

function describe({ queries, data, best_single_model, seed }: BenchReport): string {
  return `${queries} recorded queries of ${basename(data)} through the gateway, nothing known at the start, seed ${seed}; shares of always using ${best_single_model}.`;
}

async function writeSweep(
  folder: string,
  reports: readonly BenchReport[],
  data: RecordedData,
  queries: readonly RecordedQuery[],
): Promise<void> {
  const name = basename(data.file).replace(/\.jsonl(\.gz)?$/, '');
  const { baselines } = reports[0];
  const best = baselines.best_single;
  const share = ({ quality, cost }: { quality: number; cost: number }) => ({
    quality: quality / best.quality,
    cost: cost / best.cost_usd,
  });
  const markdown = [
    describe(reports[0]),
    '',
    `| ${SWEEP_HEADERS.join(' | ')} |`,
    `|${'---:|'.repeat(SWEEP_HEADERS.length)}`,
    ...sweepRows(reports).map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n');
  const svg = await drawQualityCost({
    title: name,
    curves: [
      {
        name: 'MixLLM Gateway, last third',
        points: reports.map(({ thirds, weight }) => ({
          quality: thirds[2].quality_ratio,
          cost: thirds[2].cost_ratio,
          label: String(weight),
        })),
      },
    ],
    references: [
      ...singleModels(recordedOutcomes(queries)).map((single) => ({
        ...share(single),
        label: data.models[single.model].replace(/^.*\//, ''),
      })),
      { quality: baselines.random.quality_ratio, cost: baselines.random.cost_ratio, label: 'random' },
    ],
  });
  await writeWhole([
    [join(folder, `${name}.md`), markdown],
    [join(folder, `${name}.svg`), svg],
  ]);
  tell(`Wrote ${join(folder, name)}.md and .svg`);
}
