import { type Random, shuffled } from '../../util/random.ts';

/** The random choices from which the texts are made. Equal seeds give equal texts. */
export interface Draw {
  /**
   * One of the items, all equally likely.
   * @param items at least one
   */
  pick<T>(items: readonly T[]): T;
  /**
   * `count` different items in random order.
   * @param count at most the number of items
   */
  some<T>(items: readonly T[], count: number): T[];
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** An amount with two decimals, e.g. `12.40`. */
  money(low: number, high: number): string;
  /**
   * True with probability `p`.
   * @param p 0..1
   */
  chance(p: number): boolean;
}

export function drawFrom(random: Random): Draw {
  const int = (low: number, high: number) => low + Math.floor(random.uniform() * (high - low + 1));
  return {
    int,
    pick: (items) => items[int(0, items.length - 1)],
    some: (items, count) => shuffled(items, random).slice(0, count),
    money: (low, high) => (int(low * 20, high * 20) / 20).toFixed(2),
    chance: (p) => random.uniform() < p,
  };
}
