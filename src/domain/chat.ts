export type JsonObject = Record<string, unknown>;

export interface ChatMessage extends JsonObject {
  role: string;
  content?: unknown;
}

/** An OpenAI chat-completion body. Only fields that the gateway reads are named; all others are carried unchanged. */
export interface ChatBody extends JsonObject {
  model: string;
  messages: ChatMessage[];
  stream?: boolean | null;
}

/**
 * A chat request: the parsed body for reading, and the received text for forwarding, because parsing loses some of it.
 */
export interface ChatRequest {
  /** The JSON document exactly as the client sent it, decoded from UTF-8. */
  text: string;
  body: ChatBody;
}

/** Tokens that an answer consumed. */
export interface Usage {
  /** All input tokens, cached ones included. */
  inputTokens: number;
  /** The part of the input that was read from the provider's prompt cache. */
  cachedInputTokens: number;
  /** The part of the input that was written to the provider's prompt cache. */
  cacheWriteTokens: number;
  /** The part of the written tokens that is kept for an hour, at a higher price; absent: none. */
  hourCacheWriteTokens?: number;
  outputTokens: number;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text of a message's content: the string itself, or its text parts joined by line breaks. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .filter((part): part is JsonObject => isJsonObject(part) && typeof part.text === 'string')
    .map((part) => part.text)
    .join('\n');
}

/** The content parts of all messages; contents that are strings are left out. */
export function contentParts(messages: readonly ChatMessage[]): JsonObject[] {
  return messages.flatMap((message) => (Array.isArray(message.content) ? message.content.filter(isJsonObject) : []));
}

/** Number of choices that the request asks for, `n`. */
export function requestedChoices({ n }: ChatBody): number {
  return typeof n === 'number' && n >= 1 ? n : 1;
}

/**
 * UTF-8 bytes that were generated for a message or a stream's delta: text, reasoning, refusal, tool calls. Used to
 * estimate tokens that nobody counted.
 */
export function generatedBytes(message: JsonObject): number {
  const {
    content,
    reasoning_content: thoughts,
    reasoning,
    refusal,
    function_call: call,
    tool_calls: calls,
    audio,
  } = message;
  const called = Array.isArray(calls) ? calls.filter(isJsonObject).flatMap((each) => [each.function, each.custom]) : [];
  // Of audio, only the transcript counts.
  const spoken = isJsonObject(audio) ? audio.transcript : null;
  // Of content parts, only the texts count, because images in an answer are priced separately.
  const texts = Array.isArray(content)
    ? content.filter(isJsonObject).flatMap((part) => [part.text, part.thinking, part.refusal])
    : content;
  return stringBytes([texts, thoughts, reasoning, refusal, call, called, spoken], 'values');
}

/** Deeper than any request body may be. Answers of upstreams have no such limit of their own. */
const MAX_NESTING = 200;

/**
 * UTF-8 bytes of all strings within a JSON value.
 * @param counted whether the names of members count as well
 */
export function stringBytes(value: unknown, counted: 'values' | 'names and values', nesting = MAX_NESTING): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null || nesting === 0) return 0;
  let bytes = 0;
  if (Array.isArray(value)) {
    for (const item of value) bytes += stringBytes(item, counted, nesting - 1);
    return bytes;
  }
  for (const [name, item] of Object.entries(value)) {
    if (counted === 'names and values') bytes += Buffer.byteLength(name);
    bytes += stringBytes(item, counted, nesting - 1);
  }
  return bytes;
}

/**
 * No request has more tokens: a larger figure is the upstream's mistake, and would corrupt every sum that includes it.
 */
const MAX_TOKENS = 1e9;

/** A token count as reported by an upstream; null for a value that is not a plausible count. */
export function tokenCount(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value <= MAX_TOKENS ? value : null;
}

/** Ids of the tool calls in a message or a stream's delta. A call's later deltas do not repeat its id. */
export function toolCallIds({ tool_calls: calls }: JsonObject): string[] {
  if (!Array.isArray(calls)) return [];
  return calls.flatMap((call) =>
    isJsonObject(call) && typeof call.id === 'string' && call.id !== '' ? [call.id] : [],
  );
}

/** The client's own limit on output tokens, if it set one. */
export function requestedMaxTokens(body: ChatBody): number | null {
  const limit = body.max_completion_tokens ?? body.max_tokens;
  return typeof limit === 'number' && Number.isFinite(limit) && limit > 0 ? limit : null;
}

/**
 * The schema of a `response_format`: that of `json_schema`, or the one that Together, Fireworks and llama.cpp accept
 * together with `json_object`.
 * @returns null when there is none
 */
export function answerSchema({ type, json_schema: named, schema: bare }: JsonObject): JsonObject | null {
  if (type === 'json_schema') return isJsonObject(named) && isJsonObject(named.schema) ? named.schema : null;
  return type === 'json_object' && isJsonObject(bare) && Object.keys(bare).length > 0 ? bare : null;
}
