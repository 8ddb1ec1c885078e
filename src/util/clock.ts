/** Time as the program sees it. Injected everywhere, so that tests of time need no sleeps. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. Goes into events. */
  now(): number;
  /** Monotonic clock, milliseconds from an arbitrary start. For durations. */
  monotonic(): number;
  /** Calls `callback` once after `milliseconds`; the returned function cancels it. Never keeps the process alive. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
