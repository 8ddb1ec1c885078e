import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, endOfString, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './json-edit.ts';

export interface JsonLimits {
  nesting: number;
  /** Total number of members and elements of all objects and arrays. */
  values: number;
  /** Members of the outermost object, or elements of the outermost array; absent: the same limit as for values. */
  members?: number;
}

/** For everything that a client sends at once. A long conversation with many tools has some thousands of values. */
export const REQUEST_LIMITS: JsonLimits = { nesting: 200, values: 200_000 };

/** A body's members are iterated over several times, and by name. OpenAI documents some forty. */
export const BODY_LIMITS: JsonLimits = { ...REQUEST_LIMITS, members: 1000 };

/**
 * Says why a text must not be parsed; null when it may be. Parsing 30 MB of brackets or numbers would block every other
 * request for seconds. This pass is cheap and ends at the first excess.
 * @param text JSON, or what is meant to be JSON
 */
export function excessOf(text: string, limits: JsonLimits): string | null {
  return excessOfAll([text], limits);
}

/**
 * Like `excessOf`, but for texts that are parsed one by one: the nesting limit applies to each, the limit on values to
 * all together.
 */
export function excessOfAll(texts: readonly string[], limits: JsonLimits): string | null {
  let values = 0;
  for (const text of texts) {
    const found = valuesIn(text, limits, values);
    if (typeof found === 'string') return found;
    values = found;
  }
  return null;
}

/** Like `excessOf`, but if nothing exceeds the limits, returns the number of values, including those `before`. */
export function valuesIn(text: string, limits: JsonLimits, before = 0): number | string {
  let depth = 0;
  let values = before;
  let members = 1;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      i = endOfString(text, i);
      // The string does not end, which the parser will report.
      if (i < 0) return values;
    } else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      depth++;
      values++;
      if (depth > limits.nesting) return `The body is nested deeper than ${limits.nesting} levels.`;
    } else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) depth--;
    else if (unit === COMMA) {
      values++;
      if (depth === 1 && limits.members !== undefined && ++members > limits.members) {
        return `The body has more than ${limits.members} members.`;
      }
    }
    if (values > limits.values) return `The body has more than ${limits.values} values.`;
  }
  return values;
}
