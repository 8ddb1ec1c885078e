import { type ChatMessage, isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { elementsOf, membersOf, removeMember, replaceSpans } from '../../util/json-edit.ts';
import { beginningOf } from '../error-words.ts';
import { extraFieldIn } from './extra-field.ts';

/** Precedes the name of a field that is inside messages. */
const PREFIX = 'messages.';

/**
 * Fields of answers that a conversation can do without. A closed list, because each refusal costs a further request and
 * is remembered, and a client may send any number of fields of its own.
 */
const DISPENSABLE: ReadonlySet<string> = new Set([
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'thinking_blocks',
  'annotations',
  'audio',
  'provider_specific_fields',
]);

/**
 * Wordings that give the index and the field, of OpenAI and Fireworks, of Groq, of Cerebras, and of Google, which gives
 * the field first.
 */
const WORDINGS = [
  /^(?:Unknown parameter|Extra inputs are not permitted, field): 'messages\[(?<index>\d+)\]\.(?<field>\w+)'/,
  /^'messages\.(?<index>\d+)' : .{0,200}\bproperty '(?<field>\w+)' is unsupported/s,
  /^messages\.(?<index>\d+)\.assistant\.(?<field>\w+): property\b.{0,200}\bis unsupported/s,
  /^Invalid JSON payload received\. Unknown name "(?<field>\w+)" at 'messages\[(?<index>\d+)\]'/,
];

/**
 * Finds the refused field that another model's answer put into an assistant message, such as its reasoning. Clients
 * send such fields back, and some servers refuse fields that they do not know. The request means the same without it.
 * @returns its name, e.g. `messages.reasoning_content`; null when the error is about something else
 */
export function refusedAnswerField(error: JsonObject, messages: readonly ChatMessage[]): string | null {
  const { index, field } = placeByWords(error) ?? placeByPydantic(error) ?? {};
  const message = messages[Number(index)];
  if (typeof field !== 'string' || message?.role !== 'assistant') return null;
  return Object.hasOwn(message, field) && DISPENSABLE.has(field) ? `${PREFIX}${field}` : null;
}

/** The refused fields that occur in assistant messages of this request. */
export function answerFieldsIn(messages: readonly ChatMessage[], refused: ReadonlySet<string>): string[] {
  return [...refused]
    .filter((name) => name.startsWith(PREFIX) && DISPENSABLE.has(bare(name)))
    .filter((name) => messages.some((message) => isOfAssistant(message) && Object.hasOwn(message, bare(name))));
}

/** The request's text without these fields in its assistant messages. */
export function withoutAnswerFields(text: string, fields: readonly string[]): string {
  if (fields.length === 0) return text;
  const edits = membersOf(text)
    .filter(({ name, value }) => name === 'messages' && text[value.start] === '[')
    .flatMap(({ value }) => elementsOf(text, value))
    .flatMap((span) => {
      const json = text.slice(span.start, span.end);
      if (!json.startsWith('{') || !isOfAssistant(JSON.parse(json))) return [];
      return [{ span, replacement: fields.reduce((rest, name) => removeMember(rest, bare(name)), json) }];
    });
  return replaceSpans(text, edits);
}

interface Place {
  index?: unknown;
  field?: unknown;
}

function placeByWords({ message }: JsonObject): Place | null {
  const words = typeof message === 'string' ? beginningOf(message) : '';
  return WORDINGS.map((wording) => wording.exec(words)?.groups).find((groups) => groups !== undefined) ?? null;
}

/** Reads `["body", "messages", 2, "assistant", "reasoning_content"]`, with or without the role. */
function placeByPydantic(error: JsonObject): Place | null {
  const [root, messages, index, ...rest] = extraFieldIn(error) ?? [];
  const fields = rest.filter((part) => part !== 'assistant');
  return root === 'body' && messages === 'messages' && fields.length === 1 ? { index, field: fields[0] } : null;
}

function isOfAssistant(message: unknown): boolean {
  return isJsonObject(message) && message.role === 'assistant';
}

function bare(name: string): string {
  return name.slice(PREFIX.length);
}
