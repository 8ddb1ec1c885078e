import { generatedBytes, isJsonObject, type JsonObject, toolCallIds } from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import type { RawSseEvent } from '../../util/sse.ts';
import { isForeign } from '../json-in-stream.ts';
import type { StreamPiece } from '../provider.ts';
import { errorInSuccess, failureIn, failureOf, NO_CHOICES, parseObject, readUsage, stringOrNull } from './answer.ts';

const EMPTY = new Uint8Array(0);
/** Chunks usually have no event name. */
const EVENT_NAMES: ReadonlySet<string> = new Set(['message', 'error']);
/**
 * Number of choices whose end is tracked. Several times as many as a request can ask for; limited because each is kept
 * until the stream ends.
 */
const MAX_CHOICES = 1000;

/** Reads a stream of chat completion chunks, event by event. The bytes of each event are passed on unchanged. */
export class StreamReader {
  readonly #hideUsage: boolean;
  /**
   * Indices of the choices that have begun, and of those that have given a finish reason. Some servers send more after
   * it.
   */
  readonly #begun = new Set<unknown>();
  readonly #ended = new Set<unknown>();
  #isDone = false;
  /** True once usage was reported. */
  #hasUsage = false;

  /** @param hideUsage true when the client did not ask for the usage chunk, so that none of its bytes are passed on */
  constructor(hideUsage: boolean) {
    this.#hideUsage = hideUsage;
  }

  /**
   * True once the answer is complete: after `[DONE]`, or when every choice that has begun has given its finish reason.
   */
  get finished(): boolean {
    return this.#isDone || (this.#ended.size > 0 && this.#ended.size === this.#begun.size);
  }

  /**
   * Reads one event.
   * @throws UpstreamError `interrupted` for an error event; `unreadable` for data that is not a JSON object, or when
   * the stream ends before any choice
   */
  read(event: RawSseEvent): StreamPiece {
    if (event.data === null) return { bytes: event.raw, content: false };
    if (event.data.trim() === '[DONE]') {
      if (this.#begun.size === 0 && !this.#hasUsage) throw new UpstreamError('unreadable', NO_CHOICES);
      this.#isDone = true;
      return { bytes: event.raw, content: false, done: true };
    }
    const chunk = parseObject(event.data);
    // Some servers name the event `error` instead of wrapping the error.
    if (event.event === 'error') throw errorInSuccess(chunk?.error ?? chunk ?? event.data, 'interrupted');
    if (!chunk && isForeign(event, EVENT_NAMES)) return { bytes: EMPTY, content: false };
    if (!chunk) throw new UpstreamError('unreadable', 'The upstream sent a stream event that is not JSON.');
    const choices = Array.isArray(chunk.choices) ? chunk.choices.filter(isJsonObject) : [];
    const failure = failureIn(chunk) ?? choices.map(failureOf).find((told) => told !== null) ?? null;
    if (failure !== null) throw errorInSuccess(failure, 'interrupted');

    const deltas = choices.map(({ delta }) => delta).filter(isJsonObject);
    // Moonshot reports the usage with the last choice; Groq also in a field of its own, even if it was not asked for it.
    const ofGroq = isJsonObject(chunk.x_groq) ? chunk.x_groq.usage : null;
    const finishReason = this.#finishReasonOf(choices);
    const usage = [chunk.usage, choices[0]?.usage, ofGroq]
      .map((told) => readUsage(told, this.#begun.size))
      .find((read) => read !== null);
    const piece: StreamPiece = {
      bytes: this.#hideUsage && isJsonObject(chunk.usage) && choices.length === 0 ? EMPTY : event.raw,
      content: deltas.some(carriesContent),
      generatedBytes: deltas.reduce((sum, delta) => sum + generatedBytes(delta), 0),
    };
    const completionId = stringOrNull(chunk.id);
    const servedModel = stringOrNull(chunk.model);
    if (completionId) piece.completionId = completionId;
    if (servedModel) piece.servedModel = servedModel;
    if (finishReason) piece.finishReason = finishReason;
    if (usage) {
      piece.usage = usage;
      this.#hasUsage = true;
    }
    if (deltas.some(({ tool_calls: calls }) => Array.isArray(calls))) piece.toolCallIds = deltas.flatMap(toolCallIds);
    return piece;
  }

  /** The finish reason of the first choice that gives one; null when none does. */
  #finishReasonOf(choices: readonly JsonObject[]): string | null {
    let first: string | null = null;
    for (const { index, finish_reason: told } of choices) {
      const reason = stringOrNull(told);
      if (this.#begun.size < MAX_CHOICES) this.#begun.add(index);
      if (reason !== null && this.#begun.has(index)) this.#ended.add(index);
      first ??= reason;
    }
    return first;
  }
}

/** True when a field of the delta other than the role is not empty: text, reasoning, refusal, tool calls, audio. */
function carriesContent(delta: JsonObject): boolean {
  return Object.entries(delta).some(
    ([name, value]) =>
      name !== 'role' && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
}
