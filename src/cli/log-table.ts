import type { AnswerSummary, LogSummary } from '../offline/log/log-summary.ts';
import { renderTable } from './table.ts';

/** What the log holds, as a table with the totals above it. */
export function renderLogSummary(summary: LogSummary): string {
  const { decisions, answered, rated, cost_usd, first, last, feature_maps, models, keys } = summary;
  if (decisions === 0) return 'The log holds no decisions in this period.';
  const number = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));
  const table = (name: string, groups: readonly (readonly [string, AnswerSummary])[]) =>
    renderTable(
      [name, 'answers', 'share', 'rated', 'rating', 'USD', 'USD each', 'tokens in', 'out', 'seconds'],
      groups.map(([group, summary]) => [
        group,
        String(summary.answers),
        `${(100 * summary.share).toFixed(1)} %`,
        String(summary.rated),
        number(summary.mean_rating, 3),
        number(summary.cost_usd, 4),
        number(summary.mean_cost_usd, 6),
        number(summary.mean_input_tokens, 0),
        number(summary.mean_output_tokens, 0),
        number(summary.mean_latency_s, 2),
      ]),
    ).trimEnd();
  const byModel = table(
    'model',
    models.map((summary) => [summary.model, summary]),
  );
  const byKey = table(
    'key',
    keys.map((summary) => [summary.key, summary]),
  );
  const maps = Object.entries(feature_maps).map(([map, count]) => `${map} (${count})`);
  return [
    `${first} to ${last}`,
    `${decisions} decisions, ${answered} answered, ${rated} rated, ${cost_usd.toFixed(4)} USD`,
    `feature map${maps.length === 1 ? '' : 's'}: ${maps.join(', ')}`,
    '',
    byModel,
    ...(keys.length > 0 ? ['', byKey] : []),
  ].join('\n');
}
