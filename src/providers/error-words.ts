/** What a message says about a model is at its beginning; the rest of a long message is quotation. */
const MAX_CHARACTERS = 8000;

/** Cuts an error message to the part that is interpreted, because an upstream may send megabytes. */
export function beginningOf(message: string): string {
  return message.slice(0, MAX_CHARACTERS);
}

/**
 * The beginning of a message without its quotations, because names and values from the request may contain anything,
 * including quotes.
 * @param double the double quote, either plain or as JSON escapes it
 */
export function ownWords(message: string, double: '"' | '\\"' = '"'): string {
  if (message.length <= MAX_CHARACTERS) return withoutQuotes(message, double);
  // A quotation may end beyond the limit, so everything after the first opening quote counts as quoted.
  const beginning = beginningOf(message);
  return beginning.slice(0, Math.min(openingSingle(beginning, 0), openingDouble(beginning, 0, double)));
}

/**
 * Drops everything from the first quote of either kind to the last one of that kind. It searches only for the quotes: a
 * single regular expression for the whole would search for an end again after each quote, and block the process for
 * minutes.
 */
function withoutQuotes(text: string, double: string): string {
  const lastSingle = closingSingle(text);
  const lastDouble = text.lastIndexOf(double);
  let kept = '';
  let from = 0;
  for (;;) {
    const single = openingSingle(text, from);
    const other = openingDouble(text, from, double);
    const isSingle = single < lastSingle && (single < other || other >= lastDouble);
    if (!isSingle && other >= lastDouble) return kept + text.slice(from);
    kept += text.slice(from, isSingle ? single : other);
    from = isSingle ? lastSingle + 1 : lastDouble + double.length;
  }
}

/** Index of the first single quote at or after `from` that is not an apostrophe; Infinity when there is none. */
function openingSingle(text: string, from: number): number {
  const opening = /(?<!\w)'/g;
  opening.lastIndex = from;
  return opening.exec(text)?.index ?? Number.POSITIVE_INFINITY;
}

/** Index of the last single quote that is not followed by a letter; −1 when there is none. */
function closingSingle(text: string): number {
  let at = text.lastIndexOf("'");
  while (at > 0 && /\w/.test(text[at + 1] ?? '')) at = text.lastIndexOf("'", at - 1);
  return at;
}

function openingDouble(text: string, from: number, double: string): number {
  const at = text.indexOf(double, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}
