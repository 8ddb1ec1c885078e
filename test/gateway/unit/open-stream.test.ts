import { describe, expect, it } from 'vitest';
import { addFacts, NO_FACTS } from '../../../src/gateway/answer-facts.ts';
import { openStream } from '../../../src/gateway/open-stream.ts';
import type { Provider, ProviderCall, StreamPiece } from '../../../src/providers/provider.ts';

/** An upstream that never sends content. */
function endless(piece: StreamPiece): Provider {
  async function* pieces() {
    for (;;) yield piece;
  }
  return {
    stream: async () => ({ pieces: pieces(), droppedParams: [], upstreamRequestId: null }),
  } as unknown as Provider;
}

describe('openStream', () => {
  it.each([0, 1_000_000])('limits what it holds back before the content: pieces of %i bytes', async (length) => {
    const provider = endless({ bytes: new Uint8Array(length), content: false });
    await expect(openStream(provider, {} as ProviderCall)).rejects.toMatchObject({ failure: 'unreadable' });
  });
});

describe('addFacts', () => {
  it('ignores values that are too long', () => {
    const told = { completionId: 'chatcmpl-1', servedModel: 'm', finishReason: 'stop' };
    const text = 'x'.repeat(513);
    const facts = addFacts(addFacts(NO_FACTS, told), { completionId: text, servedModel: text, finishReason: text });
    expect(facts).toEqual({ ...told, usage: null });
  });
});
