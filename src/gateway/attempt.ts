import type { Arm } from '../domain/arm.ts';
import { GatewayError, UpstreamError } from '../domain/errors.ts';
import type { AttemptRecord } from '../domain/events.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { Deadline } from './deadline.ts';
import { askedPauseMs, forbidsRetry } from './retry-advice.ts';
import type { Resilience } from './runtime.ts';

const BACKOFF_MS = 250;
/**
 * Usually the client's own fault, so no other model would accept the request either. `isFinal` handles the exceptions.
 */
const FINAL_STATUSES = new Set([400, 413, 422]);
/** Problems with the gateway's account at the upstream, or with the model's name there. */
const ACCESS_STATUSES = new Set([401, 402, 403, 404]);
/** Failures that a retry may overcome. */
const RETRIED_STATUSES = new Set([408, 409, 429]);

export interface Attempt<T> {
  arm: Arm;
  value: T;
  /** Monotonic time at which the call started. */
  startedAt: number;
  /** Still running, because the answer may not have been read yet. */
  deadline: Deadline;
}

export interface AttemptPlan<T> {
  /** The chosen arm. */
  arm: Arm;
  /** Returns the arms to fall back on, best first. Called once the chosen arm has failed. */
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
  /** True when no further call may be made because the gateway itself is shutting down. */
  isShuttingDown(): boolean;
  /**
   * Makes one call.
   * @param signal aborts the call
   * @param onActivity must be called whenever the upstream sends something
   * @throws UpstreamError; GatewayError when the request cannot be expressed for the arm's upstream, in which case
   * another arm may be tried
   */
  call(arm: Arm, signal: AbortSignal, onActivity: () => void): Promise<T>;
  /** Called after every failed call, with its record and its error. */
  onFailure(record: AttemptRecord, error: unknown): void;
  /** Whether the arm is worth a retry while other arms are left. False when its breaker is open. */
  mayRetry(arm: Arm): boolean;
}

/**
 * Calls the arms in turn until one answers, each up to 1 + retries times. An error that is the client's own fault ends
 * the loop at once. Once a request has proved too long for an arm, only arms with a larger context window are tried.
 * @throws the `UpstreamError` or `GatewayError` that the client should see, or the reason of `clientGone`
 */
export async function attempt<T>(plan: AttemptPlan<T>): Promise<Attempt<T>> {
  // The client may have left while the query was being embedded: then send nothing, so that no call is recorded or
  // charged.
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
        if (plan.clientGone.aborted || plan.isShuttingDown() || isFinal(error)) throw error;
        if (place === 0 && retry === 0) arms = [plan.arm, ...plan.fallbacks()];
        if (isTooLong(error)) arms = arms.filter((other, i) => i <= place || isLarger(other, arm));
        shown = moreTelling(shown, error);
        delay = retryDelay(error, retry, plan);
      }
      if (delay === null) break;
      if (retry === plan.resilience.retries || (arm !== arms.at(-1) && !plan.mayRetry(arm))) break;
      await sleep(delay, plan);
      if (plan.isShuttingDown()) throw shown;
    }
  }
  throw shown;
}

/** Chooses which of two failures the client sees; usually the later one. */
function moreTelling(before: unknown, now: unknown): unknown {
  if (!(before instanceof UpstreamError)) return now;
  // A GatewayError only says that one provider's format cannot express the request. An upstream's answer says more.
  if (!(now instanceof UpstreamError)) return before;
  const isRefusal = !isTooLong(now) && !mayStillPass(now);
  // A client can shorten a request that was too long, but can do nothing about the final refusal of a larger model. It
  // also retries a failure that may pass, but not one that blames a key it does not own, or a limitation that only the
  // fallback has.
  const isOfFallback = now.unusable || now.modelSpecific || ACCESS_STATUSES.has(now.status);
  return isRefusal && (isTooLong(before) || (isOfFallback && mayStillPass(before))) ? before : now;
}

/**
 * Whether asking again later may succeed. Unlike `mayPass`, which is about an immediate retry, this includes timeouts.
 */
function mayStillPass(error: UpstreamError): boolean {
  return mayPass(error) || (error.failure !== 'status' && !error.unusable);
}

/** @throws the error that the call failed with, after calling `onFailure` */
async function callOnce<T>(plan: AttemptPlan<T>, arm: Arm): Promise<Attempt<T>> {
  const startedAt = plan.clock.monotonic();
  const deadline = new Deadline(plan.clock, arm.timeouts, plan.awaited);
  plan.onCall(deadline);
  // Wired by hand, because AbortSignal.any costs as much time as a whole decision.
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

/** Compares the configured context windows. An arm without `context_window` would usually refuse the request too. */
function isLarger({ contextWindow }: Arm, than: Arm): boolean {
  return contextWindow !== null && contextWindow > (than.contextWindow ?? 0);
}

/** Milliseconds to wait before retrying the same arm, or null if the next arm should be asked instead. */
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
