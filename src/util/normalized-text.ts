/**
 * The normal form of a text. Texts with the same normal form are the same query: differences in line endings, leading
 * and trailing blanks and broken surrogates do not count.
 */
export function normalizedText(text: string): string {
  return text.toWellFormed().replaceAll('\r\n', '\n').trim();
}
