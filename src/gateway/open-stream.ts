import { MAX_BYTES, tooLarge } from '../providers/answer-limit.ts';
import type { AnswerFacts, Provider, ProviderCall, StreamPiece } from '../providers/provider.ts';

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

/** Bytes that a held-back piece takes besides its own. */
const OVERHEAD_OF_PIECE = 256;

/** A stream that has shown its first content, and so is worth beginning an answer with. */
export interface OpenedStream {
  head: StreamPiece[];
  rest: AsyncIterator<StreamPiece>;
  droppedParams: string[];
  upstreamRequestId: string | null;
}

/**
 * Reads up to the first content, so that a stream that fails before it can be replaced by another model's without
 * the client noticing. Role announcements are held back with it; they are no content.
 * @throws UpstreamError `unreadable` where too much comes before any
 */
export async function openStream(provider: Provider, call: ProviderCall): Promise<OpenedStream> {
  const { pieces, droppedParams, upstreamRequestId } = await provider.stream(call);
  const rest = pieces[Symbol.asyncIterator]();
  const head: StreamPiece[] = [];
  let held = 0;
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    head.push(next.value);
    if (next.value.content || next.value.done || next.value.finishReason) break;
    held += next.value.bytes.length + OVERHEAD_OF_PIECE;
    if (held > MAX_BYTES) throw tooLarge('What the upstream sent before any content');
  }
  return { head, rest, droppedParams, upstreamRequestId };
}
