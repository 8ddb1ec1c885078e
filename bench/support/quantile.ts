/**
 * The value below or at which the given share of all values lies.
 * @param values at least one
 * @param share in [0, 1]
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))];
}
