import { type ChatBody, requestedChoices } from '../domain/chat.ts';
import type { Decision } from '../domain/decision.ts';
import { GatewayError, untilRenewed } from '../domain/errors.ts';
import type { CompletedEvent, DecidedEvent } from '../domain/events.ts';
import { otherBytes } from '../features/query.ts';
import type { KeyBudget } from '../routing/affordable.ts';
import type { Clock } from '../util/clock.ts';
import { chargedUsd, isLeftUntold, type KeySpendLedger, periodEnd, periodStart } from './key-spend-ledger.ts';
import type { Metrics } from './metrics.ts';
import type { KeyLimits } from './runtime.ts';
import { SlidingWindow } from './sliding-window.ts';

/** What a request takes from its key's limits while it runs, and until its end is in the ledger. */
interface Reservation {
  /**
   * Whether the key has a budget. Only then does the reservation outlive the request, until the ledger has its end.
   */
  ofBudget: boolean;
  usd: number;
  tokens: number;
  /** The second of the token window that the tokens were added to. */
  second: number;
  /** Wall-clock time of the request's end; null while it runs. */
  endedAt: number | null;
}

interface Account {
  requests: SlidingWindow;
  tokens: SlidingWindow;
  /** By decision id. */
  reservations: Map<string, Reservation>;
  /** USD of all reservations. Kept as a sum: there may be many while the store is down, and every request asks. */
  reservedUsd: number;
  /** Start of the budget period in which the reservations were last swept. */
  sweptFrom: number;
}

export interface KeyLimiterParts {
  clock: Clock;
  metrics: Metrics;
  /** What each key has spent according to the log. */
  keySpend(): KeySpendLedger;
}

/**
 * Limits the requests and tokens per minute and the budget of every key. The worst case of a request is reserved when
 * it is decided. At the end its real cost replaces that, until the ledger has the end and counts the cost itself.
 * Rates live in this process, budgets in the event log.
 *
 * Not @fastify/rate-limit: it counts requests only, in windows that let through twice the limit, uses the machine's
 * own clock, and names its headers differently from OpenAI.
 */
export class KeyLimiter {
  readonly #parts: KeyLimiterParts;
  readonly #accounts = new Map<string, Account>();

  constructor(parts: KeyLimiterParts) {
    this.#parts = parts;
  }

  /**
   * Counts a request.
   * @throws GatewayError 429 when the key has made as many requests as it may in this minute
   */
  takeRequest(key: KeyLimits | null): void {
    if (key?.rpm == null) return;
    const now = this.#parts.clock.monotonic();
    const { requests } = this.#account(key);
    if (requests.used(now) + 1 > key.rpm) throw this.#tooFast(key, 'requests', 1);
    requests.add(1, now);
  }

  /** What routing needs to know about the key's budget; null when it has none. */
  budget(key: KeyLimits | null, body: ChatBody): KeyBudget | null {
    const budget = key?.budget;
    if (!key || !budget) return null;
    const leftUsd = this.#leftUsd(key, budget);
    const refusal = () => {
      this.#parts.metrics.limitedRequests.inc({ key: key.name, limit: 'budget' });
      return this.#spent(key, budget, leftUsd);
    };
    const { strict } = budget;
    return { leftUsd, strict, choices: requestedChoices(body), otherBytes: otherBytes(body), refusal };
  }

  /**
   * Reserves the USD that the decision may cost and the tokens that it is expected to use. Must be called in the same
   * turn of the event loop as the decision, or two requests would both take the last cent.
   * @throws GatewayError 429 when the tokens do not fit into this minute
   */
  reserve(key: KeyLimits | null, decisionId: string, decision: Decision): void {
    if (!key || (key.budget === null && key.tpm === null)) return;
    const now = this.#parts.clock.monotonic();
    const account = this.#account(key);
    const chosen = decision.arms.find(({ arm }) => arm === decision.arm);
    // The prediction is for one answer.
    const predicted = Math.ceil((chosen?.inputTokens ?? 0) + (chosen?.outputTokens ?? 0) * (decision.choices ?? 1));
    // A file's tokens are guessed from its size. The guess counts for at most half of the limit, or a large file
    // would never pass.
    const guessed = decision.attachedTokens ?? 0;
    const tokens = predicted - guessed + Math.min(guessed, Math.floor((key.tpm ?? Number.POSITIVE_INFINITY) / 2));
    if (key.tpm !== null && account.tokens.used(now) + tokens > key.tpm) throw this.#tooFast(key, 'tokens', tokens);
    const second = account.tokens.add(tokens, now);
    const usd = chosen?.worstCaseUsd ?? 0;
    account.reservations.set(decisionId, { ofBudget: key.budget !== null, usd, tokens, second, endedAt: null });
    account.reservedUsd += usd;
  }

  /**
   * Moves the reservation to another arm that is asked in place of the chosen one.
   * @throws GatewayError 429 when that arm's worst case does not fit. This does not refuse the request itself, so it
   * is not counted as a limited request.
   */
  move(key: KeyLimits | null, decisionId: string, decision: Decision, arm: string): void {
    const account = key && this.#accounts.get(key.name);
    const reservation = account?.reservations.get(decisionId);
    if (!account || !reservation || !key?.budget) return;
    const usd = decision.arms.find((explanation) => explanation.arm === arm)?.worstCaseUsd ?? 0;
    const leftUsd = this.#leftUsd(key, key.budget) + reservation.usd;
    if (usd > reservation.usd && usd > leftUsd) throw this.#spent(key, key.budget, leftUsd);
    account.reservedUsd += usd - reservation.usd;
    reservation.usd = usd;
  }

