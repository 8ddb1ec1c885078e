/** Turns text into a vector. One that may be slow keeps a time budget of its own: requests wait for it. */
export interface Embedder {
  /** Names the map: texts embedded under one id compare. Changes whenever the vectors would. */
  readonly id: string;
  readonly dimensions: number;
  /** Loads what must be loaded; to be awaited before `embed`. @throws Error that says what is missing, and the way out */
  start(): Promise<void>;
  /**
   * Settles within the budget.
   * @returns `dimensions` finite numbers, each of at most about unit variance over ordinary queries
   * @throws Error where the text cannot be embedded, or not in time; the featurizer survives that
   */
  embed(text: string): Promise<Float32Array>;
  /** @param vector as `embed` gave it @returns what people call the kind of text that it is most like */
  tagOf(vector: Float32Array): string;
  /** Releases what `start` acquired; does nothing when `start` was not called. */
  close(): Promise<void>;
}
