/**
 * Turns text into a vector. An embedder that may be slow enforces its own time budget, because requests wait for it.
 */
export interface Embedder {
  /** Identifies the map: texts embedded under one id are comparable. Must change whenever the vectors would. */
  readonly id: string;
  readonly dimensions: number;
  /**
   * Loads whatever is needed; must be awaited before `embed`.
   * @throws Error that says what is missing, and what to do about it
   */
  start(): Promise<void>;
  /**
   * Settles within the budget.
   * @returns `dimensions` finite numbers, each with at most about unit variance over ordinary queries, where their
   * squared length is 5 to 20. The priors of the slopes are chosen for that: longer vectors would outweigh the
   * structural features, and a rating would count for more than it says; with shorter ones, for less
   * @throws Error when the text cannot be embedded, or not in time; the featurizer handles that
   */
  embed(text: string): Promise<Float32Array>;
  /**
   * @param vector as returned by `embed`, not a copy
   * @returns human-readable name of the kind of text that it resembles most, or one that says that the map knows too
   * little of this text; null if the map knows no kinds
   */
  tagOf(vector: Float32Array): string | null;
  /** Releases what `start` acquired; does nothing if `start` was not called. */
  close(): Promise<void>;
}
