import type { Usage } from '../domain/chat.ts';
import { MAX_BYTES, tooLarge } from '../providers/answer-limit.ts';
import type { Provider, ProviderCall, StreamPiece } from '../providers/provider.ts';

/** Bytes of memory that a held-back piece takes in addition to its own. */
const OVERHEAD_OF_PIECE = 256;

/** A stream that has produced its first content, so that the answer can begin with it. */
export interface OpenedStream {
  head: StreamPiece[];
  rest: AsyncIterator<StreamPiece>;
  droppedParams: string[];
  upstreamRequestId: string | null;
}

/**
 * Reads up to the first content, so that a stream that fails before that can be replaced by another model's without the
 * client noticing. Role announcements are not content and are held back too.
 * @param onUsage called with usage that the upstream reports before any content, as Anthropic does for the input
 * @throws UpstreamError `unreadable` when too much comes before any content
 */
export async function openStream(
  provider: Provider,
  call: ProviderCall,
  onUsage: (usage: Usage) => void = () => {},
): Promise<OpenedStream> {
  const { pieces, droppedParams, upstreamRequestId } = await provider.stream(call);
  const rest = pieces[Symbol.asyncIterator]();
  const head: StreamPiece[] = [];
  let held = 0;
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    head.push(next.value);
    if (next.value.usage) onUsage(next.value.usage);
    if (next.value.content || next.value.done || next.value.finishReason) break;
    held += next.value.bytes.length + OVERHEAD_OF_PIECE;
    if (held > MAX_BYTES) throw tooLarge('What the upstream sent before any content');
  }
  return { head, rest, droppedParams, upstreamRequestId };
}
