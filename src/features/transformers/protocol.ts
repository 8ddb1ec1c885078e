/** How a model's files produce a vector. Vectors depend only on these settings and on the files. */
export interface EncodingSettings {
  /** Which of the model's ONNX files is run: `q8` has 8-bit weights. */
  dtype: 'q8' | 'fp32';
  /** Longer texts are cut in the middle. The limit includes special tokens. */
  maxTokens: number;
}

export interface ModelSettings extends EncodingSettings {
  /** A folder with the model's files, or the name of a model on the Hugging Face hub. */
  model: string;
}

/** What is known about a model once it is loaded. */
export interface ModelFacts {
  /** Numbers per vector. */
  width: number;
  /** Hash of the files that were loaded. */
  fingerprint: string;
}

/** Passed to the thread when it starts. */
export interface ThreadData extends ModelSettings {
  /** Where models are stored once they are fetched from the hub. */
  cacheFolder: string;
}

export interface NumberedText {
  id: number;
  text: string;
}

/** To the thread: embed these texts, one after the other. */
export type ThreadRequest = readonly NumberedText[];

/** From the thread: first `ready` or `unusable`, then one answer per text, as soon as each is available. */
export type ThreadReply =
  | ({ kind: 'ready' } & ModelFacts)
  | { kind: 'unusable'; reason: string }
  | { kind: 'vector'; id: number; vector: Float32Array }
  | { kind: 'failed'; id: number; reason: string };
