import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.ts';
import type { KeyLimits } from '../gateway/runtime.ts';
import { isLoopback } from '../util/loopback.ts';

export interface HashedKey {
  hash: Buffer;
  limits: KeyLimits;
}

/** Keys are kept only as hashes, so that no dump of the process or its log can reveal one. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/**
 * Returns the limits of the key that a request came with; null where the gateway requires no key.
 * @param corsOrigins origins whose pages may use a gateway without keys, whatever host name they call it by
 * @throws GatewayError 401, or 403 for a page that poses as one from this machine
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
  // Every key is compared, in constant time: the duration reveals neither the bytes nor the position of a match.
  const found = keys.filter((key) => timingSafeEqual(key.hash, hash))[0];
  if (!found) throw unauthorized('The gateway does not know this API key.');
  return found.limits;
}

/**
 * Refuses a request that may not change the models, or may not read /metrics where that needs a key. Such a request
 * needs a key with the role `admin`; its key is set as the request's `gatewayKey`. A gateway on loopback without any
 * keys also accepts requests from this machine. A gateway with keys does not: it may be behind a proxy on this machine
 * that sends no forwarding headers, which would turn strangers into admins. (/metrics on loopback takes that risk.)
 * @param exposed whether the gateway listens beyond loopback
 * @throws GatewayError 401 without a key, 403 with a key that is not an admin's
 */
export function authenticateAdmin(request: FastifyRequest, keys: readonly HashedKey[], exposed: boolean): void {
  if (!exposed && keys.length === 0 && isFromThisMachine(request)) return;
  const key = authenticate(request, keys);
  // Set even if the request is then refused, so that the log shows which key it was.
  request.gatewayKey = key;
  if (key?.role === 'admin') return;
  throw new GatewayError(403, 'This needs a key with "role: admin" in the config\'s auth.keys.', {
    type: 'permission_error',
    code: 'admin_required',
  });
}

/**
 * Whether the request comes from a program on this machine, as far as the headers tell, rather than from a proxy here
 * that forwards strangers' requests or from a web page open in a browser here. A page that uses DNS rebinding is
 * recognised by its host name.
 */
export function isFromThisMachine({ headers }: FastifyRequest): boolean {
  const forwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined);
  const site = headers['sec-fetch-site'];
  const samePage = site === undefined || site === 'same-origin' || site === 'none';
  return !forwarded && samePage && isOwnOrigin(headers) && isLoopback(hostName(headers));
}

/**
 * Refuses pages that use DNS rebinding. Any page can make its own host name resolve to this machine: the browser then
 * takes the gateway for the page's own server, and the page could spend the operator's money and read the answers.
 * Clients that are not pages send neither an origin nor a referrer. A page can hide its origin: Firefox then sends
 * `null`, and for a GET a browser may send neither header.
 * @throws GatewayError 403
 */
function refuseRebound({ headers }: FastifyRequest, corsOrigins: readonly string[]): void {
  const page = headers.origin ?? originOf(headers.referer);
  if (page === undefined || corsOrigins.includes(page) || isOwnName(hostName(headers))) return;
  throw new GatewayError(
    403,
    `A web page called this gateway by the host name ${headers.host}. Without auth.keys, the gateway serves web pages only under a name of this machine.`,
    { type: 'permission_error', code: 'foreign_page' },
  );
}

/** Browsers resolve host names under `localhost` to this machine only. */
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

/** Older browsers reveal where a page comes from only in `origin`, which is `null` for a page that hides it. */
function isOwnOrigin({ origin, host }: FastifyRequest['headers']): boolean {
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}

function unauthorized(message: string): GatewayError {
  return new GatewayError(401, message, { code: 'invalid_api_key' });
}
