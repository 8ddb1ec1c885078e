import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from '../../domain/chat.ts';

/** What a simulated upstream answers. Token counts are reported exactly as given, whatever the length of the text. */
export interface SimulatedAnswer {
  text: string;
  /** Name reported as the model that answered. */
  model: string;
  /** All input tokens, including those read from and written to the prompt cache. */
  inputTokens: number;
  /** All output tokens, including thinking. */
  outputTokens: number;
  cachedInputTokens?: number;
  /** Reported only in Anthropic's format. */
  cacheWriteTokens?: number;
  /** Wait before the first byte, in milliseconds. */
  delayMs: number;
  /**
   * Time over which the content is then spread, in milliseconds (0 by default). An answer that is not streamed takes
   * just as long.
   */
  streamMs?: number;
  /** Tools to call; `arguments` is a JSON object as text. They follow the text and end the answer. */
  toolCalls?: readonly { name: string; arguments: string }[];
  /** Reasoning sent before the text: a thinking block, or `reasoning_content` as in OpenAI-compatible servers. */
  thinking?: string;
  /** Why the answer ended, in OpenAI's terms. Absent: `tool_calls` or `stop`. */
  finish?: 'stop' | 'length' | 'tool_calls' | 'content_filter';
  /** From 400 on, the answer is an error with this status in the provider's format. */
  status?: number;
  errorMessage?: string;
  /** Value of an error's `retry-after`, in seconds. */
  retryAfterS?: number;
  /** A stream's connection is broken after this many content pieces. */
  breakAfterPieces?: number;
}

export interface WireEvent {
  /** The `event:` field; null for none. */
  name: string | null;
  data: string;
  /** Whether it carries a piece of the answer, so that it is paced by `streamMs`. */
  isContent: boolean;
}

/** A provider's HTTP conventions, as pure functions. */
export interface WireFormat {
  /** Path at the end of a client's base URL. */
  basePath: string;
  /** The only path served. */
  path: string;
  requestIdHeader: string;
  newRequestId(): string;
  brokenJson: string;
  unknownPath(method: string, path: string): string;
  refuseHeaders(headers: IncomingHttpHeaders): { status: number; message: string } | null;
  /** What is wrong with a body, or null. */
  refuseBody(body: JsonObject): string | null;
  error(status: number, message: string, requestId: string): JsonObject;
  completion(answer: SimulatedAnswer): JsonObject;
  events(answer: SimulatedAnswer, body: JsonObject): WireEvent[];
}

/** Unique id in a provider's style: `prefix` and 24 letters or digits. */
export function wireId(prefix: string): string {
  return `${prefix}${randomBytes(12).toString('hex')}`;
}

const PIECE_CHARACTERS = 12;

/** Cuts a text into pieces of about three tokens each, at word ends where possible, never within a code point. */
export function pieces(text: string): string[] {
  const result: string[] = [];
  let current = '';
  for (const word of text.match(/\s*\S{1,24}|\s+$/gu) ?? []) {
    current += word;
    if (current.length < PIECE_CHARACTERS) continue;
    result.push(current);
    current = '';
  }
  return current === '' ? result : [...result, current];
}

/** Cuts JSON text anywhere except within a surrogate pair, as providers stream tool arguments. */
export function jsonPieces(json: string): string[] {
  const points = Array.from(json);
  const result: string[] = [];
  for (let at = 0; at < points.length; at += 7) result.push(points.slice(at, at + 7).join(''));
  return result;
}
