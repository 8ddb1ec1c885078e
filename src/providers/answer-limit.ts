import type { Readable } from 'node:stream';
import { UpstreamError } from '../domain/errors.ts';
import { excessOf } from '../util/json-limits.ts';

/**
 * Bytes, decompressed, that an upstream can have kept here at a time: a whole answer, one event of a stream, or what
 * comes of a stream before its first content. Images and sound in an answer take some tens of megabytes; a megabyte that
 * is compressed may stand for a thousand, and a broken server need not come to an end.
 */
export const MAX_BYTES = 64 * 1024 * 1024;

export function tooLarge(what: string): UpstreamError {
  return new UpstreamError('unreadable', `${what} is longer than ${MAX_BYTES / 1024 / 1024} MB.`);
}

/** All of a body. @throws UpstreamError `unreadable` for one that is too large, of which no more is read then */
export async function gathered(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BYTES) throw tooLarge("The upstream's answer");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Log probabilities of a long answer, with twenty alternatives a token, are some millions of values. */
const LIMITS = { nesting: 1000, values: 5_000_000 };
/** Shorter texts are parsed in milliseconds, whatever they hold. */
const UNCHECKED = 1_000_000;

/**
 * As `JSON.parse`, or another parser that is as quick.
 * @throws also for what would hold up every other request for seconds
 */
export function parseUpstreamJson(json: string, parse: (json: string) => unknown = JSON.parse): unknown {
  const excess = json.length > UNCHECKED ? excessOf(json, LIMITS) : null;
  if (excess !== null) throw new SyntaxError(excess);
  return parse(json);
}

/** The same; null for what is no JSON, or would take too long. */
export function upstreamJsonOrNull(json: string, parse?: (json: string) => unknown): unknown {
  try {
    return parseUpstreamJson(json, parse);
  } catch {
    return null;
  }
}