  /** The request is over: replaces its reservation with what it really used. */
  settle(decided: DecidedEvent, completed: CompletedEvent): void {
    if (decided.key === null) return;
    const usd = chargedUsd(decided, completed);
    if (Number.isFinite(usd)) this.#parts.metrics.keySpentUsd.inc({ key: decided.key }, usd);
    const account = this.#accounts.get(decided.key);
    const reservation = account?.reservations.get(completed.decisionId);
    if (!account || !reservation) return;
    const { usage } = completed;
    const used = usage ? usage.inputTokens + usage.outputTokens : 0;
    // Without reported usage the estimate counts; when the client left early, at least the prediction, as for USD:
    // the model may have worked long before its first word. Without any answer nothing counts, unless a call timed
    // out.
    const hasTimedOut = completed.attempts.some(({ result }) => result === 'timeout');
    const isPrediction = isLeftUntold(completed) || (usage === null && hasTimedOut);
    const tokens = isPrediction ? Math.max(used, reservation.tokens) : used;
    account.tokens.adjust(reservation.second, tokens - reservation.tokens);
    if (!reservation.ofBudget) {
      drop(account, completed.decisionId);
      return;
    }
    account.reservedUsd += usd - reservation.usd;
    Object.assign(reservation, { usd, tokens, endedAt: completed.time });
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

  /** OpenAI's `x-ratelimit-*` headers for a key with rates; none for other keys. */
  headers(key: KeyLimits | null): Record<string, string> {
    const headers: Record<string, string> = {};
    if (!key) return headers;
    const now = this.#parts.clock.monotonic();
    for (const [kind, limit] of [['requests', key.rpm] as const, ['tokens', key.tpm] as const]) {
      if (limit === null) continue;
      const window = this.#account(key)[kind];
      headers[`x-ratelimit-limit-${kind}`] = String(limit);
      headers[`x-ratelimit-remaining-${kind}`] = String(Math.max(0, Math.floor(limit - window.used(now))));
      headers[`x-ratelimit-reset-${kind}`] = duration(window.emptyIn(now));
    }
    return headers;
  }

  #account(key: KeyLimits): Account {
    let account = this.#accounts.get(key.name);
    if (!account) {
      const [requests, tokens] = [new SlidingWindow(), new SlidingWindow()];
      account = { requests, tokens, reservations: new Map(), reservedUsd: 0, sweptFrom: 0 };
      this.#accounts.set(key.name, account);
    }
    return account;
  }

  #leftUsd(key: KeyLimits, { usd, per }: NonNullable<KeyLimits['budget']>): number {
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

  #tooFast(key: KeyLimits, kind: 'requests' | 'tokens', asked: number): GatewayError {
    const now = this.#parts.clock.monotonic();
    const limit = (kind === 'requests' ? key.rpm : key.tpm) as number;
    const window = this.#account(key)[kind];
    const wait = Math.max(1, Math.ceil(window.waitFor(asked, limit, now) / 1000));
    this.#parts.metrics.limitedRequests.inc({ key: key.name, limit: kind });
    const neverFits = asked > limit;
    const advice = neverFits ? 'The request alone exceeds the limit.' : `Please try again in ${wait} s.`;
    return new GatewayError(
      429,
      `Rate limit reached for key "${key.name}" on ${kind} per minute: limit ${limit}, used ${Math.round(window.used(now))}, requested ${asked}. ${advice}`,
      {
        type: 'rate_limit_error',
        code: 'rate_limit_exceeded',
        // OpenAI's clients obey the second one.
        responseHeaders: {
          ...this.headers(key),
          ...(neverFits ? { 'x-should-retry': 'false' } : { 'retry-after': String(wait) }),
        },
      },
    );
  }

  #spent(key: KeyLimits, { usd, per }: NonNullable<KeyLimits['budget']>, leftUsd: number): GatewayError {
    const now = this.#parts.clock.now();
    const end = periodEnd(per, now);
    return new GatewayError(
      429,
      `The budget of key "${key.name}" ($${usd} per ${per}) has $${leftUsd.toFixed(6)} left, which does not cover any model's worst case. It is renewed at ${new Date(end).toISOString()}; a smaller max_tokens makes a request cheaper.`,
      {
        type: 'insufficient_quota',
        code: 'insufficient_quota',
        responseHeaders: { ...this.headers(key), ...untilRenewed(end - now) },
      },
    );
  }
}

function drop(account: Account, decisionId: string): void {
  const reservation = account.reservations.get(decisionId);
  if (!reservation) return;
  account.reservations.delete(decisionId);
  // Exactly 0 when nothing is reserved, so that rounding errors do not accumulate.
  account.reservedUsd = account.reservations.size === 0 ? 0 : account.reservedUsd - reservation.usd;
}

/** Formats a duration as OpenAI does: `120ms`, `8s`, `1m0s`. */
function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.ceil(milliseconds)}ms`;
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
