import type { Arm } from '../domain/arm.ts';
import { GatewayError, UpstreamError } from '../domain/errors.ts';
import type { AttemptRecord } from '../domain/events.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { Deadline } from './deadline.ts';
import { askedPauseMs, forbidsRetry } from './retry-advice.ts';
import type { Resilience } from './runtime.ts';

const BACKOFF_MS = 250;
/** Usually the client's own fault: no other model would take the request either. `isFinal` knows the exceptions. */
const FINAL_STATUSES = new Set([400, 413, 422]);
/** About the gateway's account at the upstream, or the model's name there. */
const ACCESS_STATUSES = new Set([401, 402, 403, 404]);
/** Failures that a retry may get past. */
const RETRIED_STATUSES = new Set([408, 409, 429]);

export interface Attempt<T> {
  arm: Arm;
  value: T;
  /** Monotonic time of the call. */
  startedAt: number;
  /** Still running, because the answer may yet have to be read. */
  deadline: Deadline;
}

export interface AttemptPlan<T> {
  /** The chosen arm. */
  arm: Arm;
  /** The arms to fall back on, best first. Called once the chosen arm has failed. */
  fallbacks(): readonly Arm[];
  resilience: Resilience;
  /** What ends the first-byte limit: the first byte of a whole answer, or the first content of a stream. */
  awaited: 'byte' | 'content';
  clock: Clock;
  random: Random;
  /** Aborted when the client has left. */
  clientGone: AbortSignal;
  /** Called when an upstream call begins, with the deadline that limits it. */
  onCall(deadline: Deadline): void;
  /** True once no further call may be made because the gateway itself is shutting down. */
  isOver(): boolean;
  /**
   * Makes one call.
   * @param signal aborts the call
   * @param onActivity to be called whenever the upstream sends something
   * @throws UpstreamError; GatewayError for what the arm's upstream cannot express, after which another arm may
   */
  call(arm: Arm, signal: AbortSignal, onActivity: () => void): Promise<T>;
  /** Called after every failed call, with its record and its error. */
  onFailure(record: AttemptRecord, error: unknown): void;
  /** False when the arm is not worth a retry while other arms are left: its breaker is open. */
  mayRetry(arm: Arm): boolean;
}

/**
 * Calls the arms in turn until one answers, each up to 1 + retries times. An error that is the client's own fault
 * ends the loop at once. After a request was too long for one arm, only arms with a larger context window are tried.
 * @throws the last `UpstreamError` or `GatewayError`, or the reason of `clientGone`
 */
export async function attempt<T>(plan: AttemptPlan<T>): Promise<Attempt<T>> {
  // The client left while the query was being embedded: send nothing, so that no call is recorded or charged.
  plan.clientGone.throwIfAborted();
  let shown: unknown;
  let arms: readonly Arm[] = [plan.arm];
  for (let place = 0; place < arms.length; place++) {
    const arm = arms[place];
    for (let retry = 0; retry <= plan.resilience.retries; retry++) {
      let delay: number | null;
      try {
        return await callOnce(plan, arm);
      } catch (error) {
        if (plan.clientGone.aborted || plan.isOver() || isFinal(error)) throw error;
        if (place === 0 && retry === 0) arms = [plan.arm, ...plan.fallbacks()];
        if (isTooLong(error)) arms = arms.filter((other, i) => i <= place || isLarger(other, arm));
        shown = moreTelling(shown, error);
        delay = retryDelay(error, retry, plan);
      }
      if (delay === null) break;
      if (retry === plan.resilience.retries || (arm !== arms.at(-1) && !plan.mayRetry(arm))) break;
      await sleep(delay, plan);
      if (plan.isOver()) throw shown;
    }
  }
  throw shown;
}

