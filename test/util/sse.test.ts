import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RawSseEvent, SSE_DONE, SseSplitter, sseData } from '../../src/util/sse.ts';

/** All events of a stream, and all bytes that came out. */
function split(parts: readonly Uint8Array[]): { events: RawSseEvent[]; raw: Buffer } {
  const splitter = new SseSplitter();
  const events = parts.flatMap((part) => splitter.push(part));
  const rest = splitter.flush();
  if (rest) events.push(rest);
  return { events, raw: Buffer.concat(events.map((event) => event.raw)) };
}

function oracle(text: string): { event: string | null; data: string }[] {
  const events: { event: string | null; data: string }[] = [];
  const parser = createParser({ onEvent: ({ event, data }) => events.push({ event: event ?? null, data }) });
  parser.feed(text);
  return events;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

const value = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  // No line breaks, and no byte order mark, which decoders drop.
  .map((text) => text.replace(/[\r\n\uFEFF]/g, '·'));
const line = fc.oneof(
  { weight: 4, arbitrary: value.map((text) => `data: ${text}`) },
  value.map((text) => `data:${text}`),
  value.map((text) => `: ${text}`),
  // From 200 bytes on, lines are searched in another way.
  fc
    .oneof(fc.integer({ min: 192, max: 196 }), fc.integer({ min: 0, max: 450 }))
    .map((length) => `data: ${'x'.repeat(length)}`),
  fc.constantFrom('data', 'event: message_start', 'event:delta', 'id: 7', 'unknown: field'),
);
const newline = fc.constantFrom('\n', '\r\n', '\r');
const event = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 5 }), newline)
  .map(([lines, end]) => `${lines.join(end)}${end}${end}`);
const stream = fc.array(event, { maxLength: 8 }).map((events) => events.join(''));
const places = fc.array(fc.nat({ max: 2_000 }), { maxLength: 40 });

describe('SseSplitter', () => {
  it('reads the same events as a full decoder, however the bytes are split, and changes no byte', () => {
    fc.assert(
      fc.property(stream, places, (text, cuts) => {
        const bytes = Buffer.from(text);
        const { events, raw } = split(cut(bytes, cuts));
        expect(raw.equals(bytes)).toBe(true);
        const withData = events.filter((item) => item.data !== null).map(({ event, data }) => ({ event, data }));
        // The oracle waits for more after a final carriage return; a comment makes it continue.
        expect(withData).toEqual(oracle(`${text}:\n`));
      }),
      { numRuns: 500 },
    );
  });

  it('returns any bytes unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), places, (bytes, cuts) => {
        expect(split(cut(bytes, cuts)).raw.equals(bytes)).toBe(true);
      }),
    );
  });

  it('does not change events it has returned while it continues', () => {
    fc.assert(
      fc.property(stream, places, (text, cuts) => {
        const splitter = new SseSplitter();
        const given = cut(Buffer.from(text), cuts).flatMap((part) => splitter.push(Buffer.from(part)));
        const then = given.map(({ raw }) => Buffer.from(raw).toString());
        for (let i = 0; i < 50; i++) splitter.push(Buffer.from('x'.repeat(40)));
        expect(given.map(({ raw }) => Buffer.from(raw).toString())).toEqual(then);
      }),
    );
  });

  it('returns an event as soon as its blank line is complete', () => {
    const splitter = new SseSplitter();
    expect(splitter.push(Buffer.from('data: a\n'))).toHaveLength(0);
    expect(splitter.push(Buffer.from('\n'))).toMatchObject([{ data: 'a' }]);
    expect(splitter.push(Buffer.from('data: b\r\n\r\ndata'))).toMatchObject([{ data: 'b' }]);
    expect(splitter.flush()).toMatchObject({ data: '' });
    // The line feed that follows belongs to the blank line, and does not start the next event.
    expect(splitter.push(Buffer.from('data: c\r\r'))).toHaveLength(0);
    expect(splitter.push(Buffer.from('\n:'))).toMatchObject([{ data: 'c', raw: Buffer.from('data: c\r\r\n') }]);
    splitter.flush();
    expect(splitter.flush()).toBeNull();
  });

  it('limits the size of an event', () => {
    const splitter = new SseSplitter(8);
    expect(splitter.push(Buffer.from('data: a\n\ndata: bc'))).toHaveLength(1);
    expect(() => splitter.push(Buffer.from('d'))).toThrow('longer than 8 bytes');
    expect(() => new SseSplitter(8).push(Buffer.from('\n\ndata: b\na'))).toThrow('longer than 8 bytes');
  });

  it('writes events that decoders can read', () => {
    const text = Buffer.concat([sseData({ text: 'zwei\nZeilen 👍' }), SSE_DONE]).toString();
    expect(oracle(text).map(({ data }) => data)).toEqual(['{"text":"zwei\\nZeilen 👍"}', '[DONE]']);
  });
});
