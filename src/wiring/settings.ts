import { getHeapStatistics } from 'node:v8';
import type { Config } from '../config/schema.ts';
import type { Reliability } from '../domain/reliability.ts';
import type { ImplicitSettings } from '../gateway/implicit-signals.ts';
import type { Alias } from '../gateway/runtime.ts';
import type { BreakerOptions } from '../routing/breaker.ts';
import type { RoutingBudgetTarget } from '../routing/routing-budget-ledger.ts';

export function reliabilityOf({ learning }: Config, source: string): Reliability | null {
  if (!Object.hasOwn(learning.sources, source)) return null;
  const { true_positive: truePositive, false_positive: falsePositive } = learning.sources[source];
  return { truePositive, falsePositive };
}

export function auditOf({ learning: { audit } }: Config) {
  return typeof audit === 'number' ? { share: audit, sources: ['user'] } : audit;
}

export function implicitSettings({ learning: { implicit } }: Config): ImplicitSettings {
  const { regenerate, abort } = implicit;
  return {
    regenerate: regenerate
      ? { score: regenerate.score, weight: regenerate.weight, withinMs: 1000 * regenerate.within_s }
      : null,
    abort: abort ?? null,
  };
}

export function aliasesOf({ routing: { aliases } }: Config): Map<string, Alias> {
  return new Map(
    Object.entries(aliases).map(([name, alias]) => [
      name,
      typeof alias === 'string' ? { model: alias, among: null } : { model: alias.model, among: new Set(alias.models) },
    ]),
  );
}

type Targets = Config['routing']['targets'];

export function budgetTarget(budget: Targets['budget']): RoutingBudgetTarget | null {
  if (!budget) return null;
  return 'usd_per_day' in budget ? { usdPerDay: budget.usd_per_day } : { usdPerRequest: budget.usd_per_request };
}

export function breakerOptions({ resilience: { breaker } }: Config): BreakerOptions {
  return { failures: breaker.failures, cooldownMs: breaker.cooldown_s * 1000 };
}

/**
 * A body takes about five times its size while its request runs, so this leaves half of the heap for everything else.
 */
const BODIES_PART_OF_HEAP = 1 / 10;

/** Bytes that the bodies of all running requests may take together. */
export function bodiesLimit({ server: { max_bodies_mb: megabytes } }: Config): number {
  if (megabytes !== undefined) return megabytes * 2 ** 20;
  return getHeapStatistics().heap_size_limit * BODIES_PART_OF_HEAP;
}
