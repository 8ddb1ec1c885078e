import type { RunReport } from '../recorded/run-report.ts';
import { type TagShares, topTags } from '../recorded/tag-shares.ts';
import { percent, renderRun } from './run-table.ts';
import { renderTable } from './table.ts';

/** Number of rows in the table of tags. */
const SHOWN_TAGS = 12;

interface ShownReport extends RunReport, TagShares {
  seconds: number;
  ratings: number;
}

/** The demo's final output: how it did, which model answered what, and how to do the same for real. */
export function renderDemo(report: ShownReport): string {
  const models = Object.keys(report.shares);
  const shown = topTags(report, SHOWN_TAGS);
  const row = (name: string, queries: number, shares: Record<string, number>) => [
    name,
    String(queries),
    ...models.map((model) => (shares[model] === 0 ? '-' : `${(100 * shares[model]).toFixed(0)} %`)),
  ];
  return [
    '',
    `${report.queries} queries, ${report.ratings} ratings, ${report.seconds.toFixed(0)} s. All models, prices, answers and readers are simulated.`,
    '',
    renderRun(report),
    "Which model got which kind of query, by the gateway's tag:",
    '',
    renderTable(
      ['tag', 'queries', ...models],
      [
        ...Object.entries(shown.shares_by_tag).map(([tag, shares]) => row(tag, shown.queries_by_tag[tag], shares)),
        row('all', report.queries, report.shares),
      ],
    ),
    `Quality ${percent(report.quality_ratio)} and cost ${percent(report.cost_ratio)} of always using ${report.best_single_model}.`,
    'With your own keys: export OPENAI_API_KEY=… (or ANTHROPIC_API_KEY=…), npm start (installed as a package: npx mixllm serve), and point your client at http://127.0.0.1:8080/v1',
  ].join('\n');
}
