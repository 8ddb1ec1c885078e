import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { evaluateFiles } from '../offline/evaluate/evaluate.ts';
import { drawEvaluation } from '../offline/evaluate/plot.ts';
import { POINT_TITLES, POINTS, PREDICTORS } from '../offline/evaluate/predictors.ts';
import {
  type DatasetReport,
  datasetReport,
  type Figure,
  meanCurve,
  type ResultReport,
} from '../offline/evaluate/report.ts';
import type { EvaluationResult } from '../offline/evaluate/worker.ts';
import { datasetName } from '../offline/online/summary.ts';
import { systemClock } from '../util/clock.ts';
import { makeFolder } from '../util/make-folder.ts';
import { writeWhole } from '../util/write-whole.ts';
import { print, tell } from './print.ts';
import { ProgressLine } from './progress-line.ts';
import { recordedContexts } from './recorded-contexts.ts';
import { tellLeftOutOf } from './recorded-notes.ts';
import { renderTable } from './table.ts';

export interface EvaluateOptions {
  data: string[];
  seeds: number;
  split: number;
  predictors?: string[];
  /** The config whose feature map is judged; the shipped map by default. */
  config?: string;
  json?: boolean;
  out?: string;
}

const TITLES = new Map<string, string>([
  ...PREDICTORS.map(({ name, title }) => [name, title] as const),
  ...POINTS.map((name) => [name, POINT_TITLES[name]] as const),
]);

/**
 * `mixllm evaluate`: scores the predictions on held-out recorded outcomes, and compares them with simple ways of
 * choosing.
 */
export async function evaluate(options: EvaluateOptions): Promise<void> {
  const asked = options.predictors ?? [...TITLES.keys()];
  const unknown = asked.filter((name) => !TITLES.has(name));
  if (unknown.length > 0) {
    throw new Error(`There is no predictor ${unknown.join(', ')}; choose from: ${[...TITLES.keys()].join(', ')}.`);
  }
  // A figure means nothing without the baselines.
  const baselines = [...PREDICTORS.filter(({ isBaseline }) => isBaseline).map(({ name }) => name), ...POINTS];
  const names = [...new Set([...asked, ...baselines])];
  await tellLeftOutOf(options.data);
  // An unwritable folder should fail before the work, not after it.
  if (options.out) makeFolder(options.out);
  const progress = new ProgressLine(process.stderr, systemClock);
  const told = (done: number, of: number) => `${done}/${of} splits`;
  const { datasets: files, featureMap } = await recordedContexts(options.data, options.config, progress);
  const results = await evaluateFiles({
    files,
    seeds: options.seeds,
    share: options.split,
    names,
    threads: availableParallelism(),
    onDone: (done, of) => progress.update(told(done, of)),
  });
  progress.done(told(results.flat().length, results.flat().length));
  const datasets = options.data.map((file, i) => datasetReport(datasetName(file), results[i]));
  const judged = options.config === undefined ? {} : { feature_map: featureMap };
  print(options.json ? JSON.stringify({ ...judged, datasets }) : renderEvaluation(datasets));
  if (!options.out) return;
  const written = [[join(options.out, 'evaluation.md'), evaluationMarkdown(datasets)] as const];
  for (const [i, { name }] of datasets.entries()) {
    written.push([join(options.out, `${name}-evaluation.svg`), await evaluationPlot(name, results[i])]);
  }
  await writeWhole(written);
  tell(`Wrote ${options.out}/evaluation.md, and a plot for each data set`);
}

/** The columns of a data set's table. The columns from RouteLLM are present only for two models. */
function columns(results: readonly ResultReport[]): { header: string; cell: (result: ResultReport) => string }[] {
  const shown = (figure: Figure | undefined) => {
    if (!figure || figure.mean === null || figure.sd === null) return '-';
    const partly = figure.reached < 1 ? ` (${(100 * figure.reached).toFixed(0)} % of seeds)` : '';
    return `${(100 * figure.mean).toFixed(1)} ± ${(100 * figure.sd).toFixed(1)}${partly}`;
  };
  const both = [
    { header: 'quality at 24.18 % cost', cell: (result: ResultReport) => shown(result.quality_at_24_18) },
    { header: 'cost for 97.25 % quality', cell: (result: ResultReport) => shown(result.cost_for_97_25) },
    { header: 'AIQ', cell: (result: ResultReport) => shown(result.aiq) },
  ];
  if (!results.some(({ apgr }) => apgr)) return both;
  return [
    ...both,
    { header: 'APGR', cell: (result) => shown(result.apgr) },
    { header: 'CPT50', cell: (result) => shown(result.cpt50) },
    { header: 'CPT80', cell: (result) => shown(result.cpt80) },
  ];
}

function heading({ name, queries, models, seeds }: DatasetReport): string {
  return `${name}: ${queries} queries, ${models} models, ${seeds} random splits; in percent, mean ± sd`;
}

function rowsOf({ results }: DatasetReport): string[][] {
  return results.map((result) => [
    TITLES.get(result.name) ?? result.name,
    ...columns(results).map(({ cell }) => cell(result)),
  ]);
}

function renderEvaluation(datasets: readonly DatasetReport[]): string {
  return datasets
    .map((dataset) => {
      const headers = ['', ...columns(dataset.results).map(({ header }) => header)];
      return `\n${heading(dataset)}\n\n${renderTable(headers, rowsOf(dataset), { width: 140 })}`;
    })
    .join('\n');
}

/** Has no title of its own, so that it can be part of a report. */
export function evaluationMarkdown(datasets: readonly DatasetReport[]): string {
  return datasets
    .map((dataset) => {
      const headers = ['', ...columns(dataset.results).map(({ header }) => header)];
      const lines = [headers, headers.map((_, i) => (i === 0 ? '---' : '---:')), ...rowsOf(dataset)];
      return `${heading(dataset)}\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
    })
    .join('\n');
}

export function evaluationPlot(name: string, results: readonly EvaluationResult[]): Promise<string> {
  return drawEvaluation({
    title: `${name}: held-out queries, mean of ${results.length} splits`,
    curves: Object.keys(results[0].measurements).map((predictor) => ({
      name: TITLES.get(predictor) ?? predictor,
      isBaseline: PREDICTORS.find((each) => each.name === predictor)?.isBaseline ?? true,
      points: meanCurve(predictor, results),
    })),
  });
}
