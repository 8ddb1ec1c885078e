import { endOfString } from './json-edit.ts';

/**
 * Matches the beginning of an integer that may be beyond 2^53. A match in a text that merely looks like one only costs
 * time.
 */
const MAYBE_LONG = /[[:,\s]-?\d{16}/;
/**
 * Limited to a length that no id has, because millions of digits would overflow the stack of the regular expression.
 */
const LONG_INTEGER = /(?<![\d.eE+-])-?[1-9]\d{15,999}(?![\d.eE]|\s*:)/g;
const MIN_DIGITS = 16;
/** Each takes some microseconds, during which every other request waits. */
const MAX_LONG_INTEGERS = 10_000;
/** From Unicode's private use area. */
const MARK = '\uE000';
const MARK_IN_JSON = /\uE000|\\ue000/i;

// TypeScript's library does not declare it yet: https://github.com/tc39/proposal-json-parse-with-source.
const { rawJSON } = JSON as unknown as { rawJSON(source: string): object };

/** True when `parseExactly` may return anything other than `JSON.parse` does. */
export function mayHoldLongIntegers(json: string): boolean {
  return MAYBE_LONG.test(json);
}

/**
 * Like `JSON.parse`, except for integers beyond 2^53, which a number would round: they become objects that
 * `JSON.stringify` writes with their original digits. 64-bit ids are common in the arguments of tools. JSON.parse's own
 * access to the source of a number, its reviver, takes twenty times as long. When a text has more than 10,000 such
 * integers, all of them are rounded.
 * @throws SyntaxError
 */
export function parseExactly(json: string): unknown {
  const marked = mayHoldLongIntegers(json) && !MARK_IN_JSON.test(json) ? withMarkedIntegers(json) : null;
  return marked === null ? JSON.parse(json) : withRawIntegers(JSON.parse(marked));
}

/** Turns each long integer into a string that begins with the mark; null when there are none, or too many. */
function withMarkedIntegers(json: string): string | null {
  const parts: string[] = [];
  let copied = 0;
  for (let from = 0; from < json.length; ) {
    const quote = json.indexOf('"', from);
    const end = quote < 0 ? json.length : quote;
    // Nearly everything between strings is too short to contain one; searching it for integers would take ten times as
    // long.
    const between = end - from < MIN_DIGITS ? '' : json.slice(from, end);
    for (const { index, 0: digits } of between.matchAll(LONG_INTEGER)) {
      if (parts.length >= 2 * MAX_LONG_INTEGERS) return null;
      parts.push(json.slice(copied, from + index), `"${MARK}${digits}"`);
      copied = from + index + digits.length;
    }
    const closing = quote < 0 ? -1 : endOfString(json, quote);
    from = closing < 0 ? json.length : closing + 1;
  }
  return copied === 0 ? null : parts.join('') + json.slice(copied);
}

/** Puts the integers back, in place. */
function withRawIntegers(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? exactInteger(value.slice(MARK.length)) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    // Iterates by index, because the names of 200,000 elements would be as many strings.
    for (let i = 0; i < value.length; i++) value[i] = withRawIntegers(value[i]);
    return value;
  }
  const members = value as Record<string, unknown>;
  for (const name of Object.keys(members)) {
    const exact = withRawIntegers(members[name]);
    // Assigned only when it changed, because `__proto__` may be a member like any other here.
    if (exact !== members[name]) members[name] = exact;
  }
  return members;
}

function exactInteger(digits: string): unknown {
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : rawJSON(digits);
}
