import { createHash } from 'node:crypto';

/** A state as text that `decodeState` gives back to the bit. @param key of what can read it */
export function encodeState(key: string, state: object): string {
  const body = JSON.stringify(state, floatsToBase64);
  return JSON.stringify({ key, checksum: checksum(body), body });
}

/** @returns null when the text was written under another key @throws Error when it is damaged */
export function decodeState<T extends object>(key: string, text: string): T | null {
  const { key: written, checksum: expected, body } = JSON.parse(text);
  if (written !== key) return null;
  if (checksum(body) !== expected) throw new Error('its checksum does not match');
  return JSON.parse(body, floatsFromBase64);
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function floatsToBase64(_: string, value: unknown): unknown {
  if (!(value instanceof Float64Array)) return value;
  return { float64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
}

function floatsFromBase64(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('float64' in value)) return value;
  return new Float64Array(Uint8Array.from(Buffer.from(String(value.float64), 'base64')).buffer);
}
