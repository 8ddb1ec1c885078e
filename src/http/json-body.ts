import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError, invalidRequest } from '../domain/errors.ts';

/** A request body: its text as received, and what it says. */
export interface JsonDocument {
  text: string;
  value: unknown;
}

const MAX_NESTING = 200;

/**
 * JSON bodies are kept as text beside their value, because the text is what goes upstream. Invalid UTF-8 is refused
 * rather than replaced: a prompt must not be changed on its way.
 */
export function registerJsonBody(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  const parse = async (request: FastifyRequest, body: Buffer): Promise<JsonDocument> =>
    // No DELETE here has a body, but some clients name its type all the same.
    request.method === 'DELETE' ? { text: '', value: null } : parseJson(body);
  server.addContentTypeParser(/^application\/(?:[\w.+-]+\+)?json\b/i, { parseAs: 'buffer' }, parse);
}

export function parseJson(bytes: Buffer): JsonDocument {
  const text = decode(bytes);
  if (text.trim() === '') throw invalidRequest('The body is empty; a JSON object was expected.', null, 'invalid_json');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidRequest(`The body is not valid JSON: ${(error as Error).message}`, null, 'invalid_json');
  }
  if (nesting(text) > MAX_NESTING) {
    throw invalidRequest(`The body is nested deeper than ${MAX_NESTING} levels.`, null, 'invalid_json');
  }
  return { text, value };
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new GatewayError(400, 'The body is not valid UTF-8.', { code: 'invalid_utf8' });
  }
}

/** Deepest nesting of brackets outside strings. @param text valid JSON */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text[i];
    if (unit === '"') i = endOfString(text, i);
    else if (unit === '{' || unit === '[') deepest = Math.max(deepest, ++depth);
    else if (unit === '}' || unit === ']') depth--;
  }
  return deepest;
}

/** Index of the closing quote. Searches for quotes instead of walking: an image is a string of megabytes. */
function endOfString(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); ; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return at;
  }
}
