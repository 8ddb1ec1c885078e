/** What a message says of a model stands at its beginning; the rest of a long one is what it quotes. */
const MAX_CHARACTERS = 8000;

/** As much of an error's message as is read for what it means: an upstream may send megabytes. */
export function beginningOf(message: string): string {
  return message.slice(0, MAX_CHARACTERS);
}

/**
 * The beginning of a message without all that it quotes: names and values of the request may say anything, quotes too.
 * @param double the double quote, as it is or as JSON has it
 */
export function ownWords(message: string, double: '"' | '\\"' = '"'): string {
  if (message.length <= MAX_CHARACTERS) return withoutQuotes(message, double);
  // What is quoted may end beyond: all behind the first quote counts as quoted.
  const beginning = beginningOf(message);
  return beginning.slice(0, Math.min(openingSingle(beginning, 0), openingDouble(beginning, 0, double)));
}

/**
 * From the first quote of either kind to the last one of that kind. By looking for these alone: one regular expression
 * for it all would look for an end anew behind each quote, and hold up the process for minutes.
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

/** Index of the first single quote from there on that is no apostrophe; Infinity where there is none. */
function openingSingle(text: string, from: number): number {
  const opening = /(?<!\w)'/g;
  opening.lastIndex = from;
  return opening.exec(text)?.index ?? Number.POSITIVE_INFINITY;
}

/** Index of the last single quote that no letter follows; −1 where there is none. */
function closingSingle(text: string): number {
  let at = text.lastIndexOf("'");
  while (at > 0 && /\w/.test(text[at + 1] ?? '')) at = text.lastIndexOf("'", at - 1);
  return at;
}

function openingDouble(text: string, from: number, double: string): number {
  const at = text.indexOf(double, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}
