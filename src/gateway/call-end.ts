import { UpstreamError } from '../domain/errors.ts';
import type { AttemptRecord } from '../domain/events.ts';
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
