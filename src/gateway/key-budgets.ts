import { type Decision, explanationOf } from '../domain/decision.ts';
import { GatewayError, untilRenewed } from '../domain/errors.ts';
import type { CompletedEvent } from '../domain/events.ts';
import type { Clock } from '../util/clock.ts';
import { type KeySpendLedger, periodEnd, periodStart } from './key-spend-ledger.ts';
import type { KeyLimits } from './runtime.ts';

type BudgetOfKey = NonNullable<KeyLimits['budget']>;

/** What a request takes from its key's budget while it runs, and afterwards until its end is in the ledger. */
interface Reservation {
  usd: number;
  /** Wall-clock time of the request's end; null while it runs. */
  endedAt: number | null;
}

interface Account {
  /** By decision id. */
  reservations: Map<string, Reservation>;
  /**
   * Sum of all reservations in USD. Maintained incrementally, because there may be many while the store is down, and
   * every request needs the sum.
   */
  reservedUsd: number;
  /** Start of the budget period in which the reservations were last swept. */
  sweptFrom: number;
}

export interface KeyBudgetsParts {
  clock: Clock;
  /** Returns what each key has spent according to the log. */
  keySpend(): KeySpendLedger;
  /** Returns the headers that every answer to the key carries, including refusals. */
  headers(key: KeyLimits): Record<string, string>;
}

/**
 * Reserves what running requests may cost from their key's budget. The worst case is reserved when the request is
 * routed; at the end of the request the real cost replaces it, until the ledger has folded the end and counts the cost
 * itself.
 */
export class KeyBudgets {
  readonly #parts: KeyBudgetsParts;
  readonly #accounts = new Map<string, Account>();

  constructor(parts: KeyBudgetsParts) {
    this.#parts = parts;
  }

  /** USD that are neither spent nor reserved; never negative. */
  leftUsd(key: KeyLimits, { usd, per }: BudgetOfKey): number {
    const now = this.#parts.clock.now();
    const from = periodStart(per, now);
    const account = this.#account(key);
    if (account.sweptFrom !== from) {
      account.sweptFrom = from;
      for (const [decisionId, { endedAt }] of account.reservations) {
        // The request ended in an earlier period and was never booked, so the store lost its end.
        if (endedAt !== null && endedAt < from) drop(account, decisionId);
      }
    }
    return Math.max(0, usd - this.#parts.keySpend().spent(key.name, per, now) - account.reservedUsd);
  }

  /** Reserves the USD that the decision may cost. */
  reserve(key: KeyLimits, decisionId: string, decision: Decision): void {
    if (key.budget === null) return;
    const account = this.#account(key);
    const usd = explanationOf(decision, decision.arm)?.worstCaseUsd ?? 0;
    account.reservations.set(decisionId, { usd, endedAt: null });
    account.reservedUsd += usd;
  }

  /**
   * Changes the reservation to that of another arm, which is asked in place of the chosen one.
   * @throws GatewayError 429 when that arm's worst case does not fit
   */
  move(key: KeyLimits, decisionId: string, decision: Decision, arm: string): void {
    const account = this.#accounts.get(key.name);
    const reservation = account?.reservations.get(decisionId);
    if (!account || !reservation || !key.budget) return;
    const usd = explanationOf(decision, arm)?.worstCaseUsd ?? 0;
    const leftUsd = this.leftUsd(key, key.budget) + reservation.usd;
    if (usd > reservation.usd && usd > leftUsd) throw this.refusal(key, key.budget, leftUsd);
    account.reservedUsd += usd - reservation.usd;
    reservation.usd = usd;
  }

  /**
   * Replaces the reservation of a request that has ended by what the request is charged.
   * @param key the key's name
   */
  settle(key: string, { decisionId, time }: CompletedEvent, usd: number): void {
    const account = this.#accounts.get(key);
    const reservation = account?.reservations.get(decisionId);
    if (!account || !reservation) return;
    account.reservedUsd += usd - reservation.usd;
    Object.assign(reservation, { usd, endedAt: time });
  }

  /** Drops the reservation of a decision whose end is now in the ledger. */
  booked(decisionId: string): void {
    for (const account of this.#accounts.values()) drop(account, decisionId);
  }

  /**
   * Drops reservations after the ledger was read from a snapshot or rebuilt. It then contains the requests that ended
   * up to `time` (milliseconds since the epoch), while the end of a later request may still be waiting for a failing
   * store.
   */
  bookedUpTo(time: number): void {
    for (const account of this.#accounts.values()) {
      for (const [id, { endedAt }] of account.reservations) {
        if (endedAt !== null && endedAt <= time) drop(account, id);
      }
    }
  }

  /** Forgets keys that no longer exist, except for what their running requests have reserved. */
  retain(names: ReadonlySet<string>): void {
    for (const [name, { reservations }] of this.#accounts) {
      if (!names.has(name) && reservations.size === 0) this.#accounts.delete(name);
    }
  }

  /** Creates the refusal of a request that the remaining budget does not cover. */
  refusal(key: KeyLimits, { usd, per }: BudgetOfKey, leftUsd: number): GatewayError {
    const now = this.#parts.clock.now();
    const end = periodEnd(per, now);
    return new GatewayError(
      429,
      `The budget of key "${key.name}" ($${usd} per ${per}) has $${leftUsd.toFixed(6)} left, which does not cover the worst case of any model that may answer. It is renewed at ${new Date(end).toISOString()}; a smaller max_tokens makes a request cheaper.`,
      {
        type: 'insufficient_quota',
        code: 'insufficient_quota',
        responseHeaders: { ...this.#parts.headers(key), ...untilRenewed(end - now) },
      },
    );
  }

  #account({ name }: KeyLimits): Account {
    let account = this.#accounts.get(name);
    if (!account) {
      account = { reservations: new Map(), reservedUsd: 0, sweptFrom: 0 };
      this.#accounts.set(name, account);
    }
    return account;
  }
}

function drop(account: Account, decisionId: string): void {
  const reservation = account.reservations.get(decisionId);
  if (!reservation) return;
  account.reservations.delete(decisionId);
  // Set to exactly 0 when nothing is reserved, so that rounding errors do not accumulate.
  account.reservedUsd = account.reservations.size === 0 ? 0 : account.reservedUsd - reservation.usd;
}
