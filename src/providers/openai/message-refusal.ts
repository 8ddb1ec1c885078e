import { hash } from 'node:crypto';
import { type ChatMessage, type JsonObject, toolCallIds } from '../../domain/chat.ts';
import { elementsOf, type Member, membersOf, replaceSpans, type Span } from '../../util/json-edit.ts';
import { beginningOf } from '../error-words.ts';

/** Names under which it is remembered that a server refuses something in messages that can be expressed differently. */
const DEVELOPER = 'messages.role';
const LONG_IDS = 'messages.tool_calls.id';
export type MessageRefusal = typeof DEVELOPER | typeof LONG_IDS;

/** OpenAI's limit for ids of tool calls. vLLM's ids have 46 characters. */
const MAX_ID_CHARACTERS = 40;

/**
 * Refusals by servers that know only the role `system`, in the wording of DeepSeek, Azure, OpenAI's older models,
 * DashScope and Groq.
 */
const DEVELOPER_REFUSED = [
  /\bunknown variant `developer`/,
  /^Invalid value: 'developer'/,
  /\brole\b.{0,200}\bdeveloper\b/is,
  /\bdeveloper\b.{0,200}\brole\b/is,
  /\brole must be (one of|in)\b/i,
  /\bproperty 'role' has invalid value/,
];

/** How OpenAI names the location, also inside a message. */
const ID_OF_CALL = /\bmessages\.?\[\d+\]\.(tool_calls\[\d+\]\.id|tool_call_id)\b/;

/**
 * What the upstream's error says the model does not accept in these messages; null when it says nothing of that kind.
 */
export function refusedOfMessages(error: JsonObject, messages: readonly ChatMessage[]): MessageRefusal | null {
  if (messages.some(isDevelopers) && isAboutDeveloper(error)) return DEVELOPER;
  return messages.some(hasLongId) && isAboutLongId(error) ? LONG_IDS : null;
}

/** The request's text, with its messages rewritten so that the model accepts them. */
export function withOtherMessages(
  text: string,
  messages: readonly ChatMessage[],
  refused: ReadonlySet<string>,
): string {
  const edits = [
    ...(refused.has(DEVELOPER) && messages.some(isDevelopers) ? developerEdits(text) : []),
    ...(refused.has(LONG_IDS) && messages.some(hasLongId) ? idEdits(text) : []),
  ];
  return replaceSpans(text, edits);
}

function isDevelopers({ role }: ChatMessage): boolean {
  return role === 'developer';
}

function hasLongId(message: ChatMessage): boolean {
  return [message.tool_call_id, ...toolCallIds(message)].some(isLong);
}

function isLong(id: unknown): id is string {
  return typeof id === 'string' && id.length > MAX_ID_CHARACTERS;
}

function isAboutDeveloper({ message, detail }: JsonObject): boolean {
  // Pydantic reports errors in a list.
  const words = beginningOf(typeof message === 'string' ? message : JSON.stringify([message, detail]));
  return DEVELOPER_REFUSED.some((wording) => wording.test(words));
}

function isAboutLongId({ code, message, param }: JsonObject): boolean {
  const words = typeof message === 'string' ? beginningOf(message) : '';
  const isTooLong = code === 'string_above_max_length' || /^Invalid '[^']*': string too long\b/.test(words);
  return isTooLong && ID_OF_CALL.test(typeof param === 'string' ? param : words);
}

interface Edit {
  span: Span;
  replacement: string;
}

function developerEdits(text: string): Edit[] {
  return membersOfMessages(text)
    .filter(({ name, value }) => name === 'role' && stringIn(text, value) === 'developer')
    .map(({ value }) => ({ span: value, replacement: '"system"' }));
}

function idEdits(text: string): Edit[] {
  const members = membersOfMessages(text);
  const ofCalls = members
    .filter(({ name }) => name === 'tool_calls')
    .flatMap(({ value }) => objectsIn(text, value))
    .flatMap((call) => membersOf(text, call))
    .filter(({ name }) => name === 'id');
  return [...ofCalls, ...members.filter(({ name }) => name === 'tool_call_id')].flatMap(({ value }) => {
    const id = stringIn(text, value);
    return isLong(id) ? [{ span: value, replacement: JSON.stringify(shortened(id)) }] : [];
  });
}

/** Depends only on the id, so a call and its result get the same short id, in this request and in later ones. */
function shortened(id: string): string {
  return `call_${hash('sha256', id).slice(0, 32)}`;
}

function membersOfMessages(text: string): Member[] {
  return membersOf(text)
    .filter(({ name }) => name === 'messages')
    .flatMap(({ value }) => objectsIn(text, value))
    .flatMap((message) => membersOf(text, message));
}

function objectsIn(text: string, array: Span): Span[] {
  return text[array.start] === '[' ? elementsOf(text, array).filter(({ start }) => text[start] === '{') : [];
}

/** Null for a value that is not a string. */
function stringIn(text: string, { start, end }: Span): string | null {
  return text[start] === '"' ? (JSON.parse(text.slice(start, end)) as string) : null;
}
