import type { AnswerFacts } from '../providers/provider.ts';

export const NO_FACTS: AnswerFacts = { completionId: null, servedModel: null, finishReason: null, usage: null };

/** The longest fact, in characters. Ids, names and reasons are shorter, and a rating's `id` may not be longer. */
const MAX_FACT_CHARACTERS = 512;

/**
 * Adds the facts of a piece or of a whole answer; later facts override earlier ones. Only facts are kept, because
 * they go into the event log, where no answer's text belongs; so a value too long to be a fact is dropped.
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
