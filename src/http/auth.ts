import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import type { KeyLimits } from '../gateway/runtime.ts';

export interface HashedKey {
  hash: Buffer;
  limits: KeyLimits;
}

/** Keys are kept as hashes only, so that no dump of the process or its log can show one. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/**
 * The key that a request came with; null where the gateway asks for none.
 * @throws GatewayError 401
 */
export function authenticate(request: FastifyRequest, keys: readonly HashedKey[]): KeyLimits | null {
  if (keys.length === 0) return null;
  const match = /^Bearer\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '');
  if (!match) {
    throw unauthorized('No API key was given. Send one of the gateway\'s keys as "Authorization: Bearer …".');
  }
  const hash = hashKey(match[1]);
  // Every key is compared, in constant time: neither the bytes nor the place of a match shows in the duration.
  const found = keys.filter((key) => timingSafeEqual(key.hash, hash))[0];
  if (!found) throw unauthorized('The API key is not one of this gateway.');
  return found.limits;
}

function unauthorized(message: string): GatewayError {
  return new GatewayError(401, message, { type: 'authentication_error', code: 'invalid_api_key' });
}
