import type { Decision } from '../domain/decision.ts';
import { weightOfNu } from '../routing/budget.ts';
import type { RoutingBudgetLedger } from '../routing/routing-budget-ledger.ts';
import type { Clock } from '../util/clock.ts';
import type { Learner } from './learning/learner.ts';
import type { Metrics } from './metrics.ts';
import type { Runtime } from './runtime.ts';

interface Parts {
  clock: Clock;
  metrics: Metrics;
  learner: Learner;
}

/** `routing.targets.budget` as requests meet it: the weight that it has come to, and what is set aside of it. */
export class RoutingBudget {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What the request is predicted to cost is not there for others. @param called the arm that is asked */
  reserve(decisionId: string, { arms, choices = 1 }: Decision, called: string): void {
    const usd = (arms.find(({ arm }) => arm === called)?.costUsd ?? 0) * choices;
    this.#ledger.reserve(decisionId, usd, this.#parts.clock.now());
  }

  /** The weight now; null without a budget. */
  weight({ budget, defaultWeight }: Pick<Runtime, 'budget' | 'defaultWeight'>): number | null {
    return budget ? weightOfNu(this.#ledger.nu(defaultWeight)) : null;
  }

  /** Tells the metrics how things stand now; without a budget they have no word of one. */
  tell(runtime: Pick<Runtime, 'budget' | 'defaultWeight'>): void {
    const { budget } = runtime;
    const { metrics, clock } = this.#parts;
    const ledger = this.#ledger;
    metrics.budgetTargetUsd.reset();
    metrics.budgetSpentUsd.reset();
    // A reset would leave it at 0, which is a weight like others.
    metrics.budgetWeight.remove();
    const weight = this.weight(runtime);
    if (!budget || weight === null) return;
    metrics.budgetWeight.set(weight);
    if ('usdPerDay' in budget) {
      metrics.budgetTargetUsd.set({ per: 'day' }, budget.usdPerDay);
      metrics.budgetSpentUsd.set({ per: 'day' }, ledger.spentToday(clock.now()));
    } else {
      metrics.budgetTargetUsd.set({ per: 'request' }, budget.usdPerRequest);
      metrics.budgetSpentUsd.set({ per: 'request' }, ledger.meanUsd);
    }
  }

  get #ledger(): RoutingBudgetLedger {
    return this.#parts.learner.knowledge.routingSpend;
  }
}
