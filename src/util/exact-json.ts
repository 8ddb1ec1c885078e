import { endOfString } from './json-edit.ts';

/** Begins an integer that may be beyond 2^53. In a text that reads like one it only costs time. */
const MAYBE_LONG = /[[:,\s]-?\d{16}/;
/** Up to a length that no id has: millions of digits overflow the stack of the regular expression. */
const LONG_INTEGER = /(?<![\d.eE+-])-?[1-9]\d{15,999}(?![\d.eE]|\s*:)/g;
const MIN_DIGITS = 16;
/** Each takes some microseconds, for which every other request waits. */
const MAX_LONG_INTEGERS = 10_000;
/** Of Unicode's private use. */
const MARK = '\uE000';
const MARK_IN_JSON = /\uE000|\\ue000/i;

// TypeScript's library has yet to learn it: https://github.com/tc39/proposal-json-parse-with-source.
const { rawJSON } = JSON as unknown as { rawJSON(source: string): object };

/** Whether `parseExactly` may give anything else than `JSON.parse`. */
export function mayHoldLongIntegers(json: string): boolean {
  return MAYBE_LONG.test(json);
}

/**
 * As `JSON.parse`, but for integers beyond 2^53, which a number would round: they become objects that `JSON.stringify`
 * writes digit by digit as they were. Ids of 64 bits are common in the arguments of tools. The parser's own way to the
 * source of a number, its reviver, takes twenty times as long. Of more than 10,000 of them in one text all are rounded.
 * @throws SyntaxError
 */
export function parseExactly(json: string): unknown {
  const marked = mayHoldLongIntegers(json) && !MARK_IN_JSON.test(json) ? withMarkedIntegers(json) : null;
  return marked === null ? JSON.parse(json) : withRawIntegers(JSON.parse(marked));
}

/** Each long integer as a string that begins with the mark; null where there are none, or too many. */
function withMarkedIntegers(json: string): string | null {
  const parts: string[] = [];
  let copied = 0;
  for (let from = 0; from < json.length; ) {
    const quote = json.indexOf('"', from);
    const end = quote < 0 ? json.length : quote;
    // Nearly all that stands between strings is too short: to look for integers there would take ten times as long.
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

/** In place. */
function withRawIntegers(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? exactInteger(value.slice(MARK.length)) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    // By its index: names of 200,000 elements would be as many strings.
    for (let i = 0; i < value.length; i++) value[i] = withRawIntegers(value[i]);
    return value;
  }
  const members = value as Record<string, unknown>;
  for (const name of Object.keys(members)) {
    const exact = withRawIntegers(members[name]);
    // Not assigned unless it is another: `__proto__` is a member like any here.
    if (exact !== members[name]) members[name] = exact;
  }
  return members;
}

function exactInteger(digits: string): unknown {
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : rawJSON(digits);
}
