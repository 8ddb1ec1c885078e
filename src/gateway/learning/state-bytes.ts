import { createHash, type Hash } from 'node:crypto';

/** Lines of text before the numbers: key, checksum, JSON. */
const LINES = 3;
const NEWLINE = 10;

/**
 * Encodes a state as bytes that `decodeState` restores bit for bit: key, checksum and JSON, one line each, then the raw
 * numbers of all Float64Arrays. Encoded as text, the numbers of many models would block all requests for half a second.
 * @param key identifies the code and settings that can read the bytes; a single line
 */
export function encodeState(key: string, state: object): Uint8Array {
  const arrays: Uint8Array[] = [];
  let length = 0;
  const json = JSON.stringify(state, (_, value: unknown) => {
    if (!(value instanceof Float64Array)) return value;
    arrays.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    length += value.byteLength;
    return { float64: [length - value.byteLength, length] };
  });
  const hash = begunChecksum(key, json);
  for (const array of arrays) hash.update(array);
  return Buffer.concat([Buffer.from(`${key}\n${hash.digest('hex')}\n${json}\n`), ...arrays]);
}

/**
 * Restores what `encodeState` encoded.
 * @throws Error when the bytes are damaged or were written under another key
 */
export function decodeState<T extends object>(key: string, bytes: Uint8Array): T {
  const lines: string[] = [];
  let at = 0;
  while (lines.length < LINES) {
    const end = bytes.indexOf(NEWLINE, at);
    if (end < 0) throw new Error('it is incomplete');
    lines.push(Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString());
    at = end + 1;
  }
  const [written, checksum, json] = lines;
  const numbers = bytes.subarray(at);
  if (begunChecksum(written, json).update(numbers).digest('hex') !== checksum) {
    throw new Error('its checksum does not match');
  }
  if (written !== key) throw new Error('it was written under another key');
  return JSON.parse(json, (_, value: unknown) => {
    // An arm may be named "float64" too, but its value is never an array.
    if (typeof value !== 'object' || value === null || !('float64' in value) || !Array.isArray(value.float64))
      return value;
    const [from, to] = value.float64;
    // Copy, because the numbers may start at an offset that is not aligned for a Float64Array. `slice` does not copy a
    // Buffer.
    return new Float64Array(Uint8Array.from(numbers.subarray(from, to)).buffer);
  });
}

function begunChecksum(key: string, json: string): Hash {
  return createHash('sha256').update(`${key}\n${json}\n`);
}
