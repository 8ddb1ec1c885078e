import { normalizedText } from '../util/normalized-text.ts';

/**
 * Finds what belongs to a request by the text of its last user message, which is all that an upstream sees: no ids are
 * hidden in the prompts. Differences in line endings, leading and trailing blanks and broken surrogate pairs are
 * ignored, because a wire format may change them.
 */
export class QueryIndex<T> {
  readonly #entries = new Map<string, T>();

  /**
   * Registers `entry`; a later one with the same text replaces it.
   * @returns whether the text was new
   */
  add(text: string, entry: T): boolean {
    const key = normalizedText(text);
    const isNew = !this.#entries.has(key);
    this.#entries.set(key, entry);
    return isNew;
  }

  find(text: string): T | undefined {
    return this.#entries.get(normalizedText(text));
  }
}
