import { CACHE_MARK, hasCacheMarks, holdsMark } from '../../domain/cache-marks.ts';
import type { ChatBody, JsonObject } from '../../domain/chat.ts';
import { elementsOf, membersOf, removeMember, replaceSpans, type Span } from '../../util/json-edit.ts';
import { beginningOf } from '../error-words.ts';
import { extraFieldIn } from './extra-field.ts';

/**
 * Fields of Anthropic's API that the gateway offers whichever model answers, and that other servers refuse. They say
 * how to answer, not what is asked, so a request can do without them.
 */
const OF_THE_REQUEST: ReadonlySet<string> = new Set(['thinking', 'top_k']);

/** Where the refused field stands, in the words of OpenAI and Fireworks, of Groq, and of Google. */
const WORDINGS = [
  /^(?:Unrecognized request argument supplied: |Unknown parameter: '|Extra inputs are not permitted, field: ')([\w.[\]]+)/,
  /^(?:'messages\.\d+' : .{0,200}\b)?property '(\w+)' is unsupported/s,
  /^Invalid JSON payload received\. Unknown name "(\w+)"/,
];

/**
 * The one of these fields that a 400 or 422 is about, if the request has it; else null.
 * @param error from the answer's body
 * @returns also whether the model will refuse it in other requests. A server that refuses a mark on a part of a message
 *   refuses all marks; one that refuses another mark may know those.
 */
export function refusedAnthropicField(error: JsonObject, body: ChatBody): { field: string; lasting: boolean } | null {
  const place = placeIn(error);
  const field = place.split(/[.\]]/).at(-1);
  if (field === CACHE_MARK && hasCacheMarks(body)) {
    // Groq and Google name the place apart from the field.
    const words = typeof error.message === 'string' ? beginningOf(error.message) : '';
    return { field, lasting: /\bcontent\b/.test(`${place} ${words}`) };
  }
  return OF_THE_REQUEST.has(place) && body[place] != null ? { field: place, lasting: true } : null;
}

/** Empty when the error names no field. */
function placeIn(error: JsonObject): string {
  const { code, param, message } = error;
  if (code === 'unknown_parameter' && typeof param === 'string') return beginningOf(param);
  const words = typeof message === 'string' ? beginningOf(message) : '';
  const named = WORDINGS.map((wording) => wording.exec(words)?.[1]).find((told) => told !== undefined);
  const [root, ...place] = extraFieldIn(error) ?? [];
  return named ?? (root === 'body' ? place.filter((part) => typeof part === 'string').join('.') : '');
}

/** The refused cache marks that this request has, by their one name. */
export function cacheMarksIn(body: ChatBody, refused: ReadonlySet<string>): string[] {
  return refused.has(CACHE_MARK) && hasCacheMarks(body) ? [CACHE_MARK] : [];
}

/**
 * The request's text without the marks in its messages and tools; its own is a field like others. A tool's own parameter
 * of that name stays.
 */
export function withoutCacheMarks(text: string, body: ChatBody): string {
  const edits = membersOf(text)
    .filter(({ name }) => name === 'messages' || name === 'tools')
    .flatMap(({ name, value }) => {
      const parsed = body[name];
      // Only what is marked is read again: other messages may hold megabytes.
      if (!Array.isArray(parsed)) return [];
      return elementsOf(text, value).filter(({ start }, i) => text[start] === '{' && holdsMark(parsed[i]));
    })
    .map((span) => ({ span, replacement: unmarked(text.slice(span.start, span.end)) }));
  return replaceSpans(text, edits);
}

/** @param json a message or a tool */
function unmarked(json: string): string {
  const edits = membersOf(json)
    .filter(({ name }) => name === 'content' || name === 'function' || name === 'tool_calls')
    .flatMap(({ value }) => (json[value.start] === '{' ? [value] : objectsIn(json, value)))
    .map((span) => ({ span, replacement: removeMember(json.slice(span.start, span.end), CACHE_MARK) }));
  return removeMember(replaceSpans(json, edits), CACHE_MARK);
}

/** The objects of an array; none of any other value. */
function objectsIn(text: string, value: Span): Span[] {
  return elementsOf(text, value).filter(({ start }) => text[start] === '{');
}
