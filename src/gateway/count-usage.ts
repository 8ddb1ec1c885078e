import type { Arm } from '../domain/arm.ts';
import type { Usage } from '../domain/chat.ts';
import type { Decision } from '../domain/decision.ts';
import type { Outcome } from '../domain/events.ts';
import type { Metrics } from './metrics.ts';

/** What an exchange used, and what that cost at the prices of the arm that was called. */
export interface Bill {
  arm: Arm;
  usage: Usage;
  estimated: boolean;
  costUsd: number;
}

/** Counts the tokens and the USD of a request that has ended. */
export function countUsage(
  metrics: Metrics,
  { arm, usage, costUsd }: Bill,
  { decision, keyName, outcome }: { decision: Decision; keyName: string | null; outcome: Outcome },
): void {
  const model = arm.id;
  const kinds = {
    input: usage.inputTokens,
    cached_input: usage.cachedInputTokens,
    cache_write: usage.cacheWriteTokens,
    output: usage.outputTokens,
  };
  for (const [kind, count] of Object.entries(kinds)) {
    metrics.tokens.inc({ model, kind }, count);
    if (keyName !== null) metrics.keyTokens.inc({ key: keyName, kind }, count);
  }
  metrics.costUsd.inc({ model }, costUsd);
  const { chosenBy, referenceCostUsd, choices = 1 } = decision;
  // Savings count only what routing achieved; a client that names a model chose its price itself. A partial answer
  // cannot be compared with a whole one from the reference model, and neither can several choices, because the
  // prediction is for one.
  if (outcome !== 'ok' || chosenBy === 'request' || referenceCostUsd === null || choices !== 1) return;
  metrics.referenceCostUsd.inc(referenceCostUsd);
  metrics.savedUsd.inc(referenceCostUsd - costUsd);
}
