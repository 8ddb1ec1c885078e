import type { Arm } from '../domain/arm.ts';
import type { InputLength, RequestProfile } from '../domain/context.ts';
import { hasReadAll, MAX_TOKENS_PER_BYTE } from './arm-statistics.ts';

/** Assumed input tokens per image; providers charge between 85 and 1,600. */
const TOKENS_PER_IMAGE = 800;

/** No provider charges more for one image. */
const MOST_TOKENS_PER_IMAGE = 50_000;

const TOO_LONG = 'exceed its context window of';

/** What a request's input tokens are estimated from. */
export type InputSize = InputLength & Pick<RequestProfile, 'images' | 'attached'>;

/** An earlier request that this one continues, and its input tokens as the arm's own upstream counted them. */
export interface CountedInput {
  tokens: number;
  size: InputSize;
}

/**
 * Whether an upstream's count of a request's input tokens can be relied on. Not for attachments: their tokens are guessed
 * from their size, and the guess is subtracted again wherever it must not decide (`exclusionReason`, `tpm`).
 */
export function isPlausibleCount(size: InputSize, tokens: number): boolean {
  const most = MAX_TOKENS_PER_BYTE * size.inputBytes + MOST_TOKENS_PER_IMAGE * size.images;
  return (size.attached?.likely ?? 0) === 0 && hasReadAll(size, tokens) && tokens <= most;
}

/** @param before makes the estimate one of what has been added since; absent: nothing was counted */
export function estimatedInputTokens(size: InputSize, tokensPerByte: number, before?: CountedInput): number {
  const whole = bySize(size, tokensPerByte);
  if (!before) return whole;
  const added = whole - bySize(before.size, tokensPerByte);
  return added < 0 ? whole : before.tokens + added;
}

function bySize({ inputBytes, images, attached }: InputSize, tokensPerByte: number): number {
  return Math.ceil(inputBytes * tokensPerByte) + images * TOKENS_PER_IMAGE + (attached?.likely ?? 0);
}

/**
 * Why an arm cannot serve a request, phrased for the client; null when it can.
 * @param allowed ids that the request and its key allow, or null for all
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
    // The tokens of an attached file cannot be estimated well enough to refuse the request.
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
