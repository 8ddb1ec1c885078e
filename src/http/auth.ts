import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import type { KeyLimits } from '../gateway/runtime.ts';
import { isLoopback } from '../util/loopback.ts';

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
 * @param corsOrigins whose pages may use a gateway without keys, whatever name they call it by
 * @throws GatewayError 401, or 403 for a page that was made to look like one of this machine's
 */
export function authenticate(
  request: FastifyRequest,
  keys: readonly HashedKey[],
  corsOrigins: readonly string[] = [],
): KeyLimits | null {
  if (keys.length === 0) {
    refuseRebound(request, corsOrigins);
    return null;
  }
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

/**
 * Who may change the models, and read /metrics where that needs a key: keys with the role `admin`. A gateway on
 * loopback without any keys also accepts requests from this machine. Not one with keys: it may stand behind a proxy on
 * this machine that sends no forwarding headers, and strangers would be admins. (/metrics on loopback takes that risk.)
 * @param exposed the gateway listens beyond loopback
 * @throws GatewayError 401 without a key, 403 with one that is no admin's
 */
export function authenticateAdmin(
  request: FastifyRequest,
  keys: readonly HashedKey[],
  exposed: boolean,
): KeyLimits | null {
  if (!exposed && keys.length === 0 && isFromThisMachine(request)) return null;
  const key = authenticate(request, keys);
  if (key?.role === 'admin') return key;
  throw new GatewayError(403, 'This needs a key with "role: admin" in the config\'s auth.keys.', {
    type: 'permission_error',
    code: 'admin_required',
  });
}

/**
 * Whether a program on this machine asks, as far as the headers tell. Not a proxy here, which forwards strangers'
 * requests, and not a web page open in a browser here; a page that uses DNS rebinding shows by its host name.
 */
export function isFromThisMachine({ headers }: FastifyRequest): boolean {
  const forwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined);
  const site = headers['sec-fetch-site'];
  const samePage = site === undefined || site === 'same-origin' || site === 'none';
  return !forwarded && samePage && isOwnOrigin(headers) && isLoopback(hostName(headers));
}

/**
 * Any page may have its own name lead to this machine (DNS rebinding): its browser then takes the gateway for the page's
 * own server, and the page could spend the operator's money and read the answers. Clients that are no pages tell neither
 * origin nor referrer; a page may hide what it is: Firefox then says `null`, and of a GET a browser may tell neither.
 * @throws GatewayError 403
 */
function refuseRebound({ headers }: FastifyRequest, corsOrigins: readonly string[]): void {
  const page = headers.origin ?? originOf(headers.referer);
  if (page === undefined || corsOrigins.includes(page) || isOwnName(hostName(headers))) return;
  throw new GatewayError(
    403,
    `A page of ${headers.host} asks. Without auth.keys in the config the gateway serves no pages but those of this machine.`,
    { type: 'permission_error', code: 'foreign_page' },
  );
}

/** Browsers have names below `localhost` lead to this machine alone. */
function isOwnName(host: string): boolean {
  const name = host.toLowerCase();
  return isLoopback(name) || name.endsWith('.localhost');
}

function originOf(page: string | undefined): string | undefined {
  return page !== undefined && URL.canParse(page) ? new URL(page).origin : page;
}

function hostName({ host }: FastifyRequest['headers']): string {
  return (host ?? '').replace(/:\d+$/, '');
}

/** Older browsers tell where a page is from in `origin` alone, which is `null` for a page that hides it. */
function isOwnOrigin({ origin, host }: FastifyRequest['headers']): boolean {
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}

function unauthorized(message: string): GatewayError {
  return new GatewayError(401, message, { code: 'invalid_api_key' });
}
