import type { Arm } from '../domain/arm.ts';
import type { RequestProfile } from '../domain/context.ts';

/** Assumed input tokens per image; providers charge between 85 and 1,600. */
const TOKENS_PER_IMAGE = 800;

const TOO_LONG = 'exceed its context window of';

export function estimatedInputTokens(profile: RequestProfile, tokensPerByte: number): number {
  const attached = profile.attached?.likely ?? 0;
  return Math.ceil(profile.inputBytes * tokensPerByte) + profile.images * TOKENS_PER_IMAGE + attached;
}

/**
 * Why an arm cannot serve a request, in words for the client; null when it can.
 * @param allowed ids that the request and its key allow, null for all
 */
export function exclusionReason(
  arm: Arm,
  profile: RequestProfile,
  inputTokens: number,
  allowed: ReadonlySet<string> | null,
): string | null {
  if (allowed && !allowed.has(arm.id)) return 'not among the models that this request may use';
  const missing = profile.needs.filter((need) => !arm.capabilities.includes(need));
  if (missing.length > 0) return `the request needs ${missing.join(', ')}, which the model is not configured for`;
  if (arm.contextWindow !== null) {
    // A file's size says too little about its tokens to refuse it.
    const needed = inputTokens - (profile.attached?.likely ?? 0) + (profile.maxOutputTokens ?? 0);
    if (needed > arm.contextWindow) {
      return `about ${needed} tokens (input and max_tokens) ${TOO_LONG} ${arm.contextWindow}`;
    }
  }
  if (arm.maxOutputTokens !== null && (profile.maxOutputTokens ?? 0) > arm.maxOutputTokens) {
    return `max_tokens ${profile.maxOutputTokens} exceeds its output limit of ${arm.maxOutputTokens}`;
  }
  return null;
}

/** Whether an arm excluded for this reason could serve a shorter request. */
export function isTooLong(reason: string | null): boolean {
  return reason?.includes(TOO_LONG) ?? false;
}
