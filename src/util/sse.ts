/** One server-sent event: its bytes as received, blank line included, and its decoded `data`. */
export interface RawSseEvent {
  raw: Uint8Array;
  /** The `event:` field, or null. */
  event: string | null;
  /** The `data:` lines joined by line breaks; null for a comment or an event without data. */
  data: string | null;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const EMPTY = new Uint8Array(0);

export class EventTooLong extends Error {}

/**
 * Cuts a byte stream into server-sent events (WHATWG HTML § 9.2) without changing a byte: the `raw` parts of all events
 * and of `flush()`, joined, equal the input. A library decoder returns only the data, but passing a stream through byte
 * for byte needs the bytes as well.
 */
export class SseSplitter {
  readonly #mostBytes: number;
  /** The part of an unfinished event that has arrived: in `#memory`, or a chunk as received. */
  #pending: Uint8Array = EMPTY;
  /** Allocated twice as large as needed each time, because otherwise a long event would be copied with every chunk. */
  #memory: Uint8Array = EMPTY;
  /** No event ends before this offset. */
  #scanned = 0;

  /** @param mostBytes maximum size of one event; Infinity: no limit */
  constructor(mostBytes = Number.POSITIVE_INFINITY) {
    this.#mostBytes = mostBytes;
  }

  /** @throws EventTooLong */
  push(chunk: Uint8Array): RawSseEvent[] {
    this.#append(chunk);
    const events: RawSseEvent[] = [];
    let start = 0;
    for (;;) {
      const end = this.#findEventEnd(start);
      if (end < 0) break;
      events.push(parseEvent(this.#pending.subarray(start, end)));
      start = end;
      this.#scanned = end;
    }
    this.#pending = this.#pending.subarray(start);
    this.#scanned = Math.max(0, this.#scanned - start);
    if (this.#pending.length > this.#mostBytes) {
      throw new EventTooLong(`An event of the stream is longer than ${this.#mostBytes} bytes.`);
    }
    return events;
  }

  /** Returns what is left when the stream has ended without a final blank line. */
  flush(): RawSseEvent | null {
    if (this.#pending.length === 0) return null;
    const event = parseEvent(this.#pending);
    this.#pending = EMPTY;
    this.#scanned = 0;
    return event;
  }

  #append(chunk: Uint8Array): void {
    const { length } = this.#pending;
    if (length === 0) {
      this.#pending = chunk;
      return;
    }
    let start = this.#pending.buffer === this.#memory.buffer ? this.#pending.byteOffset - this.#memory.byteOffset : -1;
    if (start < 0 || start + length + chunk.length > this.#memory.length) {
      this.#memory = Buffer.allocUnsafeSlow(2 * (length + chunk.length));
      this.#memory.set(this.#pending);
      start = 0;
    }
    // Events already returned lie before the pending bytes, so none of their bytes are overwritten.
    this.#memory.set(chunk, start + length);
    this.#pending = this.#memory.subarray(start, start + length + chunk.length);
  }

  /** Offset just past the first blank line at or after `start`, or −1 when more bytes are needed. */
  #findEventEnd(start: number): number {
    const bytes = this.#pending;
    let position = nextLineBreak(bytes, Math.max(start, this.#scanned));
    while (position < bytes.length) {
      const next = position + lineBreakLength(bytes, position);
      // A carriage return at the very end may be the first half of a line break: wait for the next chunk.
      if (next >= bytes.length || (bytes[next] === CARRIAGE_RETURN && next + 1 >= bytes.length)) break;
      const second = lineBreakLength(bytes, next);
      if (second > 0) return next + second;
      position = nextLineBreak(bytes, next);
    }
    this.#scanned = position;
    return -1;
  }
}

/** Lines up to this length are searched faster byte by byte than by native code. */
const SHORT_LINE = 200;

/** Offset of the first line break at or after `from`; the length when there is none. */
function nextLineBreak(bytes: Uint8Array, from: number): number {
  const near = Math.min(bytes.length, from + SHORT_LINE);
  for (let i = from; i < near; i++) if (bytes[i] === LINE_FEED || bytes[i] === CARRIAGE_RETURN) return i;
  if (near === bytes.length) return near;
  const feed = bytes.indexOf(LINE_FEED, near);
  const end = feed < 0 ? bytes.length : feed;
  const carriageReturn = bytes.subarray(near, end).indexOf(CARRIAGE_RETURN);
  return carriageReturn < 0 ? end : near + carriageReturn;
}

function lineBreakLength(bytes: Uint8Array, at: number): number {
  if (bytes[at] === LINE_FEED) return 1;
  if (bytes[at] !== CARRIAGE_RETURN) return 0;
  return bytes[at + 1] === LINE_FEED ? 2 : 1;
}

const decoder = new TextDecoder();

function parseEvent(raw: Uint8Array): RawSseEvent {
  const data: string[] = [];
  let event: string | null = null;
  for (const line of decoder.decode(raw).split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') data.push(value);
    else if (field === 'event') event = value;
  }
  return { raw, event, data: data.length > 0 ? data.join('\n') : null };
}

const encoder = new TextEncoder();

/** A `data:` event that carries `value` as JSON. */
export function sseData(value: unknown): Uint8Array {
  return encoder.encode(`data: ${JSON.stringify(value)}\n\n`);
}

export const SSE_DONE: Uint8Array = encoder.encode('data: [DONE]\n\n');
