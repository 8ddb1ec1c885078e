/**
 * The feature vector of a query. Values are rounded to 32 bits once, so that what is stored is exactly what the
 * decision was based on.
 */
export interface Context {
  /** Id of the feature map that made it. Across maps, at most the structural features are comparable. */
  featureMap: string;
  /** Length d; values[0] = 1, the rest roughly standardised. */
  values: Float32Array;
}

export type Capability = 'tools' | 'vision' | 'json' | 'audio' | 'files';

/** What a request may ask for or contain although not every provider's API supports it. */
export type RequestForm = 'n' | 'logprobs' | 'json_object' | 'functions' | 'custom tools' | 'videos';

/** Estimates of input tokens. */
export interface AttachedTokens {
  likely: number;
  /** The highest estimate, which a budget must be able to cover. */
  most: number;
}

/** Length of everything that becomes input tokens: messages, tool definitions, schemas. */
export interface InputLength {
  /** In UTF-16 units. */
  inputCharacters: number;
  /** In UTF-8 bytes, which are a better indication of the number of tokens. */
  inputBytes: number;
  /** How many of the bytes are Chinese, Japanese and Korean characters. Absent: none. */
  inputEastAsianBytes?: number;
}

/** What a request requires of the model that answers it. */
export interface RequestProfile extends InputLength {
  needs: Capability[];
  images: number;
  /** Estimated tokens of files and audio; absent: none. */
  attached?: AttachedTokens;
  /** The client's own limit on output tokens, or null. */
  maxOutputTokens: number | null;
  /** Thinking tokens that the client allows; absent: it does not say. */
  thinkingTokens?: number;
  /** Number of choices that the request asks for, `n`; 1 when it does not say. */
  choices?: number;
  /** Absent: none. */
  forms?: readonly RequestForm[];
  /**
   * True when the client asks for a prompt cache that is kept for an hour, which costs more to write. Absent: it does
   * not.
   */
  hourCache?: boolean;
}
