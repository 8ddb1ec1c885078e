/** Turns text into a vector. Implementations may be slow or fail; the featurizer limits and survives both. */
export interface Embedder {
  /** Names the map: texts embedded under one id compare. Changes whenever the vectors would. */
  readonly id: string;
  readonly dimensions: number;
  /** @returns `dimensions` finite numbers, each of at most about unit variance over ordinary queries */
  embed(text: string): Promise<Float32Array>;
  /** @param vector as `embed` gave it @returns what people call the kind of text that it is most like */
  tagOf(vector: Float32Array): string;
}
