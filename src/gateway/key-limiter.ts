import { type ChatBody, requestedChoices } from '../domain/chat.ts';
import type { Decision } from '../domain/decision.ts';
import type { CompletedEvent, DecidedEvent } from '../domain/events.ts';
import { otherBytes } from '../features/query.ts';
import type { KeyBudget } from '../routing/affordable.ts';
import type { Clock } from '../util/clock.ts';
import { KeyBudgets } from './key-budgets.ts';
import { KeyRates } from './key-rates.ts';
import { chargedUsd, type KeySpendLedger } from './key-spend-ledger.ts';
import type { Metrics } from './metrics.ts';
import type { KeyLimits } from './runtime.ts';

export interface KeyLimiterParts {
  clock: Clock;
  metrics: Metrics;
  /** Returns what each key has spent according to the log. */
  keySpend(): KeySpendLedger;
}

/** Limits what each key may use: rates are counted in this process, budgets through the event log. */
export class KeyLimiter {
  readonly #metrics: Metrics;
  readonly #rates: KeyRates;
  readonly #budgets: KeyBudgets;

  constructor(parts: KeyLimiterParts) {
    this.#metrics = parts.metrics;
    this.#rates = new KeyRates(parts);
    this.#budgets = new KeyBudgets({ ...parts, headers: (key) => this.#rates.headers(key) });
  }

  /**
   * Counts a request.
   * @throws GatewayError 429 when the key has made as many requests as it may in this minute
   */
  takeRequest(key: KeyLimits | null): void {
    if (key) this.#rates.takeRequest(key);
  }

  /** Sets the keys that exist from now on. All others are forgotten, except where they still have running requests. */
  retain(names: ReadonlySet<string>): void {
    this.#rates.retain(names);
    this.#budgets.retain(names);
  }

  /** What routing needs to know about the key's budget; null when it has none. */
  budget(key: KeyLimits | null, body: ChatBody): KeyBudget | null {
    const budget = key?.budget;
    if (!key || !budget) return null;
    const leftUsd = this.#budgets.leftUsd(key, budget);
    const refusal = () => {
      this.#metrics.limitedRequests.inc({ key: key.name, limit: 'budget' });
      return this.#budgets.refusal(key, budget, leftUsd);
    };
    const { strict } = budget;
    return { leftUsd, strict, choices: requestedChoices(body), otherBytes: otherBytes(body), refusal };
  }

  /**
   * Reserves the USD that the decision may cost and the tokens that it is expected to use. Must be called in the same
   * turn of the event loop as the decision; otherwise two requests could both spend the last cent.
   * @throws GatewayError 429 when the tokens do not fit into this minute
   */
  reserve(key: KeyLimits | null, decisionId: string, decision: Decision): void {
    if (!key) return;
    this.#rates.takeTokens(key, decisionId, decision);
    this.#budgets.reserve(key, decisionId, decision);
  }

  /**
   * Changes the reservation to that of another arm, which is asked in place of the chosen one.
   * @throws GatewayError 429 when that arm's worst case does not fit. This does not refuse the request itself, so it is
   * not counted as a limited request.
   */
  move(key: KeyLimits | null, decisionId: string, decision: Decision, arm: string): void {
    if (key) this.#budgets.move(key, decisionId, decision, arm);
  }

  /** Replaces the reservation of a request that has ended by what the request really used. */
  settle(decided: DecidedEvent, completed: CompletedEvent): void {
    if (decided.key === null) return;
    const usd = chargedUsd(decided, completed);
    if (Number.isFinite(usd)) this.#metrics.keySpentUsd.inc({ key: decided.key }, usd);
    this.#rates.settle(decided.key, completed);
    this.#budgets.settle(decided.key, completed, usd);
  }

  /** Notes that the end of this decision is now in the ledger. */
  booked(decisionId: string): void {
    this.#budgets.booked(decisionId);
  }

  /** Notes that the ledger contains the requests that ended up to `time`; see `KeyBudgets`. */
  bookedUpTo(time: number): void {
    this.#budgets.bookedUpTo(time);
  }

  /** OpenAI's `x-ratelimit-*` headers for a key with rates; none for other keys. */
  headers(key: KeyLimits | null): Record<string, string> {
    return key ? this.#rates.headers(key) : {};
  }
}
