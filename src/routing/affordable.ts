import { type Arm, HOUR_SURCHARGE, ratesFor } from '../domain/arm.ts';
import type { RequestProfile } from '../domain/context.ts';
import type { GatewayError } from '../domain/errors.ts';
import { PRIOR_TOKENS_PER_BYTE } from './arm-statistics.ts';

/** Limits what a request may cost its key. */
export interface KeyBudget {
  leftUsd: number;
  /** The number of choices requested (`n`). */
  choices: number;
  /** UTF-8 bytes of the body other than texts and attachments; some servers turn these into tokens too. */
  otherBytes: number;
  /** Whether an answer without the client's `max_tokens` is assumed to be as long as the model allows. */
  strict?: boolean;
  /** Creates the error for the client when no arm fits. */
  refusal(): GatewayError;
}

/**
 * Answers are assumed to be at most this many times as long as expected: e^(2.8 σ) at the length model's noise of σ =
 * 0.5 on the log, so about one in 400 is longer.
 */
const MAX_LENGTH_RATIO = 4;
/** Output limit that a strict budget assumes for a model whose config gives none. */
const UNKNOWN_OUTPUT_LIMIT = 128_000;
/** The input is an estimate too: texts differ in how they split into tokens, and every message adds a few tokens. */
const INPUT_MARGIN = { factor: 1.5, tokens: 50 };
/** This many of the bytes other than texts (roles, names of models, parameters) never become input. */
const IDLE_BYTES = 1000;
/** Expected output tokens when the learner gives no finite prediction. */
const UNKNOWN_OUTPUT_TOKENS = 300;

/**
 * The maximum USD that an answer may cost, as far as that is known. The output is limited by the client's own
 * `max_tokens`, and by the model's output limit. Without `max_tokens`, a length is assumed that few answers exceed, but
 * with a strict budget only the model's output limit applies.
 * @param expectedTokens expected output tokens of one choice
 */
export function worstCaseUsd(
  arm: Arm,
  profile: RequestProfile,
  inputTokens: number,
  expectedTokens: number,
  { choices, otherBytes, strict = false }: Pick<KeyBudget, 'choices' | 'otherBytes' | 'strict'>,
): number {
  const expected = Number.isFinite(expectedTokens) ? expectedTokens : UNKNOWN_OUTPUT_TOKENS;
  const unlimited = strict
    ? (arm.maxOutputTokens ?? UNKNOWN_OUTPUT_LIMIT)
    : MAX_LENGTH_RATIO * expected + (profile.thinkingTokens ?? 0);
  // Thinking counts as output, and a limit on the whole output includes it.
  const output = Math.min(profile.maxOutputTokens ?? unlimited, arm.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  const { likely, most: mostAttached } = profile.attached ?? { likely: 0, most: 0 };
  const text = inputTokens - likely + PRIOR_TOKENS_PER_BYTE * Math.max(0, otherBytes - IDLE_BYTES);
  // The input cannot exceed the model's context window.
  const most = Math.min(
    INPUT_MARGIN.factor * text + mostAttached + INPUT_MARGIN.tokens,
    arm.contextWindow ?? Number.POSITIVE_INFINITY,
  );
  const { input, cacheWrite, output: outputPrice } = ratesFor(arm.price, most);
  // Avoids Infinity · 0, which would be NaN.
  const outputUsd = outputPrice === 0 ? 0 : choices * output * outputPrice;
  const write = profile.hourCache ? cacheWrite * (1 + HOUR_SURCHARGE) : cacheWrite;
  return (most * Math.max(input, write) + outputUsd) / 1e6;
}

export function unaffordableReason(worstUsd: number, leftUsd: number): string {
  return `it may cost up to $${worstUsd.toFixed(6)}, and $${leftUsd.toFixed(6)} of the key's budget is left`;
}
