import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parse } from 'secure-json-parse';
import { GatewayError, invalidRequest } from '../domain/errors.ts';
import type { Clock } from '../util/clock.ts';
import { BODY_LIMITS, valuesIn } from '../util/json-limits.ts';
import type { HeldBody } from './body-memory.ts';

/**
 * Memory that a parsed value takes in addition to its text, expressed in bytes of body text: an empty object takes
 * three characters of text and 64 bytes of memory, and every other byte of a body is held about four times.
 */
const VALUE_BYTES = 16;

/** A request body: its text as received, and the parsed value. */
export interface JsonDocument {
  text: string;
  value: unknown;
  /** Monotonic milliseconds when the last byte arrived: time before that was spent by the client. */
  receivedAt: number;
}

/**
 * Keeps JSON bodies as text alongside their value, because the text is what goes upstream. Invalid UTF-8 is refused
 * rather than replaced: a prompt must not change on its way.
 */
export function registerJsonBody(server: FastifyInstance, clock: Clock): void {
  server.removeAllContentTypeParsers();
  const take = async (request: FastifyRequest, body: Buffer): Promise<JsonDocument> =>
    // No DELETE route here takes a body, but some clients send a content type anyway.
    request.method === 'DELETE'
      ? { text: '', value: null, receivedAt: clock.monotonic() }
      : parseJson(plain(request, body), request.heldBody, clock.monotonic());
  server.addContentTypeParser(/^application\/(?:[\w.+-]+\+)?json\b/i, { parseAs: 'buffer' }, take);
}

/**
 * Returns the body of a request that must have one.
 * @throws GatewayError 400 when it is empty
 */
export function bodyOf({ body }: FastifyRequest): JsonDocument {
  const document = body as JsonDocument | undefined;
  if (!document || document.text.trim() === '') {
    throw invalidRequest('The body is empty; a JSON object was expected.', null, 'invalid_json');
  }
  return document;
}

/** @throws GatewayError 415 for a compressed body, which would otherwise be reported as invalid UTF-8 */
function plain({ headers }: FastifyRequest, body: Buffer): Buffer {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.trim().toLowerCase() === 'identity') return body;
  throw new GatewayError(415, `The body is encoded as "${encoding}"; send it without content-encoding.`, {
    code: 'unsupported_content_encoding',
    responseHeaders: { 'accept-encoding': 'identity' },
  });
}

/** @throws GatewayError 400, or 503 when there is no memory for so many values */
function parseJson(bytes: Buffer, held: HeldBody | null, receivedAt: number): JsonDocument {
  const text = decode(bytes);
  // Some clients send a content type without a body. Routes that need a body call `bodyOf`, which checks for it.
  if (text.trim() === '') return { text, value: null, receivedAt };
  const values = valuesIn(text, BODY_LIMITS);
  if (typeof values === 'string') throw invalidRequest(values, null, 'invalid_json');
  held?.resize(bytes.length + values * VALUE_BYTES);
  let value: unknown;
  try {
    // Refuses `__proto__` and `constructor.prototype` at any depth: no client needs them, and upstreams may merge them.
    value = parse(text);
  } catch (error) {
    throw invalidRequest(`The body cannot be read as JSON: ${(error as Error).message}`, null, 'invalid_json');
  }
  return { text, value, receivedAt };
}

/** Removes a byte order mark, which `JSON.parse` would reject. */
const decoder = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new GatewayError(400, 'The body is not valid UTF-8.', { code: 'invalid_utf8' });
  }
}
