import type { Observation } from '../../bandit/policy.ts';
import { type Price, ratesFor } from '../../domain/arm.ts';
import { sharedWeights } from '../../domain/ratings.ts';
import type { RecordedOutcome, RecordedRow } from '../../recorded/recorded-row.ts';
import { PRIOR_TOKENS_PER_BYTE } from '../../routing/arm-statistics.ts';

/** The arm that a recorded model stands for. */
export interface RecordedArm {
  id: string;
  price: Pick<Price, 'input' | 'output' | 'longPrompt'>;
}

/**
 * What a line of recorded outcomes teaches, as the gateway would have learned it: each rating separately when the line
 * has ratings, otherwise the quality. Lengths are learned only from complete answers with a single choice, and not when
 * they were only estimated.
 * @param context x: length d, x[0] = 1
 * @param armOf returns null for a model that is left out
 */
export function recordedObservations(
  row: RecordedRow,
  context: Float64Array,
  armOf: (model: string) => RecordedArm | null,
): Observation[] {
  return Object.entries(row.models).flatMap(([model, outcome]) => {
    const arm = armOf(model);
    if (!arm) return [];
    const observations: Observation[] = rewards(row, outcome).map(({ reward, weight }) => ({
      kind: 'quality',
      arm: arm.id,
      context,
      reward,
      weight,
    }));
    // A truncated answer is at least this long; how much longer cannot be said without a prediction.
    const isWhole = (row.outcome ?? 'ok') === 'ok' && !row.cut;
    const tellsLength = isWhole && (row.choices ?? 1) === 1 && !row.estimated;
    const outputTokens = tellsLength ? outputTokensOf(outcome, arm.price, Buffer.byteLength(row.prompt ?? '')) : null;
    if (outputTokens !== null) {
      observations.push({ kind: 'length', arm: arm.id, context, outputTokens, predictedTokens: null, weight: 1 });
    }
    return observations;
  });
}

function rewards({ ratings }: RecordedRow, { quality }: RecordedOutcome): { reward: number; weight: number }[] {
  if (ratings && ratings.length > 0) {
    // Volunteers are weighted by score, to correct for who rates, so their ratings do not share (`observationsOf`).
    const [own, sharing] = [ratings.filter(isVolunteered), ratings.filter((rating) => !isVolunteered(rating))];
    const weights = [...own.map(weightOf), ...sharedWeights(sharing.map(weightOf))];
    const weighed = [...own, ...sharing].map(({ score, reward }, i) => ({
      reward: reward ?? score,
      weight: weights[i],
    }));
    return weighed.filter(({ weight }) => weight > 0);
  }
  return typeof quality === 'number' ? [{ reward: quality, weight: 1 }] : [];
}

type RecordedRating = NonNullable<RecordedRow['ratings']>[number];

function isVolunteered({ volunteered }: RecordedRating): boolean {
  return volunteered ?? false;
}

function weightOf({ weight }: RecordedRating): number {
  return weight ?? 1;
}

/**
 * The recorded output tokens, or else as many as make the answer cost what was recorded at the arm's price.
 * @param bytes bytes of the prompt, from which unrecorded input tokens are estimated
 * @returns null when neither is possible
 */
export function outputTokensOf(
  { outTokens, inTokens, cost }: RecordedOutcome,
  price: RecordedArm['price'],
  bytes: number,
): number | null {
  if (typeof outTokens === 'number') return outTokens > 0 ? outTokens : null;
  const inputTokens = inTokens ?? PRIOR_TOKENS_PER_BYTE * bytes;
  const rates = ratesFor(price, inputTokens);
  if (typeof cost !== 'number' || rates.output === 0) return null;
  const tokens = (cost * 1e6 - inputTokens * rates.input) / rates.output;
  return tokens > 0 ? tokens : null;
}
