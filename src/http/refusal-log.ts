import type { FastifyRequest } from 'fastify';
import type { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../util/clock.ts';

/**
 * A client that sends one refused request per second finds every one of them in the log, while a flood takes no more
 * room.
 */
const INTERVAL_MS = 1000;
/** Maximum number of different refusals that may get a line in one interval; beyond that, lines are omitted. */
const MOST = 1000;
/**
 * Fields of the API that may be logged. Any other field name in an error may be a client's own text, even if it looks
 * like a field name.
 */
const FIELDS = new Set([
  ...['messages', 'model', 'n', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'temperature'],
  ...['tools', 'tool_choice', 'response_format', 'reasoning_effort', 'top_p', 'logprobs', 'functions', 'modalities'],
  ...['id', 'score', 'rating', 'source', 'comment', 'idempotency_key'],
  ...['provider', 'price', 'capabilities', 'prior', 'timeouts', 'context_window', 'max_output_tokens'],
  ...['max_concurrency', 'x-mixllm-weight', 'x-mixllm-models', 'x-session-id'],
]);

interface Told {
  /** Monotonic time of the last line. */
  at: number;
  /** Number of refusals since then. */
  suppressed: number;
}

/** Logs the gateway's own refusals, so that the request id that a client received leads to the reason. */
export class RefusalLog {
  readonly #clock: Clock;
  /** By key, status, code and field. */
  readonly #told = new Map<string, Told>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tell({ log, id, method, gatewayKey }: FastifyRequest, { status, code, param }: GatewayError): void {
    const key = gatewayKey?.name;
    // Reduces `messages[3].content` to `messages`.
    const named = param?.split(/[.[]/, 1)[0] ?? '';
    const field = FIELDS.has(named) ? named : undefined;
    const suppressed = this.#count(JSON.stringify([key, status, code, field]));
    if (suppressed === null) return;
    // Log neither the path nor the message, because both may repeat what a client sent.
    const told = { requestId: id, key, method, status, code, param: field, ...(suppressed > 0 && { suppressed }) };
    log.info(told, 'request refused');
  }

  /**
   * @returns the number of lines omitted since the last line of this kind; null when this line should be omitted too
   */
  #count(name: string): number | null {
    const now = this.#clock.monotonic();
    if (now - this.#sweptAt >= INTERVAL_MS) this.#sweep(now);
    const told = this.#told.get(name);
    if (told && now - told.at < INTERVAL_MS) {
      told.suppressed++;
      return null;
    }
    if (!told && this.#told.size >= MOST) return null;
    this.#told.set(name, { at: now, suppressed: 0 });
    return told?.suppressed ?? 0;
  }

  /** Forgets entries that no longer need to be counted. */
  #sweep(now: number): void {
    this.#sweptAt = now;
    const isFull = this.#told.size >= MOST;
    for (const [name, { at, suppressed }] of this.#told) {
      if (now - at >= INTERVAL_MS && (isFull || suppressed === 0)) this.#told.delete(name);
    }
  }
}
