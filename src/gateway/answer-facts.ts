import type { AnswerFacts } from '../providers/provider.ts';

export const NO_FACTS: AnswerFacts = { completionId: null, servedModel: null, finishReason: null, usage: null };

/**
 * The maximum length of a fact, in characters. Real ids, names and reasons are shorter, and a rating's `id` may not be
 * longer.
 */
const MAX_FACT_CHARACTERS = 512;

/**
 * Merges the facts in a piece, or in a whole answer, into `facts`; later facts override earlier ones. Facts go into the
 * event log, where answer text must never appear, so a value too long to be a fact is dropped.
 */
export function addFacts(facts: AnswerFacts, piece: Partial<AnswerFacts>): AnswerFacts {
  return {
    completionId: plausible(piece.completionId) ?? facts.completionId,
    servedModel: plausible(piece.servedModel) ?? facts.servedModel,
    finishReason: plausible(piece.finishReason) ?? facts.finishReason,
    usage: piece.usage ?? facts.usage,
  };
}

function plausible(fact: string | null | undefined): string | null {
  return fact && fact.length <= MAX_FACT_CHARACTERS ? fact : null;
}
