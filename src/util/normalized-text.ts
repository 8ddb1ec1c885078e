/**
 * Texts with the same normal form are the same query: line endings, outer blanks and broken surrogates do not count.
 */
export function normalizedText(text: string): string {
  return text.toWellFormed().replaceAll('\r\n', '\n').trim();
}
