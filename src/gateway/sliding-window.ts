const SECOND_MS = 1000;
/** The seconds of the last minute, and the one that runs. */
const SLOTS = 61;

/**
 * Amounts (requests, tokens) of the last minute, kept by the second. A second counts until its last instant is a
 * minute old, so never is more than the limit taken in any 60 seconds; a token bucket would let twice of it through.
 */
export class SlidingWindow {
  readonly #amounts = new Float64Array(SLOTS);
  /** Which second each slot stands for. */
  readonly #seconds = new Float64Array(SLOTS).fill(Number.NEGATIVE_INFINITY);

  /** @param now monotonic milliseconds @returns the second that it was written to, for `adjust` */
  add(amount: number, now: number): number {
    const second = Math.floor(now / SECOND_MS);
    const slot = second % SLOTS;
    if (this.#seconds[slot] !== second) this.#amounts[slot] = 0;
    this.#seconds[slot] = second;
    this.#amounts[slot] += amount;
    return second;
  }

  /** Corrects what was added in a second; nothing, when that is no longer in the window. */
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

  /** Milliseconds until `room` is free under the limit; 0 when it is now, and until the window is empty at the most. */
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

  /** Milliseconds until nothing of the window is left. */
  emptyIn(now: number): number {
    return this.waitFor(Number.POSITIVE_INFINITY, 0, now);
  }

  #amountOf(second: number): number {
    const slot = second % SLOTS;
    return second >= 0 && this.#seconds[slot] === second ? this.#amounts[slot] : 0;
  }
}
