import type { Logger } from '../gateway/logger.ts';
import type { Metrics } from '../gateway/metrics.ts';
import type { BreakerChange, BreakerState } from '../routing/breaker.ts';

const BREAKER_STATES: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 };

/** Reports every change of a breaker to the metrics and the log. */
export function breakerReport(metrics: Metrics, log: Logger) {
  return (model: string, { state, failures, failure }: BreakerChange): void => {
    metrics.breakerState.set({ model }, BREAKER_STATES[state]);
    if (state === 'open') {
      metrics.breakerOpenings.inc({ model });
      log.warn({ model, failures, failure }, "A model's breaker opened: the model is left out until a probe succeeds.");
    } else {
      log.info({ model, state }, `A model's breaker is now ${state}.`);
    }
  };
}

/** Reports to the metrics and the log when the thread of the embedding model is lost, and when it works again. */
export function embedderReport(metrics: Metrics, log: Logger) {
  return (healthy: boolean, reason: string): void => {
    metrics.degraded('embedder', !healthy, 'thread');
    if (healthy) {
      // Whatever failed in between, the embedder works again, even if no query has proved it yet.
      metrics.degraded('embedder', false);
      log.info('The embedding model works again.');
    } else {
      metrics.embedderLosses.inc();
      log.error(
        { reason },
        "The embedding model's thread was lost and will be restarted; until then, queries are routed without their features.",
      );
    }
  };
}
