import { UpstreamError } from '../domain/errors.ts';
import type { AttemptRecord, Outcome } from '../domain/events.ts';
import type { CallEnd } from '../routing/breaker.ts';

export const RATE_LIMITED = 429;
/**
 * Nothing was sent, because the provider's format cannot express the request or the key's budget does not cover the
 * call.
 */
export const NOT_SENT = 'error';
/** Statuses that a healthy upstream may return: it rejects this particular request, or it is at capacity. */
const HEALTHY_REFUSALS = new Set([400, 413, 422, RATE_LIMITED]);

/**
 * What a call says about its arm's availability. A wrong key or an unknown model makes an arm as useless as one that
 * does not respond, whatever the status.
 * @param error the error that the call failed with
 */
export function callEnd({ result, status, code }: AttemptRecord, error?: unknown): CallEnd {
  if (error instanceof UpstreamError && error.unusable) return 'failed';
  if (error instanceof UpstreamError && error.modelSpecific) return 'unknown';
  if (result === 'ok') return 'ok';
  if (result === 'aborted' || result === 'unread' || result === NOT_SENT || isOutOfDescriptors(code)) return 'unknown';
  return result === 'status' && status !== null && HEALTHY_REFUSALS.has(status) ? 'unknown' : 'failed';
}

/** Whether the call's end shows that its upstream does answer, if only with an error. */
export function hasHeard({ result }: AttemptRecord): boolean {
  return result !== 'timeout' && result !== 'aborted' && result !== NOT_SENT;
}

/** Whether this process has reached its limit of open files or connections, which is not the upstream's fault. */
export function isOutOfDescriptors(code: string | undefined): boolean {
  return code === 'EMFILE' || code === 'ENFILE';
}

/** Statuses with which upstreams refuse a request that is the client's own fault. */
const CLIENT_FAULT_STATUSES = new Set([400, 413, 422]);

/**
 * Whether a request ended in a way that the operator should be warned about: in a failure that the client did not
 * cause.
 * @param status the status that the client got, or null for none
 * @param sawFault whether any call ended as `failed`: upstreams report an exhausted account with a 400 too
 */
export function isForOperator(outcome: Outcome, status: number | null, sawFault: boolean): boolean {
  return outcome === 'interrupted' || (outcome === 'failed' && (sawFault || !CLIENT_FAULT_STATUSES.has(status ?? 0)));
}

/** Describes a failure briefly: `status 401`, `connection ECONNREFUSED`, `timeout`. */
export function describeFailure({ result, status, code }: AttemptRecord): string {
  if (result === 'aborted') return 'no answer before the client left';
  return [result, result === 'status' ? status : code].filter((part) => part != null).join(' ');
}

/**
 * The failed calls, for the log. Undefined when there are none, because the log omits undefined fields and nearly every
 * request makes a single call that succeeds.
 */
export function failuresIn(attempts: readonly AttemptRecord[]) {
  const failed = ({ result }: AttemptRecord) => result !== 'ok' && result !== 'aborted';
  if (!attempts.some(failed)) return undefined;
  return attempts
    .filter(failed)
    .map(({ arm, result, status, code }) => ({ model: arm, failure: result, status, code }));
}
