import type { Usage } from '../domain/chat.ts';

/** What is known of an answer whose upstream did not tell, or not to the end, what it used. */
export interface UsageEvidence {
  /** What the upstream told so far; null when nothing. */
  reported: Usage | null;
  /** Tokens that the input was taken to need when the decision was made. */
  inputTokens: number;
  /** UTF-8 bytes of what came of the answer. */
  generatedBytes: number;
  /** The arm's own ratio. */
  tokensPerByte: number;
}

/**
 * The least that an answer used, so that its cost is not lost: the input, and as many output tokens as its text is
 * long. Reported figures go before estimated ones where they are higher; counts of a stream only ever rise.
 */
export function estimateUsage({ reported, inputTokens, generatedBytes, tokensPerByte }: UsageEvidence): Usage {
  const outputTokens = Math.ceil(generatedBytes * tokensPerByte);
  if (reported) return { ...reported, outputTokens: Math.max(reported.outputTokens, outputTokens) };
  return { inputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens };
}
