import { type ChatBody, isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { elementsOf, membersOf, removeMember, replaceSpans, type Span } from '../../util/json-edit.ts';
import { beginningOf } from '../error-words.ts';
import { extraFieldIn } from './extra-field.ts';

/** Anthropic's cache marks: on the request itself, on messages, on parts of their content, and on tools. */
const CACHE_MARKS = 'cache_control';

/**
 * Fields of Anthropic's API that the gateway offers whichever model answers, and that other servers refuse. They say
 * how to answer, not what is asked, so a request can do without them.
 */
const OF_THE_REQUEST: ReadonlySet<string> = new Set(['thinking', 'top_k', CACHE_MARKS]);

/** Where the refused field stands, in the words of OpenAI and Fireworks, of Groq, and of Google. */
const WORDINGS = [
  /^(?:Unrecognized request argument supplied: |Unknown parameter: '|Extra inputs are not permitted, field: ')([\w.[\]]+)/,
  /^(?:'messages\.\d+' : .{0,200}\b)?property '(\w+)' is unsupported/s,
  /^Invalid JSON payload received\. Unknown name "(\w+)"/,
];

/**
 * The one of these fields that a 400 or 422 is about, if the request has it; else null.
 * @param error from the answer's body
 */
export function refusedAnthropicField(error: JsonObject, body: ChatBody): string | null {
  const place = placeIn(error);
  if (OF_THE_REQUEST.has(place) && body[place] != null) return place;
  return new RegExp(`[.\\]]${CACHE_MARKS}$|^${CACHE_MARKS}$`).test(place) && hasCacheMarks(body) ? CACHE_MARKS : null;
}

/** Empty when the error names no field. */
function placeIn(error: JsonObject): string {
  const { code, param, message } = error;
  if (code === 'unknown_parameter' && typeof param === 'string') return param;
  const words = typeof message === 'string' ? beginningOf(message) : '';
  const named = WORDINGS.map((wording) => wording.exec(words)?.[1]).find((told) => told !== undefined);
  const [root, ...place] = extraFieldIn(error) ?? [];
  return named ?? (root === 'body' ? place.join('.') : '');
}

/** The refused cache marks that this request has, by their one name. */
export function cacheMarksIn(body: ChatBody, refused: ReadonlySet<string>): string[] {
  return refused.has(CACHE_MARKS) && hasCacheMarks(body) ? [CACHE_MARKS] : [];
}

function hasCacheMarks({ messages, tools, ...body }: ChatBody): boolean {
  const isMarked = (value: unknown) => isJsonObject(value) && Object.hasOwn(value, CACHE_MARKS);
  const within = ({ content, function: called }: JsonObject) =>
    isMarked(called) || (Array.isArray(content) && content.some(isMarked));
  const listed = [...messages, ...(Array.isArray(tools) ? tools : [])].filter(isJsonObject);
  return isMarked(body) || listed.some((each) => isMarked(each) || within(each));
}

/** The request's text without its cache marks. A tool's own parameter of that name stays. */
export function withoutCacheMarks(text: string): string {
  const edits = membersOf(text)
    .filter(({ name }) => name === 'messages' || name === 'tools')
    .flatMap(({ value }) => objectsIn(text, value))
    .map((span) => ({ span, replacement: unmarked(text.slice(span.start, span.end)) }));
  return removeMember(replaceSpans(text, edits), CACHE_MARKS);
}

/** @param json a message or a tool */
function unmarked(json: string): string {
  const edits = membersOf(json)
    .filter(({ name }) => name === 'content' || name === 'function')
    .flatMap(({ value }) => (json[value.start] === '{' ? [value] : objectsIn(json, value)))
    .map((span) => ({ span, replacement: removeMember(json.slice(span.start, span.end), CACHE_MARKS) }));
  return removeMember(replaceSpans(json, edits), CACHE_MARKS);
}

/** The objects of an array; none of any other value. */
function objectsIn(text: string, value: Span): Span[] {
  return text[value.start] === '[' ? elementsOf(text, value).filter(({ start }) => text[start] === '{') : [];
}
