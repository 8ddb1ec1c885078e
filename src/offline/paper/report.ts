import type { Figure } from '../evaluate/report.ts';
import type { Experiment } from './experiment.ts';
import type { DatasetRun, ExperimentRun } from './run.ts';
import { type Summary, summaryOf, type WaySummary } from './summary.ts';
import { QUALITY_AT_COST, tradeOff } from './trade-off.ts';

export interface ReportFrame {
  command: string;
  /** Day of the run, e.g. 2026-11-25. */
  date: string;
  /** Describes the machine, and how long the run took. */
  machine: string;
}

/** The whole report in Markdown. It links to plots in the same folder, named by `plotName`. */
export function renderReport(runs: readonly ExperimentRun[], frame: ReportFrame): string {
  const main = runs.find(({ experiment }) => experiment === tradeOff);
  return [
    "# The paper's experiments on our data",
    'After MixLLM (arXiv 2502.18482). The policy, its feature map, its priors, and the computation of waits and ' +
      "penalties are the gateway's own; the models' answers are recorded outcomes of public benchmarks, see [the " +
      "README](../../README.md). The paper's own data are not here, so this repeats its questions, not its figures.",
    `\`${frame.command}\`, ${frame.date}, ${frame.machine}`,
    'Figures are in percent unless seconds are named, mean ± standard deviation over random splits or orders. ' +
      '*Lead* is the difference from the row without one (of the same split, where there are several), seed by ' +
      "seed, mean ± standard error. Utility is quality − ν · cost / the best single model's cost, as a share of " +
      "that model's quality; ν = 0.1 is a weight of 0.91.",
    ...(main ? ['## In short', headlineTable(main)] : []),
    ...runs.flatMap((run) => section(run)),
  ]
    .join('\n\n')
    .concat('\n');
}

export function plotName(experiment: Experiment, dataset: string): string {
  return `${dataset}-${experiment.name}.svg`;
}

/** One row per data set, as shown in the README. */
function headlineTable({ datasets }: ExperimentRun): string {
  const columns = ['MixLLM Gateway', 'random mix of two models', 'true task label', 'oracle (knows every answer)'];
  const rows = datasets.map((run) => {
    const { ways } = summaryOf(tradeOff, run.measurements);
    const cell = (way: string) => {
      const figures = ways.find((each) => each.way === way)?.figures ?? {};
      return [QUALITY_AT_COST, 'cost for 97.25 % of the quality'].map((name) => percent(figures[name])).join(' / ');
    };
    return [`${run.dataset} (${run.queries} queries, ${run.models} models)`, ...columns.map(cell)];
  });
  return table(['quality at 24.18 % of the cost / cost for 97.25 % of the quality', ...columns], rows);
}

function percent(figure: Figure | undefined): string {
  return figure?.mean == null ? '-' : (100 * figure.mean).toFixed(1);
}

function section({ experiment, datasets, threadS }: ExperimentRun): string[] {
  if (datasets.length === 0) return [`## ${experiment.title}`, 'None of the data sets is suitable.'];
  return [
    `## ${experiment.title}`,
    experiment.protocol,
    ...datasets.flatMap((run) => datasetPart(experiment, run)),
    `**How to read it.** ${experiment.reading} (${Math.round(threadS)} s of one thread.)`,
  ];
}

function datasetPart(experiment: Experiment, run: DatasetRun): string[] {
  const summary = summaryOf(experiment, run.measurements);
  const name = plotName(experiment, run.dataset);
  return [
    `### ${run.dataset}: ${experiment.title.toLowerCase()}`,
    `${run.queries} queries, ${run.models} models, ${summary.seeds} seeds.`,
    summaryTable(experiment, summary),
    ...(experiment.plot ? [`![${run.dataset}: ${experiment.title.toLowerCase()}](${name})`] : []),
  ];
}

function summaryTable({ lead: { figure: compared } }: Experiment, { ways }: Summary): string {
  const figures = [...new Set(ways.flatMap((way) => Object.keys(way.figures)))];
  const rows = ways.map((way) => [
    way.way,
    ...figures.map((figure) => shown(way.figures[figure], figure.endsWith(', s') ? 1 : 100)),
    lead(way),
  ]);
  return table(['', ...figures, `lead in ${compared}`], rows);
}

function shown(figure: Figure | undefined, scale: number): string {
  if (!figure || figure.mean === null || figure.sd === null) return '-';
  const partly = figure.reached < 1 ? ` (${(100 * figure.reached).toFixed(0)} % of seeds)` : '';
  return `${signed(scale * figure.mean)} ± ${(scale * figure.sd).toFixed(1)}${partly}`;
}

function lead({ lead: of }: WaySummary): string {
  if (!of) return '';
  return `${of.mean < 0 ? '' : '+'}${signed(100 * of.mean)} ± ${(100 * of.standardError).toFixed(1)}`;
}

function signed(value: number): string {
  return value.toFixed(1).replace('-', '−');
}

function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = headers.map((_, i) => (i === 0 ? '---' : '---:'));
  return [headers, rule, ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n');
}

/** Escapes names of tasks and files, which come from outside: a bar or a line break would end the cell. */
function escaped(cell: string): string {
  return cell.replace(/\|/g, '\\|').replace(/\s*\n\s*/g, ' ');
}