/** Which of two failures the client sees; usually the later one. */
function moreTelling(before: unknown, now: unknown): unknown {
  if (!(before instanceof UpstreamError)) return now;
  // A GatewayError only says that one provider's format cannot express the request. An upstream's answer says more.
  if (!(now instanceof UpstreamError)) return before;
  const isRefusal = !isTooLong(now) && !mayStillPass(now);
  // Clients shorten what was too long, but cannot act on a larger model's final refusal. And they try again what may
  // pass, but not when they are told that a key is wrong which is not theirs, or what only the fallback cannot do.
  const isOfFallback = now.unusable || now.modelSpecific || ACCESS_STATUSES.has(now.status);
  return isRefusal && (isTooLong(before) || (isOfFallback && mayStillPass(before))) ? before : now;
}

/** Whether the client may get an answer if it asks again later. Unlike a retry at once, this may get past a timeout. */
function mayStillPass(error: UpstreamError): boolean {
  return mayPass(error) || (error.failure !== 'status' && !error.unusable);
}

/** @throws the error that the call failed with, after `onFailure` was called */
async function callOnce<T>(plan: AttemptPlan<T>, arm: Arm): Promise<Attempt<T>> {
  const startedAt = plan.clock.monotonic();
  const deadline = new Deadline(plan.clock, arm.timeouts, plan.awaited);
  plan.onCall(deadline);
  // By hand, because AbortSignal.any costs as much as a decision.
  const leave = () => deadline.limit.abort(plan.clientGone.reason);
  plan.clientGone.addEventListener('abort', leave);
  try {
    const value = await plan.call(arm, deadline.limit.signal, () => deadline.alive());
    deadline.begun();
    return { arm, value, startedAt, deadline };
  } catch (error) {
    deadline.stop();
    plan.clientGone.removeEventListener('abort', leave);
    deadline.limit.abort(error);
    plan.onFailure(failureRecord(arm, error, plan.clientGone, plan.clock.monotonic() - startedAt), error);
    throw error;
  }
}

/** A `GatewayError` is not final: this provider's format cannot express the request, but another provider's may. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof UpstreamError)) return !(error instanceof GatewayError);
  const isClientsFault = !error.modelSpecific && !error.tooLong && !error.unusable;
  return error.failure === 'status' && FINAL_STATUSES.has(error.status) && isClientsFault;
}

function isTooLong(error: unknown): boolean {
  return error instanceof UpstreamError && error.tooLong && FINAL_STATUSES.has(error.status);
}

/** Compares the configured context windows. An arm without `context_window` would mostly refuse the request again. */
function isLarger({ contextWindow }: Arm, than: Arm): boolean {
  return contextWindow !== null && contextWindow > (than.contextWindow ?? 0);
}

/** Milliseconds to wait before the same arm is retried, or null when another arm should be asked. */
function retryDelay(error: unknown, retry: number, plan: AttemptPlan<unknown>): number | null {
  if (!(error instanceof UpstreamError)) return null;
  if (!mayPass(error) || forbidsRetry(error.retryAdvice)) return null;
  const asked = askedPauseMs(error.retryAdvice, plan.clock.now());
  if (asked !== null) return asked <= plan.resilience.maxRetryAfterMs ? asked : null;
  return BACKOFF_MS * 2 ** retry * (0.5 + plan.random.uniform() / 2);
}

/** Whether a retry of the same call may succeed. */
function mayPass({ failure, status, unusable, modelSpecific }: UpstreamError): boolean {
  if (failure === 'connection') return true;
  return failure === 'status' && !unusable && !modelSpecific && (RETRIED_STATUSES.has(status) || status >= 500);
}

function sleep(milliseconds: number, plan: AttemptPlan<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      cancel();
      reject(plan.clientGone.reason);
    };
    const cancel = plan.clock.after(milliseconds, () => {
      plan.clientGone.removeEventListener('abort', leave);
      resolve();
    });
    plan.clientGone.addEventListener('abort', leave, { once: true });
  });
}

function failureRecord(arm: Arm, error: unknown, clientGone: AbortSignal, durationMs: number): AttemptRecord {
  if (clientGone.aborted) return { arm: arm.id, result: 'aborted', status: null, durationMs };
  if (!(error instanceof UpstreamError)) return { arm: arm.id, result: 'error', status: null, durationMs };
  const status = error.failure === 'status' ? error.status : null;
  return { arm: arm.id, result: error.failure, status, ...(error.code && { code: error.code }), durationMs };
}
