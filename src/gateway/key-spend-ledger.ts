import { explanationOf } from '../domain/decision.ts';
import { type CompletedEvent, type DecidedEvent, decidedIn, type GatewayEvent } from '../domain/events.ts';
import { dayOf } from '../util/utc-day.ts';

/** Longer than any month, so that the current month is always complete. */
const DAYS_KEPT = 40;

export type BudgetPeriod = 'day' | 'month';

/** USD per key and per day since the Unix epoch. */
export type KeySpendLedgerState = [key: string, days: [day: number, usd: number][]][];

/**
 * What each gateway key has spent, by UTC day. A fold over the event log, so that it survives a restart and other
 * processes on the same log know it too. Also kept for keys without a budget, because a budget set later counts from
 * the beginning of its period.
 */
export class KeySpendLedger {
  #keys = new Map<string, Map<number, number>>();

  /** @param history earlier events of the same decision */
  fold(event: GatewayEvent, history: readonly GatewayEvent[]): void {
    if (event.type !== 'completed') return;
    const decided = decidedIn(history);
    if (!decided || decided.key === null) return;
    const usd = chargedUsd(decided, event);
    if (!(usd > 0) || !Number.isFinite(usd)) return;
    const days = this.#keys.get(decided.key) ?? new Map<number, number>();
    const day = dayOf(event.time);
    days.set(day, (days.get(day) ?? 0) + usd);
    // Drops the day that was added first, not the earliest date: if a clock once ran ahead, dropping the earliest date
    // would drop all later days.
    if (days.size > DAYS_KEPT) days.delete(days.keys().next().value as number);
    this.#keys.set(decided.key, days);
  }

  /** USD that the key has spent in the period that contains `time` (milliseconds since the epoch). */
  spent(key: string, per: BudgetPeriod, time: number): number {
    const from = dayOf(periodStart(per, time));
    // Another process may already be in tomorrow; days further ahead come from a clock that was wrong.
    const to = dayOf(time) + 1;
    let usd = 0;
    for (const [day, spent] of this.#keys.get(key) ?? []) if (day >= from && day <= to) usd += spent;
    return usd;
  }

  state(): KeySpendLedgerState {
    return [...this.#keys].map(([key, days]) => [key, [...days]]);
  }

  restore(state: KeySpendLedgerState): void {
    this.#keys = new Map(state.map(([key, days]) => [key, new Map(days)]));
  }
}

/**
 * USD that a request counts against its key's budget: the cost of its answer, estimated where the upstream reported no
 * usage. Upstreams report usage at the end; what arrived before that is only a lower bound, because a model may have
 * thought for a long time before its first word. So when the client left, or stopped reading until the time was up, the
 * request counts as the predicted cost, or as the estimate if that is higher. Each call that timed out before its
 * answer began also counts as predicted: the model may have been working all the while, and otherwise hard prompts to a
 * slow model would be free. In these cases a strict budget is charged the worst case, and also for a whole answer
 * without reported usage.
 */
export function chargedUsd({ decision }: DecidedEvent, completed: CompletedEvent): number {
  const choices = decision.choices ?? 1;
  const last = completed.attempts.at(-1);
  const predicted = (called: string) => {
    const explanation = explanationOf(decision, called);
    // Without a prediction the worst case counts: leaving early must not be cheaper than staying.
    const isWorst = decision.strictBudget || !explanation?.costUsd;
    return isWorst ? (explanation?.worstCaseUsd ?? 0) : (explanation.costUsd as number) * choices;
  };
  const unanswered = completed.attempts.filter(
    ({ result }, i) => result === 'timeout' && (completed.arm === null || i < completed.attempts.length - 1),
  );
  const timedOut = unanswered.reduce((sum, { arm }) => sum + predicted(arm), 0);
  if (completed.arm !== null) {
    const { arm, costUsd } = completed;
    if (costUsd === null) return timedOut + predicted(arm);
    const isUntold = isAbandonedWithoutUsage(completed) || (decision.strictBudget && completed.usageEstimated);
    return timedOut + (isUntold ? Math.max(costUsd, predicted(arm)) : costUsd);
  }
  const left = last?.result === 'aborted' ? predicted(last.arm) : 0;
  return timedOut + Math.max(completed.costUsd ?? 0, left);
}

/** Whether the client left, or stopped reading until the time was up, before the upstream had reported its usage. */
export function isAbandonedWithoutUsage({ outcome, attempts, usageEstimated }: CompletedEvent): boolean {
  return usageEstimated && (outcome === 'aborted' || attempts.at(-1)?.result === 'unread');
}

/** Milliseconds since the epoch, UTC. */
export function periodStart(per: BudgetPeriod, time: number): number {
  const date = new Date(time);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), per === 'day' ? date.getUTCDate() : 1);
}

export function periodEnd(per: BudgetPeriod, time: number): number {
  const date = new Date(time);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  return per === 'day' ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1);
}
