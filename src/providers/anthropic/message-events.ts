import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import { parseExactly } from '../../util/exact-json.ts';
import type { RawSseEvent } from '../../util/sse.ts';
import { parseUpstreamJson } from '../answer-limit.ts';
import { isForeign, jsonInStream } from '../json-in-stream.ts';

const EVENT_NAMES: ReadonlySet<string> = new Set([
  'message_start',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
  'error',
]);

/**
 * Returns the events of Anthropic's answer that a server-sent event carries: usually one, none for a comment, and all
 * of them if a whole message was sent instead of a stream.
 * @throws UpstreamError `unreadable` for data that is not a JSON object
 */
export function messageEvents(event: RawSseEvent): JsonObject[] {
  if (event.data === null) {
    const whole = jsonInStream(event, parseExactly);
    return whole ? eventsOf(whole) : [];
  }
  const data = parsed(event);
  return data ? [data] : [];
}

/**
 * Parses the data of an event; null for an event that is not part of the answer.
 * @throws UpstreamError `unreadable`
 */
function parsed(event: RawSseEvent): JsonObject | null {
  try {
    const value: unknown = parseUpstreamJson(event.data ?? '', parseExactly);
    if (isJsonObject(value)) return value;
  } catch {
    // Reported below, together with JSON that is not an object.
  }
  if (isForeign(event, EVENT_NAMES)) return null;
  throw new UpstreamError('unreadable', 'The upstream sent a stream event that is not JSON.');
}

/** The events that Anthropic would have sent instead of a whole message or an error. */
function eventsOf(whole: JsonObject): JsonObject[] {
  if (isJsonObject(whole.error)) return [{ ...whole, type: 'error' }];
  if (whole.type !== 'message' || !Array.isArray(whole.content)) return [whole];
  const blocks = whole.content.flatMap((block, index) => [
    { type: 'content_block_start', index, content_block: block },
    { type: 'content_block_stop', index },
  ]);
  const ended = { type: 'message_delta', delta: { stop_reason: whole.stop_reason }, usage: whole.usage };
  return [{ type: 'message_start', message: whole }, ...blocks, ended, { type: 'message_stop' }];
}
