import type { RunReport } from '../demo/standing.ts';
import { renderTable } from '../demo/table.ts';
import { percent, renderRun } from './run-table.ts';

interface ShownReport extends RunReport {
  seconds: number;
  ratings: number;
  shares_by_kind: Record<string, Record<string, number>>;
}

/** The demo's closing words: how it did, who answered what, and how to do the same for real. */
export function renderDemo(report: ShownReport): string {
  const models = Object.keys(report.shares);
  const row = (name: string, shares: Record<string, number>) => [
    name,
    ...models.map((model) => (shares[model] === 0 ? '-' : `${(100 * shares[model]).toFixed(0)} %`)),
  ];
  return [
    '',
    `${report.queries} queries, ${report.ratings} ratings, ${report.seconds.toFixed(0)} s. All models, prices, answers and readers are simulated.`,
    '',
    renderRun(report),
    'Who answered which kind of query:',
    '',
    renderTable(
      ['kind', ...models],
      [...Object.entries(report.shares_by_kind).map(([kind, shares]) => row(kind, shares)), row('all', report.shares)],
    ),
    `Quality ${percent(report.quality_ratio)} and cost ${percent(report.cost_ratio)} of always ${report.best_single_model}.`,
    'With your own keys: export OPENAI_API_KEY=… (or ANTHROPIC_API_KEY=…), npm start, and point your client at http://127.0.0.1:8080/v1',
  ].join('\n');
}
