import type { LogSummary } from '../offline/log/log-summary.ts';
import { renderTable } from './table.ts';

/** What the log holds, as a table with the totals above it. */
export function renderLogSummary(summary: LogSummary): string {
  const { decisions, answered, rated, cost_usd, first, last, feature_maps, models } = summary;
  if (decisions === 0) return 'The log holds no decisions in this period.';
  const number = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));
  const table = renderTable(
    ['model', 'answers', 'share', 'rated', 'rating', 'USD', 'USD each', 'tokens in', 'out', 'seconds'],
    models.map((model) => [
      model.model,
      String(model.answers),
      `${(100 * model.share).toFixed(1)} %`,
      String(model.rated),
      number(model.mean_rating, 3),
      number(model.cost_usd, 4),
      number(model.mean_cost_usd, 6),
      number(model.mean_input_tokens, 0),
      number(model.mean_output_tokens, 0),
      number(model.mean_latency_s, 2),
    ]),
  );
  const maps = Object.entries(feature_maps).map(([map, count]) => `${map} (${count})`);
  return [
    `${first} to ${last}`,
    `${decisions} decisions, ${answered} answered, ${rated} rated, ${cost_usd.toFixed(4)} USD`,
    `feature map${maps.length === 1 ? '' : 's'}: ${maps.join(', ')}`,
    '',
    table.trimEnd(),
  ].join('\n');
}
