import type { InputLength } from '../../domain/context.ts';
import type { ArmExplanation, Decision } from '../../domain/decision.ts';
import type { PricedTokens } from '../../routing/arm-statistics.ts';
import type { BudgetedRequest } from '../../routing/routing-budget-ledger.ts';

/** Only texts of at least this many UTF-8 bytes are used to learn about a tokeniser. */
const MIN_BYTES = 500;

/**
 * The predicted tokens of one answer; null for an arm without a prediction.
 * @param cachedTokens other than those that the arm is likely to read from its cache
 */
export function predictedTokens(
  { costUsd, inputTokens, cachedTokens: own = 0, outputTokens }: ArmExplanation,
  cachedTokens = own,
): PricedTokens | null {
  if (costUsd === null || inputTokens === null || outputTokens === null) return null;
  const tokens = { input: inputTokens - cachedTokens, cachedInput: cachedTokens, output: outputTokens };
  return Object.values(tokens).every(Number.isFinite) ? tokens : null;
}

/** Predicted USD of one answer of the chosen arm; 0 without a prediction. */
export function predictedCost(decision: Decision): number {
  return costOfChosen(decision) ?? 0;
}

function costOfChosen({ arm, arms }: Decision): number | null {
  return arms.find((candidate) => candidate.arm === arm)?.costUsd ?? null;
}

/**
 * The decision in the form that the budget's ledger takes; null when it was made without a budget, as by early
 * versions.
 */
export function budgetedRequest(decision: Decision): BudgetedRequest | null {
  const { budgetUsd, budgetWeight, weight, weightFrom, choices = 1 } = decision;
  if (budgetUsd === null || budgetUsd === undefined) return null;
  const costUsd = costOfChosen(decision);
  return {
    targetUsd: budgetUsd,
    // Also recorded when a key's bounds replaced the budget's weight: even if all keys are clamped, spending must move
    // ν.
    weight: weightFrom === 'budget' ? weight : (budgetWeight ?? null),
    predictedUsd: costUsd !== null && Number.isFinite(costUsd) ? costUsd * choices : null,
  };
}

/**
 * Whether the decision's tokens say something about the tokeniser. Images, videos, files and audio have tokens but no
 * characters, and in a short prompt the tokens of the chat template outnumber those of the text. Events of early
 * versions hold characters but no bytes, which would triple the estimate for Chinese.
 */
export function tellsOfTokeniser(decision: Decision): decision is Decision & InputLength {
  const { images, needs, inputBytes = 0 } = decision;
  return images === 0 && !['vision', 'files', 'audio'].some((need) => needs.includes(need)) && inputBytes >= MIN_BYTES;
}
