/** Model name that lets the gateway choose. `auto:…` also gives the weight, as a number or a name. */
export const AUTO = 'auto';
const BEFORE_WEIGHT = `${AUTO}:`;

/** True when the name asks for routing, with or without a weight. */
export function standsForRouting(name: string): boolean {
  return name === AUTO || name.startsWith(BEFORE_WEIGHT);
}

/** The part after `auto:`; null for any other name. */
export function weightIn(name: string): string | null {
  return name.startsWith(BEFORE_WEIGHT) ? name.slice(BEFORE_WEIGHT.length) : null;
}

/**
 * Parses a weight written as a decimal number, with or without an exponent (Python writes 0.00001 as 1e-05). The result
 * may be outside [0, 1]; it is NaN for any other text. Takes linear time, because clients may send megabytes of digits.
 */
export function numericWeight(text: string): number {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}
