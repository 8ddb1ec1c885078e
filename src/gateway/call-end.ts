import { UpstreamError } from '../domain/errors.ts';
import type { AttemptRecord, Outcome } from '../domain/events.ts';
import type { CallEnd } from '../routing/breaker.ts';

export const RATE_LIMITED = 429;
/** Nothing was sent: the provider's format cannot express the request, or the key's budget does not cover the call. */
export const NOT_SENT = 'error';
/** Statuses that a healthy upstream returns: it rejects this request, or it is at capacity. */
const HEALTHY_REFUSALS = new Set([400, 413, 422, RATE_LIMITED]);

/**
 * What a call says about its arm's availability. A wrong key or unknown model makes an arm as useless as silence,
 * whatever the status.
 * @param error what the call failed with
 */
export function callEnd({ result, status, code }: AttemptRecord, error?: unknown): CallEnd {
  if (error instanceof UpstreamError && error.unusable) return 'failed';
  if (error instanceof UpstreamError && error.modelSpecific) return 'unknown';
  if (result === 'ok') return 'ok';
  if (result === 'aborted' || result === 'unread' || result === NOT_SENT || isOutOfDescriptors(code)) return 'unknown';
  return result === 'status' && status !== null && HEALTHY_REFUSALS.has(status) ? 'unknown' : 'failed';
}

/** This process has reached its limit of open files or connections, which is not the upstream's fault. */
export function isOutOfDescriptors(code: string | undefined): boolean {
  return code === 'EMFILE' || code === 'ENFILE';
}

/** What clients bring about themselves: an upstream's refusal of what they asked for. */
const CLIENTS_OWN = new Set([400, 413, 422]);

/**
 * Whether a request ended in a way that the operator should be warned of: in a failure that the client did not cause.
 * @param status that the client got, null for none
 * @param sawFault a call ended as `failed`; upstreams report a spent account with a 400 too
 */
export function isForOperator(outcome: Outcome, status: number | null, sawFault: boolean): boolean {
  return outcome === 'interrupted' || (outcome === 'failed' && (sawFault || !CLIENTS_OWN.has(status ?? 0)));
}

/** `status 401`, `connection ECONNREFUSED`, `timeout`. */
export function inWords({ result, status, code }: AttemptRecord): string {
  return [result, result === 'status' ? status : code].filter((part) => part != null).join(' ');
}

/** For the log, which leaves out undefined fields: nearly every request makes one call, and it answers. */
export function failuresIn(attempts: readonly AttemptRecord[]) {
  const failed = ({ result }: AttemptRecord) => result !== 'ok' && result !== 'aborted';
  if (!attempts.some(failed)) return undefined;
  return attempts
    .filter(failed)
    .map(({ arm, result, status, code }) => ({ model: arm, failure: result, status, code }));
}
