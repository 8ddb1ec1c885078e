import { type Decision, explanationOf } from '../domain/decision.ts';
import { GatewayError, untilRenewed } from '../domain/errors.ts';
import type { CompletedEvent } from '../domain/events.ts';
import type { Clock } from '../util/clock.ts';
import { type KeySpendLedger, periodEnd, periodStart } from './key-spend-ledger.ts';
import type { KeyLimits } from './runtime.ts';

type BudgetOfKey = NonNullable<KeyLimits['budget']>;

/** What a request takes from its key's budget while it runs, and until its end is in the ledger. */
interface Reservation {
  usd: number;
  /** Wall-clock time of the request's end; null while it runs. */
  endedAt: number | null;
}

interface Account {
  /** By decision id. */
  reservations: Map<string, Reservation>;
  /** USD of all reservations. Kept as a sum: there may be many while the store is down, and every request asks. */
  reservedUsd: number;
  /** Start of the budget period in which the reservations were last swept. */
  sweptFrom: number;
}

export interface KeyBudgetsParts {
  clock: Clock;
  /** What each key has spent according to the log. */
  keySpend(): KeySpendLedger;
  /** Headers of every answer to the key, refusals too. */
  headers(key: KeyLimits): Record<string, string>;
}

/**
 * Reserves what running requests may cost their key's budget. The worst case is reserved when a request is decided; at
 * its end the real cost replaces that, until the ledger has the end and counts the cost itself.
 */
export class KeyBudgets {
  readonly #parts: KeyBudgetsParts;
  readonly #accounts = new Map<string, Account>();

  constructor(parts: KeyBudgetsParts) {
    this.#parts = parts;
  }

  /** USD that are neither spent nor reserved, at least 0. */
  leftUsd(key: KeyLimits, { usd, per }: BudgetOfKey): number {
    const now = this.#parts.clock.now();
    const from = periodStart(per, now);
    const account = this.#account(key);
    if (account.sweptFrom !== from) {
      account.sweptFrom = from;
      for (const [decisionId, { endedAt }] of account.reservations) {
        // It ended in an earlier period and was never booked: the store lost it.
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
   * Moves the reservation to another arm that is asked in place of the chosen one.
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
   * The request is over: replaces its reservation with what it is charged.
   * @param key the key's name
   */
  settle(key: string, { decisionId, time }: CompletedEvent, usd: number): void {
    const account = this.#accounts.get(key);
    const reservation = account?.reservations.get(decisionId);
    if (!account || !reservation) return;
    account.reservedUsd += usd - reservation.usd;
    Object.assign(reservation, { usd, endedAt: time });
  }

  /** The end of this decision is in the ledger now. */
  booked(decisionId: string): void {
    for (const account of this.#accounts.values()) drop(account, decisionId);
  }

  /**
   * The ledger was read from a snapshot or rebuilt, and contains the requests that ended up to `time` (milliseconds
   * since the epoch). The end of a later one may still wait for a store that fails.
   */
  bookedUpTo(time: number): void {
    for (const account of this.#accounts.values()) {
      for (const [id, { endedAt }] of account.reservations) {
        if (endedAt !== null && endedAt <= time) drop(account, id);
      }
    }
  }

  /** Forgets the keys that are gone, except what their running requests have reserved. */
  retain(names: ReadonlySet<string>): void {
    for (const [name, { reservations }] of this.#accounts) {
      if (!names.has(name) && reservations.size === 0) this.#accounts.delete(name);
    }
  }

  /** The refusal of a request that what is left does not cover. */
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
  // Exactly 0 when nothing is reserved, so that rounding errors do not accumulate.
  account.reservedUsd = account.reservations.size === 0 ? 0 : account.reservedUsd - reservation.usd;
}
