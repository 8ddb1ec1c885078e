import type { RelativeResult, RunReport } from '../recorded/run-report.ts';
import { renderTable } from './table.ts';

/** Renders the result of a run, its first and last third, and simple ways of choosing for comparison. */
export function renderRun(report: RunReport): string {
  const { baselines } = report;
  const [first, , last] = report.thirds;
  const mix = baselines.static_mix;
  const rows: [string, RelativeResult][] = [
    ['MixLLM Gateway', report],
    ['  its first third', first],
    ['  its last third', last],
    [`always ${baselines.best_single.model} (best single)`, baselines.best_single],
    [`always ${baselines.cheapest.model} (cheapest)`, baselines.cheapest],
    ['any model at random', baselines.random],
    ...(mix ? [['best random mix at the same cost', mix] as [string, RelativeResult]] : []),
    ['oracle (knows every answer)', baselines.oracle],
  ];
  return renderTable(
    ['', 'quality', 'of best', 'USD per 1,000', 'of best'],
    rows.map(([name, standing]) => [
      name,
      shown(standing.quality, (quality) => quality.toFixed(3)),
      percent(standing.quality_ratio),
      shown(standing.cost_usd, (usd) => (usd * 1000).toPrecision(3)),
      percent(standing.cost_ratio),
    ]),
  );
}

export function percent(share: number): string {
  return shown(share, (value) => `${(100 * value).toFixed(1)} %`);
}

/** `-` for a part of a run without queries, which has no means, and for ratios to a model that scores nothing. */
function shown(figure: number, render: (figure: number) => string): string {
  return Number.isFinite(figure) ? render(figure) : '-';
}
