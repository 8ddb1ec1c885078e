import type { Clock } from '../util/clock.ts';

/** What a refusal without `retry-after` is taken to ask for, doubled by each further one in a row. */
const FIRST_WAIT_MS = 1000;
const MAX_GUESS_MS = 60_000;
/** However long an upstream asks for, its word is put to the test again after this time. */
const MAX_WAIT_MS = 600_000;

interface Limit {
  /** Monotonic time from which calls are expected to be taken again. */
  until: number;
  refusals: number;
  /** Monotonic time of the latest refusal. */
  refusedAt: number;
}

/**
 * Arms whose upstream said "not now", and for how long. Routing sees the rest of that time as expected wait. Lives in
 * one process: each gateway is refused for itself.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #limits = new Map<string, Limit>();
  readonly #forgottenAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The arm refused a call. Calls that were under way together are one refusal, not several in a row.
   * @param retryAfterMs that it asked for; null when it did not say @param startedAt monotonic time of the call
   */
  refused(arm: string, retryAfterMs: number | null, startedAt: number): void {
    if (startedAt < (this.#forgottenAt.get(arm) ?? Number.NEGATIVE_INFINITY)) return;
    const before = this.#limits.get(arm);
    const inARow = !before || startedAt >= before.refusedAt;
    const refusals = (before?.refusals ?? 0) + Number(inARow);
    const guess = Math.min(MAX_GUESS_MS, FIRST_WAIT_MS * 2 ** (refusals - 1));
    const until = this.#clock.monotonic() + Math.min(MAX_WAIT_MS, retryAfterMs ?? guess);
    // Of several refusals under way the longest counts: a later, shorter one may have been sent before it.
    const refusedAt = this.#clock.monotonic();
    this.#limits.set(arm, { until: Math.max(until, before?.until ?? 0), refusals, refusedAt });
  }

  /** The arm took a call: nothing is left of a limit, unless it was set after the call had begun. */
  served(arm: string, startedAt: number): void {
    const limit = this.#limits.get(arm);
    if (limit && startedAt >= limit.refusedAt) this.#limits.delete(arm);
  }

  /** The arm is gone, or another upstream stands behind it: calls that began before say nothing of it any more. */
  forget(arm: string): void {
    this.#limits.delete(arm);
    this.#forgottenAt.set(arm, this.#clock.monotonic());
  }

  /** Seconds until a call is expected to be taken; 0 for an arm without a limit. */
  waitSeconds(arm: string): number {
    const limit = this.#limits.get(arm);
    return limit ? Math.max(0, limit.until - this.#clock.monotonic()) / 1000 : 0;
  }
}
