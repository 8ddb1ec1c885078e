import { createHmac, randomBytes } from 'node:crypto';
import type { ChatRequest } from '../domain/chat.ts';
import type { CompletedEvent } from '../domain/events.ts';
import { IMPLICIT, type ImplicitSignal } from '../domain/ratings.ts';
import type { Clock } from '../util/clock.ts';
import { newId } from '../util/ids.ts';
import { SharedCache } from '../util/shared-cache.ts';
import type { EventLog } from './event-log.ts';
import type { Metrics } from './metrics.ts';

/** How a signal rates the answer: a score from 0 to 1, and its weight relative to an explicit rating. */
export interface SignalMeaning {
  score: number;
  weight: number;
}

/** From the current config. Null: the gateway does not look for this signal. */
export interface ImplicitSettings {
  regenerate: (SignalMeaning & { withinMs: number }) | null;
  abort: SignalMeaning | null;
}

/** The parts of a chat request that matter here. */
interface Asked {
  request: ChatRequest;
  key: { name: string } | null;
  sessionId: string | null;
}

interface Parts {
  eventLog: EventLog;
  clock: Clock;
  metrics: Metrics;
}

const MAX_QUERIES = 20_000;
/** Longer requests are not compared, because hashing them would delay other requests. */
const MAX_CHARACTERS = 256 * 1024;

/**
 * What clients say about an answer without rating it: they soon repeat the same query within a session (regenerate), or
 * leave a stream after its first tokens (abort). Each signal becomes a rating event with its own source name, so that a
 * replay or a restart knows about it. Queries are compared by keyed hashes whose key exists only as long as the
 * process, so an answer from another process is not recognised.
 */
export class ImplicitSignals {
  readonly #parts: Parts;
  readonly #salt = randomBytes(32);
  #closing = false;
  /** By hash of the query: the latest whole answer, and when it ended (monotonic milliseconds). */
  readonly #answered = new SharedCache<{ decisionId: string; at: number; isAskedAgain: boolean }>(MAX_QUERIES);

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Stops counting aborts, because from here on it is the gateway that cuts answers short. */
  close(): void {
    this.#closing = true;
  }

  /**
   * Notes the start of a request.
   * @returns a function to call with the request's `completed` event
   */
  begin(input: Asked, { regenerate, abort }: ImplicitSettings): (completed: CompletedEvent) => void {
    const key = input.key?.name ?? null;
    const query = regenerate ? this.#hashOf(input) : null;
    if (regenerate && query !== null) this.#lookBack(query, key, regenerate);
    return (completed) => {
      const { decisionId, outcome, arm, timeToFirstTokenMs, finishReason } = completed;
      if (query !== null && outcome === 'ok') {
        this.#answered.set(query, { decisionId, at: this.#parts.clock.monotonic(), isAskedAgain: false }, key);
      }
      // A client that leaves after the end of the answer has received all of it.
      const leftEarly = outcome === 'aborted' && arm !== null && timeToFirstTokenMs !== null && finishReason === null;
      if (abort && leftEarly && !this.#closing) {
        this.#record('abort', decisionId, abort);
      }
    };
  }

  #lookBack(query: string, key: string | null, { withinMs, ...meaning }: SignalMeaning & { withinMs: number }): void {
    const earlier = this.#answered.get(query, key);
    if (!earlier || earlier.isAskedAgain || this.#parts.clock.monotonic() - earlier.at > withinMs) return;
    // Repeating a query several times counts only once.
    earlier.isAskedAgain = true;
    this.#record('regenerate', earlier.decisionId, meaning);
  }

  #record(signal: ImplicitSignal, decisionId: string, { score, weight }: SignalMeaning): void {
    const { eventLog, clock, metrics } = this.#parts;
    const source = `${IMPLICIT}${signal}`;
    eventLog.record({
      type: 'rated',
      decisionId,
      time: clock.now(),
      feedbackId: newId('fb'),
      score,
      weight,
      source,
      reliability: null,
      comment: null,
      // Keeps several gateways on the same log from recording the same signal twice.
      idempotencyKey: source,
    });
    metrics.implicitSignals.inc({ signal });
  }

  /**
   * A hash of the whole conversation, because "continue" after a different answer is a different query. Null outside a
   * session.
   */
  #hashOf({ sessionId, key, request }: Asked): string | null {
    if (sessionId === null || request.text.length > MAX_CHARACTERS) return null;
    const query = JSON.stringify([key?.name ?? null, sessionId, request.body.messages]);
    return createHmac('sha256', this.#salt).update(query).digest('base64');
  }
}
