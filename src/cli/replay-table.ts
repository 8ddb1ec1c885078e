import type { Estimate, OutcomeEstimates } from '../offline/replay/estimators.ts';
import { LEFT_OUT, type LeftOut } from '../offline/replay/replay-log.ts';
import type { ReplayReport } from '../offline/replay/report.ts';
import { renderTable } from './table.ts';

/** Renders the answer or the refusal, followed by what it is based on. */
export function renderReplay(report: ReplayReport): string {
  const { decisions, usable, rated, period, refused } = report;
  if (decisions === 0) return 'The log holds no decisions in this period.';
  return [
    `${period.first} to ${period.last}`,
    `${decisions} decisions, ${usable} usable, ${rated} of them rated`,
    ...leftOut(report),
    ...continued(report),
    ...ownWeights(report),
    '',
    ...(refused ? refusal(refused) : estimates(report)),
    '',
    supportTable(report),
  ].join('\n');
}

function leftOut({ left_out }: ReplayReport): string[] {
  return Object.entries(left_out).map(([reason, count]) => `  ${count} left out: ${LEFT_OUT[reason as LeftOut]}`);
}

function continued({ continued }: ReplayReport): string[] {
  if (continued === 0) return [];
  return [
    `  ${continued} usable ones continue a conversation, with the prompt caches that the log's choices left: what another choice in the first turn would have changed there is not included`,
  ];
}

function ownWeights({ own_weights, policy }: ReplayReport): string[] {
  if (own_weights === 0) return [];
  const whose = `  ${own_weights} usable ones had a weight from the client, the key's bounds or a budget`;
  if (policy.weight !== undefined) return [`${whose}: the policy's weight replaces it, its default_weight would not`];
  return policy.default_weight === undefined ? [] : [`${whose}, and keep it`];
}

function refusal(reasons: readonly string[]): string[] {
  return ['The log cannot show what this policy would have achieved:', ...reasons.map((reason) => `  - ${reason}`)];
}

function estimates({ logged, estimates, difference, effective_sample_size, support, cost_unit_usd }: ReplayReport) {
  const named: [string, OutcomeEstimates | null][] = [
    ['logged', logged],
    ['inverse propensity', estimates?.ips ?? null],
    ['self-normalised', estimates?.snips ?? null],
    ['doubly robust', estimates?.dr ?? null],
    ['doubly robust - logged', difference],
  ];
  const table = renderTable(
    ['estimate (95 % interval)', 'quality', 'USD per decision', 'utility'],
    named.flatMap(([name, outcome]) =>
      outcome ? [[name, shown(outcome.quality, 3), shown(outcome.cost_usd, 6), shown(outcome.utility, 3)]] : [],
    ),
    { align: ['left', 'right', 'right', 'right'], width: 120 },
  );
  return [
    table.trimEnd(),
    `effective sample size: ${effective_sample_size.toFixed(0)} ratings, ${support.effective_sample_size.cost_usd.toFixed(0)} costs; ratio of propensities ${support.mean_ratio.toFixed(2)} on average, ${support.largest_ratio.toFixed(1)} at most`,
    ...unknownOutcomes(support),
    `utility = weight x quality - (1 - weight) x USD / ${cost_unit_usd.toPrecision(3)}`,
  ];
}

function unknownOutcomes({ unknown_outcome_share }: ReplayReport['support']): string[] {
  if (unknown_outcome_share === 0) return [];
  const share = (100 * unknown_outcome_share).toFixed(1);
  return [
    `${share} % of the policy's choices failed in the log and were answered by a model that it does not have; it is not known what it would have got, and the chosen model's other answers stand for them`,
  ];
}

function shown({ mean, low, high }: Estimate, digits: number): string {
  return `${mean.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}

function supportTable({ support }: ReplayReport): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const number = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));
  return renderTable(
    ['model', 'logged', 'policy', 'no support', 'chosen', 'rated', 'rating', 'USD each'],
    support.models.map((model) => [
      model.model,
      percent(model.logged_share),
      percent(model.target_share),
      percent(model.unsupported_share),
      String(model.decisions),
      String(model.rated),
      number(model.mean_rating, 3),
      number(model.mean_cost_usd, 6),
    ]),
  ).trimEnd();
}
