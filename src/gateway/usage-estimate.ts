import type { Usage } from '../domain/chat.ts';

/** What is known about an answer whose upstream did not report its usage, or not up to the end. */
export interface UsageEvidence {
  /** What the upstream has reported so far; null when nothing. */
  reported: Usage | null;
  /** Input tokens as estimated when the decision was made. */
  inputTokens: number;
  /** UTF-8 bytes of the part of the answer that arrived. */
  generatedBytes: number;
  /** The ratio learned for the arm. */
  tokensPerByte: number;
}

/**
 * The least that an answer used, so that its cost is not lost: the input, and as many output tokens as its text is
 * long. Where the reported output is higher, it replaces the estimate: the counts of a stream only ever rise.
 */
export function estimateUsage({ reported, inputTokens, generatedBytes, tokensPerByte }: UsageEvidence): Usage {
  const outputTokens = Math.ceil(generatedBytes * tokensPerByte);
  if (reported) return { ...reported, outputTokens: Math.max(reported.outputTokens, outputTokens) };
  return { inputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens };
}
