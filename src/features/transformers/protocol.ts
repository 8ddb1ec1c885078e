/** How a model's files give a vector; together with the files themselves, all that a vector depends on. */
export interface EncodingSettings {
  /** Which of the model's ONNX files is run: `q8` has weights of 8 bits. */
  dtype: 'q8' | 'fp32';
  /** Longer texts are cut in the middle, special tokens included in the count. */
  maxTokens: number;
}

export interface ModelSettings extends EncodingSettings {
  /** A folder with the model's files, or the name of a model on the Hugging Face hub. */
  model: string;
}

/** What is known of a model once it is loaded. */
export interface ModelFacts {
  /** Numbers per vector. */
  width: number;
  /** Hash of the files that were loaded. */
  fingerprint: string;
}

/** What the thread is given when it starts. */
export interface ThreadData extends ModelSettings {
  /** Where models of the hub are kept once fetched. */
  cacheFolder: string;
}

export interface NumberedText {
  id: number;
  text: string;
}

/** To the thread: embed these, one after the other. */
export type ThreadRequest = readonly NumberedText[];

/** From the thread: first `ready` or `unusable`, then one answer per text, each as soon as there is one. */
export type ThreadReply =
  | ({ kind: 'ready' } & ModelFacts)
  | { kind: 'unusable'; reason: string }
  | { kind: 'vector'; id: number; vector: Float32Array }
  | { kind: 'failed'; id: number; reason: string };
