import { pipeline, Readable, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { UpstreamError } from '../domain/errors.ts';
import { gathered } from './answer-limit.ts';

/** The same limit as in undici's fetch. A header can name thousands of encodings, and each needs a decoder. */
const MAX_ENCODINGS = 5;

/** Lenient: decoded bytes are passed on at once, and a missing end is not an error. */
const LENIENT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const LENIENT_BROTLI = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };

const DECODERS: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', () => createGunzip(LENIENT)],
  ['x-gzip', () => createGunzip(LENIENT)],
  ['deflate', () => createInflate(LENIENT)],
  ['br', () => createBrotliDecompress(LENIENT_BROTLI)],
  ['zstd', () => createZstdDecompress()],
]);

/**
 * Decodes a body, undoing the encodings in reverse order. The gateway never asks for compression, but some servers
 * compress all the same. Unknown names are ignored, because some servers put a name of their own on bodies that they do
 * not encode.
 * @throws UpstreamError `unreadable` for a body with too many encodings
 */
export function decoded(body: Readable, encodings: string | string[] | undefined): Readable {
  if (encodings === undefined) return body;
  const names = String(encodings).toLowerCase().split(',').reverse();
  if (names.length > MAX_ENCODINGS)
    throw new UpstreamError('unreadable', "The upstream's answer has too many encodings.");
  const decoders = names.map((name) => DECODERS.get(name.trim())).filter((decoder) => decoder !== undefined);
  // A failure surfaces where the decoded stream is read.
  return decoders.reduce((stream, decoder) => pipeline(stream, decoder(), () => {}), body);
}

/** Like `decoded`, for a whole body. Without encodings it returns the body itself, not a promise. */
export function wholeOf(body: Buffer, encodings: string | string[] | undefined): Buffer | Promise<Buffer> {
  if (encodings === undefined) return body;
  return gathered(decoded(Readable.from([body]), encodings));
}

/** Recognises zlib's errors for a body that is not encoded as its `content-encoding` says. */
export function isDecodingError(error: unknown): error is Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(Z_|ERR__ERROR_|ZSTD_error_)/.test(code);
}
