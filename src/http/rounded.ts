/** Rounds to six decimals: sums of weights carry rounding errors that nobody wants to read. */
export function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
