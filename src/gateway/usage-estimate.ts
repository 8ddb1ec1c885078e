import type { Usage } from '../domain/chat.ts';

/** What is known about an answer whose upstream did not report its usage, or did not report it up to the end. */
export interface UsageEvidence {
  /** The usage that the upstream has reported so far; null if none. */
  reported: Usage | null;
  /** Input tokens as estimated when the decision was made. */
  inputTokens: number;
  /** UTF-8 bytes of the part of the answer that arrived. */
  generatedBytes: number;
  /** The ratio learned for the arm and text like that of the request. */
  tokensPerByte: number;
}

/**
 * A lower bound of what an answer used, so that its cost is not lost: the input, and as many output tokens as the
 * received text amounts to. Where the reported output is higher, it replaces the estimate, because the counts in a
 * stream only ever rise.
 */
export function estimateUsage({ reported, inputTokens, generatedBytes, tokensPerByte }: UsageEvidence): Usage {
  const outputTokens = Math.ceil(generatedBytes * tokensPerByte);
  if (reported) return { ...reported, outputTokens: Math.max(reported.outputTokens, outputTokens) };
  return { inputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens };
}
