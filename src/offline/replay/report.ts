import type { Period } from '../log/decision-records.ts';
import { type Estimates, type OutcomeEstimates, ReplayEstimators } from './estimators.ts';
import type { LeftOut, ReplayedLog } from './replay-log.ts';
import { refusals, type Support, wideningFor } from './support.ts';
import type { TargetPolicy } from './target-policy.ts';

/** The size is the same for all three estimators, because they weight the same ratings. */
type Sized = OutcomeEstimates & { effective_sample_size: number };

/** What `mixllm replay --json` prints. Times are ISO 8601. */
export interface ReplayReport {
  policy: TargetPolicy;
  /** The requested period, and the times of the first and last decision in it. */
  period: { since: string | null; until: string | null; first: string | null; last: string | null };
  /** All decisions of the period; those that are used; and of these, those that were rated. */
  decisions: number;
  usable: number;
  rated: number;
  /**
   * Usable decisions that continue a conversation. Which model had it in its prompt cache is as in the log, so what the
   * policy's choices in the earlier turns would have changed here is not in the figures.
   */
  continued: number;
  /** Usable decisions whose weight came from the client, the key's bounds or a budget, not from `routing.weight`. */
  own_weights: number;
  left_out: Partial<Record<LeftOut, number>>;
  feature_map: string | null;
  /** The USD that count as 1 in the utility: the mean cost of the reference model's answers. */
  cost_unit_usd: number;
  /** Why the log cannot answer the question; null when it can. */
  refused: string[] | null;
  /** What the logging policy achieved, with the same weight; null without ratings. */
  logged: OutcomeEstimates | null;
  /** What the target policy would have achieved; null when refused. */
  estimates: Record<keyof Estimates, Sized> | null;
  /** The doubly robust estimate minus the logged result. */
  difference: OutcomeEstimates | null;
  /** The size for ratings, which are scarcer than costs; `support` has both. */
  effective_sample_size: number;
  support: Support;
}

/** Assesses the support, and computes estimates if it is sufficient. */
export function replayReport(replayed: ReplayedLog, policy: TargetPolicy, period: Period): ReplayReport {
  const { samples, tally, decisions, first, last, featureMap, leftOut, costUnitUsd, certain, continued, ownWeights } =
    replayed;
  const support = tally.support();
  const rated = samples.filter(({ quality }) => quality !== null).length;
  const counts = { decisions, usable: samples.length, rated, certain };
  const reasons = refusals(support, counts, replayed.neverOffered);
  const estimators = new ReplayEstimators(samples, costUnitUsd, wideningFor(support));
  const refused = reasons.length > 0;
  const { quality: size } = support.effective_sample_size;
  return {
    policy,
    period: { since: iso(period.since), until: iso(period.until), first: iso(first), last: iso(last) },
    decisions,
    usable: samples.length,
    rated,
    continued,
    own_weights: ownWeights,
    left_out: leftOut,
    feature_map: featureMap,
    cost_unit_usd: costUnitUsd,
    refused: refused ? reasons : null,
    logged: rated > 0 ? estimators.logged() : null,
    estimates: refused ? null : sized(estimators.estimates(), size),
    difference: refused ? null : estimators.difference(),
    effective_sample_size: size,
    support,
  };
}

function sized({ ips, snips, dr }: Estimates, size: number): Record<keyof Estimates, Sized> {
  const of = (estimates: OutcomeEstimates) => ({ ...estimates, effective_sample_size: size });
  return { ips: of(ips), snips: of(snips), dr: of(dr) };
}

function iso(milliseconds: number | null | undefined): string | null {
  return milliseconds === null || milliseconds === undefined ? null : new Date(milliseconds).toISOString();
}
