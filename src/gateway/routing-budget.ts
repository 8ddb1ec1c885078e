import { hash } from 'node:crypto';
import type { ChatMessage } from '../domain/chat.ts';
import { type Decision, explanationOf } from '../domain/decision.ts';
import type { CompletedEvent } from '../domain/events.ts';
import { weightOfNu } from '../routing/budget.ts';
import type { RoutingBudgetLedger } from '../routing/routing-budget-ledger.ts';
import type { Clock } from '../util/clock.ts';
import type { Learner } from './learning/learner.ts';
import { identityOf } from './message-identity.ts';
import type { Metrics } from './metrics.ts';
import type { Runtime } from './runtime.ts';

const HOUR_MS = 3_600_000;
/** Refused requests that are told apart within an hour; further ones do not count. */
const MOST_REFUSED = 10_000;

interface Parts {
  clock: Clock;
  metrics: Metrics;
  learner: Learner;
}

/** `routing.targets.budget` on the request path: its current weight, and the USD reserved from it. */
export class RoutingBudget {
  readonly #parts: Parts;
  /** The requests that were refused in the current hour. */
  #refused = { hour: 0, requests: new Set<string>() };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Notes a request that was refused because too little is left of the day. A client that keeps sending it would look
   * like a rush, for which the following days would hold back their money, so it counts once an hour.
   */
  refused(messages: readonly ChatMessage[]): void {
    const now = this.#parts.clock.now();
    const hour = Math.floor(now / HOUR_MS);
    if (this.#refused.hour !== hour) this.#refused = { hour, requests: new Set() };
    const { requests } = this.#refused;
    if (requests.size >= MOST_REFUSED) return;
    const identity = hash('sha1', messages.map(identityOf).join('\n'));
    if (requests.has(identity)) return;
    requests.add(identity);
    this.#ledger.refused(now);
  }

  /**
   * Sets aside the predicted cost of the request, so that other requests cannot spend it.
   * @param called the arm that will be called
   */
  reserve(decisionId: string, decision: Decision, called: string): void {
    const usd = (explanationOf(decision, called)?.costUsd ?? 0) * (decision.choices ?? 1);
    this.#ledger.reserve(decisionId, usd, this.#parts.clock.now());
  }

  /** Replaces what is set aside for a request that has ended by what it cost, if a day's budget must still cover that. */
  settle({ decisionId, costUsd, time }: CompletedEvent, { budget }: Pick<Runtime, 'budget'>): void {
    if (!budget || 'usdPerRequest' in budget) this.#ledger.release(decisionId);
    else this.#ledger.settle(decisionId, Number.isFinite(costUsd) ? (costUsd as number) : 0, time);
  }

  /** The current weight; null without a budget. */
  weight({ budget, defaultWeight }: Pick<Runtime, 'budget' | 'defaultWeight'>): number | null {
    return budget ? weightOfNu(this.#ledger.nu(defaultWeight)) : null;
  }

  /** Updates the budget metrics. Without a budget they have no series. */
  tell(runtime: Pick<Runtime, 'budget' | 'defaultWeight'>): void {
    const { budget } = runtime;
    const { metrics, clock } = this.#parts;
    const ledger = this.#ledger;
    metrics.budgetTargetUsd.reset();
    metrics.budgetSpentUsd.reset();
    // A reset would leave the gauge at 0, which is a valid weight.
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
