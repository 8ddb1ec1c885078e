/** The name that is no model's: the gateway chooses. `auto:…` tells the weight as well, by a number or a name. */
export const AUTO = 'auto';
const BEFORE_WEIGHT = `${AUTO}:`;

/** Whether the name asks for routing, whatever it says of the weight. */
export function standsForRouting(name: string): boolean {
  return name === AUTO || name.startsWith(BEFORE_WEIGHT);
}

/** What stands behind `auto:`; null where there is no such thing. */
export function weightIn(name: string): string | null {
  return name.startsWith(BEFORE_WEIGHT) ? name.slice(BEFORE_WEIGHT.length) : null;
}

/**
 * A weight written as a plain decimal number, perhaps outside of [0, 1]; not a number for anything else. In linear time:
 * clients may write megabytes of digits.
 */
export function numericWeight(text: string): number {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
}
