import type { Clock } from '../util/clock.ts';

/** The assumed pause after a refusal without `retry-after`; doubled with each further consecutive refusal. */
const FIRST_WAIT_MS = 1000;
const MAX_GUESS_MS = 60_000;
/** However long a pause an upstream asks for, it is tried again after this time. */
const MAX_WAIT_MS = 600_000;

interface Limit {
  /** Monotonic time from which calls are expected to be accepted again. */
  until: number;
  /** Monotonic time until which the upstream itself said that it would refuse calls; 0 if it named none. */
  askedUntil: number;
  refusals: number;
  /** Monotonic time of the latest refusal. */
  refusedAt: number;
}

/**
 * Arms whose upstream said "not now", and for how long. Routing counts the rest of that time as expected wait, and
 * leaves out an arm whose upstream asked for a longer pause than a call may wait, because the call would only be
 * refused. Each process has its own limits, because each gateway is refused separately.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #limits = new Map<string, Limit>();
  readonly #forgottenAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Notes that the arm refused a call. Refusals of calls that were running at the same time count as one, not as
   * several in a row.
   * @param retryAfterMs the pause that the upstream asked for; null if it named none
   * @param startedAt monotonic time at which the call started
   */
  refused(arm: string, retryAfterMs: number | null, startedAt: number): void {
    if (startedAt < (this.#forgottenAt.get(arm) ?? Number.NEGATIVE_INFINITY)) return;
    const before = this.#limits.get(arm);
    const inARow = !before || startedAt >= before.refusedAt;
    const refusals = (before?.refusals ?? 0) + Number(inARow);
    const guess = Math.min(MAX_GUESS_MS, FIRST_WAIT_MS * 2 ** (refusals - 1));
    const until = this.#clock.monotonic() + Math.min(MAX_WAIT_MS, retryAfterMs ?? guess);
    // Of several refusals of simultaneous calls the longest counts: a shorter one that arrives later may have been sent
    // earlier.
    const refusedAt = this.#clock.monotonic();
    // The pause named to a later call replaces the one named to an earlier call.
    const isLater = before !== undefined && startedAt > before.refusedAt;
    const kept = isLater && retryAfterMs !== null ? undefined : before;
    const askedUntil = Math.max(retryAfterMs === null ? 0 : until, kept?.askedUntil ?? 0);
    this.#limits.set(arm, { until: Math.max(until, kept?.until ?? 0), askedUntil, refusals, refusedAt });
  }

  /** Notes that the arm accepted a call. This lifts a limit, unless the limit was set after the call had begun. */
  served(arm: string, startedAt: number): void {
    const limit = this.#limits.get(arm);
    if (limit && startedAt >= limit.refusedAt) this.#limits.delete(arm);
  }

  /** Forgets an arm that is gone or has another upstream: calls that began before no longer say anything about it. */
  forget(arm: string): void {
    this.#limits.delete(arm);
    this.#forgottenAt.set(arm, this.#clock.monotonic());
  }

  /** Seconds until a call is expected to be accepted; 0 for an arm without a limit. */
  waitSeconds(arm: string): number {
    const limit = this.#limits.get(arm);
    return limit ? Math.max(0, limit.until - this.#clock.monotonic()) / 1000 : 0;
  }

  /**
   * Why a call now would be refused for longer than it can wait, phrased for the client; null when it may be made. Only
   * a pause that the upstream itself asked for is a reason, not a guessed one.
   * @param patienceS seconds that a call may wait
   */
  reason(arm: string, patienceS: number): string | null {
    const limit = this.#limits.get(arm);
    const seconds = limit ? (limit.askedUntil - this.#clock.monotonic()) / 1000 : 0;
    return seconds > patienceS ? `its upstream asked for a pause of another ${Math.ceil(seconds)} s` : null;
  }

  /** True when every arm that was refused has been served since. */
  get none(): boolean {
    return this.#limits.size === 0;
  }
}
