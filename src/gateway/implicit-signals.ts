import { createHmac, randomBytes } from 'node:crypto';
import type { ChatRequest } from '../domain/chat.ts';
import type { CompletedEvent } from '../domain/events.ts';
import { IMPLICIT, type ImplicitSignal } from '../domain/ratings.ts';
import type { Clock } from '../util/clock.ts';
import { newId } from '../util/ids.ts';
import { SharedCache } from '../util/shared-cache.ts';
import type { EventLog } from './event-log.ts';
import type { Metrics } from './metrics.ts';

/** What a signal is taken to say of the answer: a score from 0 to 1, and how much that counts against a rating. */
export interface SignalMeaning {
  score: number;
  weight: number;
}

/** By the config in force; null: the signal is not looked for. */
export interface ImplicitSettings {
  regenerate: (SignalMeaning & { withinMs: number }) | null;
  abort: SignalMeaning | null;
}

/** What is looked at of a chat request. */
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
/** Longer requests are not compared: hashing them would hold up others. */
const MAX_CHARACTERS = 256 * 1024;

/**
 * What clients say of an answer without rating it: the same query again soon after in one session (regenerate), and
 * leaving a stream after its first tokens (abort). Each becomes an event like a rating, of a source of its own, so a
 * replay and a restart know it. Queries are compared by keyed hashes, whose key ends with the process; an answer that
 * another process gave is not known here.
 */
export class ImplicitSignals {
  readonly #parts: Parts;
  readonly #salt = randomBytes(32);
  #closing = false;
  /** The latest whole answer by hash of the query, and when it ended, in monotonic milliseconds. */
  readonly #answered = new SharedCache<{ decisionId: string; at: number; isAskedAgain: boolean }>(MAX_QUERIES);

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** From here on it is the gateway that cuts answers short. */
  close(): void {
    this.#closing = true;
  }

  /** A request begins. @returns what is to be told of its end */
  begin(input: Asked, { regenerate, abort }: ImplicitSettings): (completed: CompletedEvent) => void {
    const key = input.key?.name ?? null;
    const query = regenerate ? this.#hashOf(input) : null;
    if (regenerate && query !== null) this.#lookBack(query, key, regenerate);
    return (completed) => {
      const { decisionId, outcome, arm, timeToFirstTokenMs, finishReason } = completed;
      if (query !== null && outcome === 'ok') {
        this.#answered.set(query, { decisionId, at: this.#parts.clock.monotonic(), isAskedAgain: false }, key);
      }
      // Whoever leaves after the end of the answer has had all of it.
      const leftEarly = outcome === 'aborted' && arm !== null && timeToFirstTokenMs !== null && finishReason === null;
      if (abort && leftEarly && !this.#closing) {
        this.#record('abort', decisionId, abort);
      }
    };
  }

  #lookBack(query: string, key: string | null, { withinMs, ...meaning }: SignalMeaning & { withinMs: number }): void {
    const earlier = this.#answered.get(query, key);
    if (!earlier || earlier.isAskedAgain || this.#parts.clock.monotonic() - earlier.at > withinMs) return;
    // Whoever asks again and again says it once.
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
      // Known by it to other gateways on the same log, too.
      idempotencyKey: source,
    });
    metrics.implicitSignals.inc({ signal });
  }

  /** The whole conversation counts: "continue" after another answer is another query. Null outside of a session. */
  #hashOf({ sessionId, key, request }: Asked): string | null {
    if (sessionId === null || request.text.length > MAX_CHARACTERS) return null;
    const query = JSON.stringify([key?.name ?? null, sessionId, request.body.messages]);
    return createHmac('sha256', this.#salt).update(query).digest('base64');
  }
}
