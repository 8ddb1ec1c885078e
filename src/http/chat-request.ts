import type { FastifyReply, FastifyRequest } from 'fastify';
import { numericWeight } from '../domain/auto-model.ts';
import { type ChatBody, isJsonObject, type JsonObject } from '../domain/chat.ts';
import { ClientGoneError, invalidRequest } from '../domain/errors.ts';
import type { ChatInput } from '../gateway/chat-input.ts';
import { membersOf } from '../util/json-edit.ts';
import { bodyOf } from './json-body.ts';

/** Upper limits of the fields that determine the worst-case cost of a request. */
const MAX_TOKENS = 1_000_000_000;
const MAX_CHOICES = 128;
/**
 * Limited because, when an alias accepts any name, the log holds the name as the client wrote it. Ids have at most 128
 * characters.
 */
const MAX_MODEL_CHARACTERS = 512;

/** The fields that determine most of what a request costs its key. */
const READ_FIELDS = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'n',
  'max_tokens',
  'max_completion_tokens',
  'reasoning_effort',
]);

/**
 * Builds the input of the chat use case. Validates the fields that the gateway reads and passes everything else
 * through.
 */
export function chatInput(request: FastifyRequest, reply: FastifyReply): ChatInput {
  const { text, value, receivedAt } = bodyOf(request);
  return {
    request: { text, body: chatBody(value, text) },
    requestId: request.id,
    key: request.gatewayKey,
    weightHeader: weightHeader(request.headers['x-mixllm-weight']),
    models: modelsHeader(request.headers['x-mixllm-models']),
    sessionId: sessionHeader(request.headers['x-session-id']),
    noFallback: flagHeader(request.headers['x-mixllm-no-fallback']),
    arrivedAt: receivedAt,
    clientGone: clientGone(reply),
  };
}

function chatBody(value: unknown, text: string): ChatBody {
  if (!isJsonObject(value)) throw invalidRequest('The body must be a JSON object.');
  const { model, messages, stream } = value;
  if (typeof model !== 'string' || model === '') {
    throw invalidRequest('"model" must be a string: "auto" for routing, or the id of a model.', 'model');
  }
  if (model.length > MAX_MODEL_CHARACTERS) {
    throw invalidRequest(`"model" is longer than ${MAX_MODEL_CHARACTERS} characters.`, 'model');
  }
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalidRequest('"messages" must be an array with at least one message.', 'messages');
  }
  const bad = messages.findIndex((message) => !isJsonObject(message) || typeof message.role !== 'string');
  if (bad >= 0) throw invalidRequest('A message must be an object with a "role".', `messages[${bad}]`);
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') {
    throw invalidRequest('"stream" must be true or false.', 'stream');
  }
  checkNames(value);
  checkRepeated(text);
  checkNumbers(value);
  return value as ChatBody;
}

/**
 * Go servers (Ollama, LocalAI) read `Model` as `model` and use whichever comes last, so a key could reach any of their
 * models. Names are first converted to upper case, because Go also accepts a long s (ſ) as an s.
 */
function checkNames(body: JsonObject): void {
  for (const name of Object.keys(body)) {
    if (READ_FIELDS.has(name)) continue;
    const meant = name.toUpperCase().toLowerCase();
    if (READ_FIELDS.has(meant)) throw invalidRequest(`"${name}" must be written "${meant}".`, name);
  }
}

/**
 * Refuses repeated fields: the gateway's checks see the last of several fields with the same name, but the upstream
 * gets the text, and some parsers take the first.
 */
function checkRepeated(text: string): void {
  const seen = new Set<string>();
  for (const { name } of membersOf(text)) {
    if (seen.has(name)) throw invalidRequest(`"${name}" appears in the body more than once.`, name);
    if (READ_FIELDS.has(name)) seen.add(name);
  }
}

function checkNumbers(body: JsonObject): void {
  for (const [name, number] of Object.entries(body)) {
    // 1e999 is valid JSON but becomes Infinity, so it must be refused before anything computes with it.
    if (typeof number === 'number' && !Number.isFinite(number)) throw invalidRequest(`"${name}" is too large.`, name);
  }
  for (const [name, most] of [
    ['max_tokens', MAX_TOKENS],
    ['max_completion_tokens', MAX_TOKENS],
    ['n', MAX_CHOICES],
  ] as const) {
    const number = body[name] ?? 1;
    if (!Number.isInteger(number) || Number(number) < 1 || Number(number) > most) {
      throw invalidRequest(`"${name}" must be a whole number from 1 to ${most}.`, name);
    }
  }
}

function weightHeader(value: string | string[] | undefined): number | null {
  if (value === undefined) return null;
  const weight = typeof value === 'string' ? numericWeight(value.trim()) : Number.NaN;
  if (!(weight >= 0 && weight <= 1)) {
    throw invalidRequest('x-mixllm-weight must be a number between 0 and 1.', 'x-mixllm-weight', 'invalid_weight');
  }
  return weight;
}

function modelsHeader(value: string | string[] | undefined): string[] | null {
  if (value === undefined) return null;
  const names = String(value)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) throw invalidRequest('x-mixllm-models names no model.', 'x-mixllm-models');
  return names;
}

function sessionHeader(value: string | string[] | undefined): string | null {
  if (value === undefined || value === '') return null;
  if (String(value).length > 256) throw invalidRequest('x-session-id is longer than 256 characters.', 'x-session-id');
  return String(value);
}

function flagHeader(value: string | string[] | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(String(value).trim().toLowerCase());
}

/** Aborted when the connection closes before the whole answer is sent. */
function clientGone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort(new ClientGoneError());
  });
  return controller.signal;
}
