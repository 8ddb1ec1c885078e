const SECOND_MS = 1000;
/** The last 60 full seconds, and the current one. */
const SLOTS = 61;

/**
 * Amounts (requests, tokens) of the last minute, counted per second. A second counts until its last instant is a minute
 * old, so no 60 seconds ever exceed the limit; a token bucket would let through twice as much.
 */
export class SlidingWindow {
  readonly #amounts = new Float64Array(SLOTS);
  /** The second that each slot stands for. */
  readonly #seconds = new Float64Array(SLOTS).fill(Number.NEGATIVE_INFINITY);

  /**
   * Adds an amount.
   * @param now monotonic milliseconds
   * @returns the second that the amount was added to, for `adjust`
   */
  add(amount: number, now: number): number {
    const second = Math.floor(now / SECOND_MS);
    const slot = second % SLOTS;
    if (this.#seconds[slot] !== second) this.#amounts[slot] = 0;
    this.#seconds[slot] = second;
    this.#amounts[slot] += amount;
    return second;
  }

  /** Corrects an amount that was added in the given second. Does nothing once that second has left the window. */
  adjust(second: number, difference: number): void {
    const slot = second % SLOTS;
    if (this.#seconds[slot] === second) this.#amounts[slot] += difference;
  }

  used(now: number): number {
    const last = Math.floor(now / SECOND_MS);
    let used = 0;
    for (let second = last - SLOTS + 1; second <= last; second++) used += this.#amountOf(second);
    return used;
  }

  /**
   * Milliseconds until `room` is free under the limit: 0 if it is free now, and never longer than until the window is
   * empty.
   */
  waitFor(room: number, limit: number, now: number): number {
    const last = Math.floor(now / SECOND_MS);
    let used = this.used(now);
    let wait = 0;
    for (let second = last - SLOTS + 1; second <= last && used + room > limit; second++) {
      const amount = this.#amountOf(second);
      if (amount === 0) continue;
      used -= amount;
      wait = (second + SLOTS) * SECOND_MS - now;
    }
    return wait;
  }

  /** Milliseconds until the window is empty. */
  emptyIn(now: number): number {
    return this.waitFor(Number.POSITIVE_INFINITY, 0, now);
  }

  #amountOf(second: number): number {
    const slot = second % SLOTS;
    return second >= 0 && this.#seconds[slot] === second ? this.#amounts[slot] : 0;
  }
}
