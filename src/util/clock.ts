/** Time as the program sees it. Injected everywhere, so that tests of timing need no sleeps. */
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

/** Resolves after the given time. */
export function pause(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => clock.after(milliseconds, resolve));
}

/**
 * Resolves to true when the work is done in time, otherwise to false; the work continues either way.
 * @throws what the work rejects with within that time
 */
export async function isDoneWithin(clock: Clock, milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  let cancel = () => {};
  const patience = new Promise<false>((resolve) => {
    cancel = clock.after(milliseconds, () => resolve(false));
  });
  return Promise.race([work.then(() => true), patience]).finally(() => cancel());
}
