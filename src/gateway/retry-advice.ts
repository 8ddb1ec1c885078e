import type { RetryAdvice } from '../domain/errors.ts';

/** Whether the upstream asks not to be sent the same request again. */
export function forbidsRetry(advice: RetryAdvice): boolean {
  return advice['x-should-retry'] === 'false';
}

/**
 * How many milliseconds from now the upstream asks to wait: `retry-after-ms`, or else `retry-after` in either of its
 * forms (seconds or a date); null when it does not say.
 * @param now milliseconds since the epoch
 */
export function askedPauseMs(advice: RetryAdvice, now: number): number | null {
  const exact = numberIn(advice['retry-after-ms']);
  // As in OpenAI's clients, 0 is ignored.
  if (exact !== null && exact > 0) return exact;
  const header = advice['retry-after'] ?? '';
  if (header.trim() === '') return null;
  const seconds = numberIn(header);
  const milliseconds = seconds === null ? Math.max(0, dateIn(header) - now) : seconds * 1000;
  return milliseconds >= 0 ? milliseconds : null;
}

/** NaN for text that does not begin like a date: `Date.parse` takes "try 5" for a day in 2001. */
function dateIn(header: string): number {
  const isDate = /^\s*((Mon|Tue|Wed|Thu|Fri|Sat|Sun)|\d{1,2} [a-z]{3} \d{4}\b|\d{4}-\d\d-\d\d)/i.test(header);
  return isDate ? Date.parse(header) : Number.NaN;
}

function numberIn(header = ''): number | null {
  const number = Number(header);
  return header.trim() !== '' && Number.isFinite(number) ? number : null;
}
