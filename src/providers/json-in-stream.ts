import { isJsonObject, type JsonObject } from '../domain/chat.ts';
import type { RawSseEvent } from '../util/sse.ts';
import { upstreamJsonOrNull } from './answer-limit.ts';

const decoder = new TextDecoder();

/**
 * Recognises a single JSON object (the whole answer, or an error with status 200), with which some servers answer a
 * request for a stream.
 * @param event of the stream, or what the splitter took for one: JSON has no `data:` lines
 * @returns the object; null for an event
 */
export function jsonInStream(event: RawSseEvent, parse?: (json: string) => unknown): JsonObject | null {
  if (event.data !== null) return null;
  const text = decoder.decode(event.raw).trimStart();
  const value = text.startsWith('{') ? upstreamJsonOrNull(text, parse) : null;
  return isJsonObject(value) ? value : null;
}

/**
 * True for an event of another protocol on top, for example a heartbeat: it has a name that none of the answer's own
 * events has, or no data. Such events are left out, because clients try to parse their data as JSON.
 * @param names names of the answer's own events
 */
export function isForeign({ event, data }: RawSseEvent, names: ReadonlySet<string>): boolean {
  const text = data?.trim() ?? '';
  // Data that looks like JSON may be a damaged part of the answer.
  return text === '' || (event !== null && !names.has(event) && !text.startsWith('{'));
}
