/** The feature vector of a query. Values are rounded to 32 bits once, so that what is stored is what was decided on. */
export interface Context {
  /** Id of the feature map that made it. Of different maps at most the structural features compare. */
  featureMap: string;
  /** Length d; values[0] = 1, the rest roughly standardised. */
  values: Float32Array;
}

export type Capability = 'tools' | 'vision' | 'json' | 'audio' | 'files';

/** Forms of an answer that a request may ask for and not every provider's API supports. */
export type AnswerForm = 'n' | 'logprobs' | 'json_object' | 'functions' | 'custom tools';

/** Estimates of input tokens. */
export interface AttachedTokens {
  likely: number;
  /** What a budget must be ready for. */
  most: number;
}

/** What a request demands of the model that answers it. */
export interface RequestProfile {
  needs: Capability[];
  /** Characters of everything that becomes input tokens: messages, tool definitions, schemas. */
  inputCharacters: number;
  /** The same in UTF-8 bytes, which tell more of its tokens. */
  inputBytes: number;
  images: number;
  /** Of files and sounds. Absent: none. */
  attached?: AttachedTokens;
  /** The client's own limit on output tokens, or null. */
  maxOutputTokens: number | null;
  /** Tokens of thinking that the client allows. Absent: it says nothing of them. */
  thinkingTokens?: number;
  /** Answers asked for at once, `n`; 1 where it is not said. */
  choices?: number;
  /** Absent: none. */
  forms?: readonly AnswerForm[];
  /** The client asks for a prompt cache that is kept for an hour, which costs more to write. Absent: it does not. */
  hourCache?: boolean;
}
