import type { AnswerFacts } from '../providers/provider.ts';

export const NO_FACTS: AnswerFacts = { completionId: null, servedModel: null, finishReason: null, usage: null };

/** Characters of what an answer says of itself. Ids, names and reasons are shorter; a rating's `id` may be no longer. */
const MAX_FACT_CHARACTERS = 512;

/**
 * What the pieces tell, later ones overriding earlier ones; a whole answer may stand for a piece. The facts and nothing
 * else: they go into the event log, where no answer's text belongs, and none that would pass for a fact by its place.
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
