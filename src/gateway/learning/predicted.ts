import type { ArmExplanation, Decision } from '../../domain/decision.ts';
import type { PricedTokens } from '../../routing/arm-statistics.ts';

/** Of a text that a tokeniser is judged by. */
const MIN_CHARACTERS = 500;

/** Null of an arm that no prediction was made of. */
export function predictedTokens({
  costUsd,
  inputTokens,
  cachedTokens = 0,
  outputTokens,
}: ArmExplanation): PricedTokens | null {
  if (costUsd === null || inputTokens === null || outputTokens === null) return null;
  const tokens = { input: inputTokens - cachedTokens, cachedInput: cachedTokens, output: outputTokens };
  return Object.values(tokens).every(Number.isFinite) ? tokens : null;
}

export function predictedCost({ arm, arms }: Decision): number {
  return arms.find((candidate) => candidate.arm === arm)?.costUsd ?? 0;
}

/**
 * Images, files and sound have tokens but no characters, and in a short prompt the tokens of the chat template count
 * for more than the text.
 */
export function tellsOfTokeniser({ images, needs, inputCharacters }: Decision): boolean {
  return images === 0 && !needs.includes('files') && !needs.includes('audio') && inputCharacters >= MIN_CHARACTERS;
}
