import {
  generatedCharacters,
  isJsonObject,
  type JsonObject,
  tokenCount,
  toolCallIds,
  type Usage,
} from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import type { RawSseEvent } from '../../util/sse.ts';
import type { AnswerFacts, StreamPiece } from '../provider.ts';

const EMPTY = new Uint8Array(0);
const OPENING_BRACE = 123;
const decoder = new TextDecoder();

/** Facts of a whole chat completion. @throws UpstreamError `unreadable` when `json` is none */
export function readCompletion(json: string): AnswerFacts & { characters: number; toolCallIds: string[] } {
  const completion = parseObject(json);
  if (!completion || !Array.isArray(completion.choices)) {
    if (completion?.error) throw errorInSuccess(completion, 'unreadable');
    throw new UpstreamError('unreadable', 'The upstream answered with something that is no chat completion.');
  }
  const choices = completion.choices.filter(isJsonObject);
  const messages = choices.map(({ message }) => message).filter(isJsonObject);
  return {
    characters: messages.reduce((sum, message) => sum + generatedCharacters(message), 0),
    toolCallIds: messages.flatMap(toolCallIds),
    completionId: stringOrNull(completion.id),
    servedModel: stringOrNull(completion.model),
    finishReason: stringOrNull(choices[0]?.finish_reason),
    usage: readUsage(completion.usage),
  };
}

/**
 * What one event of a stream tells; its bytes stay as they came.
 * @param hideUsage the client did not ask for the usage chunk, so it gets no bytes of it
 * @throws UpstreamError `interrupted` for an error event, `unreadable` for data that is no JSON object
 */
export function readStreamEvent(event: RawSseEvent, hideUsage: boolean): StreamPiece {
  if (event.data === null) {
    const body = event.raw[0] === OPENING_BRACE ? parseObject(decoder.decode(event.raw)) : null;
    // Some servers answer 200 and one JSON object where the stream should have been.
    if (body?.error) throw errorInSuccess(body, 'interrupted');
    return { bytes: event.raw, content: false };
  }
  if (event.data.trim() === '[DONE]') return { bytes: event.raw, content: false, done: true };
  const chunk = parseObject(event.data);
  if (!chunk) throw new UpstreamError('unreadable', 'The upstream sent a stream event that is not JSON.');
  if (chunk.error !== undefined && chunk.error !== null) throw errorInSuccess(chunk, 'interrupted');

  const choices = Array.isArray(chunk.choices) ? chunk.choices.filter(isJsonObject) : [];
  const deltas = choices.map(({ delta }) => delta).filter(isJsonObject);
  const usage = readUsage(chunk.usage);
  const piece: StreamPiece = {
    bytes: hideUsage && usage && choices.length === 0 ? EMPTY : event.raw,
    content: deltas.some(carriesContent),
    characters: deltas.reduce((sum, delta) => sum + generatedCharacters(delta), 0),
  };
  const completionId = stringOrNull(chunk.id);
  const servedModel = stringOrNull(chunk.model);
  const finishReason = choices.map((choice) => stringOrNull(choice.finish_reason)).find((reason) => reason !== null);
  if (completionId) piece.completionId = completionId;
  if (servedModel) piece.servedModel = servedModel;
  if (finishReason) piece.finishReason = finishReason;
  if (usage) piece.usage = usage;
  if (deltas.some(({ tool_calls: calls }) => Array.isArray(calls))) piece.toolCallIds = deltas.flatMap(toolCallIds);
  return piece;
}

/** What the upstream says of its failure, though its status was a success. */
function errorInSuccess({ error }: JsonObject, failure: 'unreadable' | 'interrupted'): UpstreamError {
  const detail = isJsonObject(error) ? error : { message: String(error) };
  const message = stringOrNull(detail.message) ?? 'The upstream reported an error in its answer.';
  return new UpstreamError(failure, message, { body: JSON.stringify({ error: detail }) });
}

/** Any non-empty field of a delta but the role is part of the answer: text, reasoning, refusal, tool calls, audio. */
function carriesContent(delta: JsonObject): boolean {
  return Object.entries(delta).some(
    ([name, value]) =>
      name !== 'role' && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
}

function readUsage(value: unknown): Usage | null {
  if (!isJsonObject(value)) return null;
  const inputTokens = tokenCount(value.prompt_tokens);
  const outputTokens = tokenCount(value.completion_tokens);
  if (inputTokens === null || outputTokens === null) return null;
  const details = isJsonObject(value.prompt_tokens_details) ? value.prompt_tokens_details : {};
  return {
    inputTokens,
    outputTokens,
    cachedInputTokens: Math.min(inputTokens, tokenCount(details.cached_tokens) ?? 0),
    cacheWriteTokens: 0,
  };
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function parseObject(json: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(json);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
