import { type Decision, explanationOf } from '../domain/decision.ts';
import { GatewayError } from '../domain/errors.ts';
import type { CompletedEvent } from '../domain/events.ts';
import type { Clock } from '../util/clock.ts';
import { isAbandonedWithoutUsage } from './key-spend-ledger.ts';
import type { Metrics } from './metrics.ts';
import type { KeyLimits } from './runtime.ts';
import { SlidingWindow } from './sliding-window.ts';

/** The tokens that a running request is expected to use. */
interface ExpectedTokens {
  tokens: number;
  /** The second of the window in which they were counted. */
  second: number;
}

interface Account {
  requests: SlidingWindow;
  tokens: SlidingWindow;
  /** By decision id. */
  running: Map<string, ExpectedTokens>;
}

/**
 * Limits the requests and tokens per minute of every key, counted in this process.
 *
 * @fastify/rate-limit is no substitute: it counts only requests, in windows that let through twice the limit, uses the
 * machine's own clock, and names its headers differently from OpenAI.
 */
export class KeyRates {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #accounts = new Map<string, Account>();

  constructor({ clock, metrics }: { clock: Clock; metrics: Metrics }) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /**
   * Counts a request.
   * @throws GatewayError 429 when the key has made as many requests as it may in this minute
   */
  takeRequest(key: KeyLimits): void {
    if (key.rpm === null) return;
    const now = this.#clock.monotonic();
    const { requests } = this.#account(key);
    if (requests.used(now) + 1 > key.rpm) throw this.#tooFast(key, 'requests', 1);
    requests.add(1, now);
  }

  /**
   * Counts the tokens that the decision is expected to use.
   * @throws GatewayError 429 when they do not fit into this minute
   */
  takeTokens(key: KeyLimits, decisionId: string, decision: Decision): void {
    if (key.tpm === null) return;
    const now = this.#clock.monotonic();
    const account = this.#account(key);
    const tokens = expectedTokens(decision, key.tpm);
    if (account.tokens.used(now) + tokens > key.tpm) throw this.#tooFast(key, 'tokens', tokens);
    account.running.set(decisionId, { tokens, second: account.tokens.add(tokens, now) });
  }

  /**
   * Replaces the expected tokens of a request that has ended by those that it really used.
   * @param key the key's name
   */
  settle(key: string, completed: CompletedEvent): void {
    const account = this.#accounts.get(key);
    const expected = account?.running.get(completed.decisionId);
    if (!account || !expected) return;
    account.running.delete(completed.decisionId);
    account.tokens.adjust(expected.second, usedTokens(completed, expected.tokens) - expected.tokens);
  }

  /** Forgets keys that no longer exist, except those with running requests whose tokens count. */
  retain(names: ReadonlySet<string>): void {
    for (const [name, { running }] of this.#accounts) {
      if (!names.has(name) && running.size === 0) this.#accounts.delete(name);
    }
  }

  /** OpenAI's `x-ratelimit-*` headers for a key with rates; none for other keys. */
  headers(key: KeyLimits): Record<string, string> {
    const headers: Record<string, string> = {};
    const now = this.#clock.monotonic();
    for (const [kind, limit] of [['requests', key.rpm] as const, ['tokens', key.tpm] as const]) {
      if (limit === null) continue;
      const window = this.#account(key)[kind];
      headers[`x-ratelimit-limit-${kind}`] = String(limit);
      headers[`x-ratelimit-remaining-${kind}`] = String(Math.max(0, Math.floor(limit - window.used(now))));
      headers[`x-ratelimit-reset-${kind}`] = duration(window.emptyIn(now));
    }
    return headers;
  }

  #account({ name }: KeyLimits): Account {
    let account = this.#accounts.get(name);
    if (!account) {
      account = { requests: new SlidingWindow(), tokens: new SlidingWindow(), running: new Map() };
      this.#accounts.set(name, account);
    }
    return account;
  }

  #tooFast(key: KeyLimits, kind: 'requests' | 'tokens', asked: number): GatewayError {
    const now = this.#clock.monotonic();
    const limit = (kind === 'requests' ? key.rpm : key.tpm) as number;
    const window = this.#account(key)[kind];
    const wait = Math.max(1, Math.ceil(window.waitFor(asked, limit, now) / 1000));
    this.#metrics.limitedRequests.inc({ key: key.name, limit: kind });
    const neverFits = asked > limit;
    const advice = neverFits ? 'The request alone exceeds the limit.' : `Please try again in ${wait} s.`;
    return new GatewayError(
      429,
      `Rate limit reached for key "${key.name}" on ${kind} per minute: limit ${limit}, used ${Math.round(window.used(now))}, requested ${asked}. ${advice}`,
      {
        type: 'rate_limit_error',
        code: 'rate_limit_exceeded',
        // OpenAI's clients obey `retry-after` and `x-should-retry`, but not `x-ratelimit-…`.
        responseHeaders: {
          ...this.headers(key),
          ...(neverFits ? { 'x-should-retry': 'false' } : { 'retry-after': String(wait) }),
        },
      },
    );
  }
}

function expectedTokens(decision: Decision, limit: number): number {
  const chosen = explanationOf(decision, decision.arm);
  // The predicted output is for one choice.
  const predicted = Math.ceil((chosen?.inputTokens ?? 0) + (chosen?.outputTokens ?? 0) * (decision.choices ?? 1));
  // The tokens of an attached file are guessed from its size. The guess counts for at most half of the limit; otherwise
  // a large file could never pass.
  const guessed = decision.attachedTokens ?? 0;
  return Math.max(0, predicted - guessed) + Math.min(guessed, Math.floor(limit / 2));
}

/**
 * Without reported usage the estimate counts. If the client left early, at least the expected tokens count, as for USD:
 * the model may have worked for a long time before its first word. Without any answer nothing counts, unless a call
 * timed out.
 */
function usedTokens(completed: CompletedEvent, expected: number): number {
  const { usage, attempts } = completed;
  const used = usage ? usage.inputTokens + usage.outputTokens : 0;
  const hasTimedOut = attempts.some(({ result }) => result === 'timeout');
  return isAbandonedWithoutUsage(completed) || (usage === null && hasTimedOut) ? Math.max(used, expected) : used;
}

/** Formats a duration as OpenAI does: `120ms`, `8s`, `1m0s`. */
function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.ceil(milliseconds)}ms`;
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
