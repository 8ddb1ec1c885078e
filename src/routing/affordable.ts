import { type Arm, HOUR_SURCHARGE } from '../domain/arm.ts';
import type { RequestProfile } from '../domain/context.ts';
import type { GatewayError } from '../domain/errors.ts';
import { PRIOR_TOKENS_PER_BYTE } from './arm-statistics.ts';

/** Limits what a request may cost its key. */
export interface KeyBudget {
  leftUsd: number;
  /** The number of answers asked for at once (`n`). */
  choices: number;
  /** UTF-8 bytes of the body other than texts and attachments: some servers turn these into tokens too. */
  otherBytes: number;
  /** Whether an answer without the client's `max_tokens` counts as long as the model may make it. */
  strict?: boolean;
  /** The error for the client when no arm fits. */
  refusal(): GatewayError;
}

/**
 * Answers are assumed to be at most this many times as long as expected: e^(2.8 σ) at the length model's noise of σ =
 * 0.5 on the log, so about one in 400 is longer.
 */
const MAX_LENGTH_RATIO = 4;
/** Output limit that a strict budget assumes of a model whose config gives none. */
const UNKNOWN_OUTPUT_LIMIT = 128_000;
/** Input is an estimate too: texts differ in how they split into tokens, and every message adds a few of its own. */
const INPUT_MARGIN = { factor: 1.5, tokens: 50 };
/** Of the bytes other than texts, this many (roles, names of models, parameters) never become input. */
const IDLE_BYTES = 1000;
/** Expected output tokens when the learner gives no finite prediction. */
const UNKNOWN_OUTPUT_TOKENS = 300;

/**
 * The most USD that an answer may cost, as far as that is known: up to the client's own `max_tokens`, or without one
 * a length that few answers exceed, for a strict budget none; never more than the model's output limit.
 * @param expectedTokens expected output tokens of one answer
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
  // Thinking is output, and a limit on the whole output includes it.
  const output = Math.min(profile.maxOutputTokens ?? unlimited, arm.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  const { input, cacheWrite, output: outputPrice } = arm.price;
  // Infinity · 0 would be NaN.
  const outputUsd = outputPrice === 0 ? 0 : choices * output * outputPrice;
  const { likely, most: mostAttached } = profile.attached ?? { likely: 0, most: 0 };
  const text = inputTokens - likely + PRIOR_TOKENS_PER_BYTE * Math.max(0, otherBytes - IDLE_BYTES);
  // The input cannot exceed the model's context window.
  const most = Math.min(
    INPUT_MARGIN.factor * text + mostAttached + INPUT_MARGIN.tokens,
    arm.contextWindow ?? Number.POSITIVE_INFINITY,
  );
  const write = profile.hourCache ? cacheWrite * (1 + HOUR_SURCHARGE) : cacheWrite;
  return (most * Math.max(input, write) + outputUsd) / 1e6;
}

export function unaffordableReason(worstUsd: number, leftUsd: number): string {
  return `it may cost up to $${worstUsd.toFixed(6)}, and $${leftUsd.toFixed(6)} of the key's budget is left`;
}
