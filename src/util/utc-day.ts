export const DAY_MS = 86_400_000;

/**
 * Number of the UTC day since the epoch.
 * @param time milliseconds since the epoch
 */
export function dayOf(time: number): number {
  return Math.floor(time / DAY_MS);
}

/**
 * Milliseconds until midnight UTC.
 * @param now milliseconds since the epoch
 */
export function leftOfDayMs(now: number): number {
  return DAY_MS - (now % DAY_MS);
}
