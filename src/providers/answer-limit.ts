import type { Readable } from 'node:stream';
import { UpstreamError } from '../domain/errors.ts';
import { excessOf } from '../util/json-limits.ts';

/**
 * The maximum number of bytes, decompressed, that one upstream may make the gateway hold at a time: a whole answer, one
 * event of a stream, or what a stream sends before its first content. Images and audio in an answer take some tens of
 * megabytes. One compressed megabyte may expand to a thousand, and a broken server may never stop sending.
 */
export const MAX_BYTES = 64 * 1024 * 1024;

export function tooLarge(what: string): UpstreamError {
  return new UpstreamError('unreadable', `${what} is longer than ${MAX_BYTES / 1024 / 1024} MB.`);
}

/**
 * Gathers a whole answer, chunk by chunk. Chunks are copied rather than kept: each one would hold on to an object and
 * to the buffer that it was read into, so that a few megabytes in chunks of one byte would exhaust the memory.
 */
export class WholeBody {
  /** The only chunk so far, as received: most answers consist of a single chunk. */
  #first: Buffer | null = null;
  #memory: Buffer = Buffer.alloc(0);
  #length = 0;

  /** @throws UpstreamError `unreadable` for a body that is too large; the gathered bytes are then dropped */
  push(chunk: Buffer): void {
    if (this.#length + chunk.length > MAX_BYTES) {
      [this.#first, this.#memory, this.#length] = [null, Buffer.alloc(0), 0];
      throw tooLarge("The upstream's answer");
    }
    if (this.#length === 0) this.#first = chunk;
    else {
      this.#makeRoom(this.#length + chunk.length);
      chunk.copy(this.#memory, this.#length);
    }
    this.#length += chunk.length;
  }

  bytes(): Buffer {
    return this.#first ?? this.#memory.subarray(0, this.#length);
  }

  #makeRoom(length: number): void {
    if (length <= this.#memory.length) return;
    const before = this.bytes();
    // Twice what is needed, because otherwise each chunk would copy everything before it.
    this.#memory = Buffer.allocUnsafeSlow(Math.min(2 * length, MAX_BYTES));
    before.copy(this.#memory);
    this.#first = null;
  }
}

/**
 * Reads a whole body.
 * @throws UpstreamError `unreadable` for a body that is too large; reading stops there
 */
export async function gathered(body: Readable): Promise<Buffer> {
  const whole = new WholeBody();
  for await (const chunk of body as AsyncIterable<Buffer>) whole.push(chunk);
  return whole.bytes();
}

/** The log probabilities of a long answer, with twenty alternatives per token, consist of some millions of values. */
const LIMITS = { nesting: 1000, values: 5_000_000 };
/** Shorter texts parse in milliseconds, whatever they contain. */
const UNCHECKED = 1_000_000;

/**
 * Like `JSON.parse`, or another parser that is equally fast.
 * @throws SyntaxError also for JSON that would block every other request for seconds
 */
export function parseUpstreamJson(json: string, parse: (json: string) => unknown = JSON.parse): unknown {
  const excess = json.length > UNCHECKED ? excessOf(json, LIMITS) : null;
  if (excess !== null) throw new SyntaxError(excess);
  return parse(json);
}

/** Like `parseUpstreamJson`, but returns null for text that is not JSON or would take too long to parse. */
export function upstreamJsonOrNull(json: string, parse?: (json: string) => unknown): unknown {
  try {
    return parseUpstreamJson(json, parse);
  } catch {
    return null;
  }
}
