import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import type { ProviderCall } from '../../src/providers/provider.ts';
import { StaleConnections } from '../../src/providers/stale-connections.ts';
import { systemClock } from '../../src/util/clock.ts';
import { cleanup } from '../support/cleanup.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { COMPLETION, chunk, sse, startRawUpstream } from '../support/raw-upstream.ts';

const kept = cleanup();

const ENDS = {
  closed: ({ socket }: ServerResponse) => void socket?.end(),
  reset: ({ socket }: ServerResponse) => void socket?.resetAndDestroy(),
  begun: (response: ServerResponse) => void response.write('{', () => response.socket?.end()),
};

/** A server that takes so many requests on a connection, and ends it at the next, as if the end had been under way already. */
async function serving(perConnection: number, end: keyof typeof ENDS) {
  const served = new Map<unknown, number>();
  const upstream = kept(
    await startRawUpstream((response, body, request) => {
      const before = served.get(request.socket) ?? 0;
      served.set(request.socket, before + 1);
      if (before >= perConnection) ENDS[end](response);
      else
        response.end(
          JSON.parse(body).stream ? sse(chunk({ content: 'x' }, 'stop'), '[DONE]') : JSON.stringify(COMPLETION),
        );
    }),
  );
  const provider = kept(
    new OpenAIProvider({ apiKey: '', baseUrl: upstream.url, streamUsage: true, clock: systemClock }),
  );
  return { upstream, provider };
}

function call(stream: boolean): ProviderCall {
  const body = { model: 'm', messages: [{ role: 'user', content: 'x' }], stream };
  const { signal } = new AbortController();
  const request = { text: JSON.stringify(body), body };
  return { request, model: 'm', maxOutputTokens: null, adapt: false, signal, connectTimeoutMs: 1000 };
}

it.each(['closed', 'reset'] as const)('sends again what met a connection that was just being %s', async (end) => {
  const { upstream, provider } = await serving(1, end);
  await provider.complete(call(false));
  // Only then the connection is free.
  await nextTurn();
  await provider.complete(call(false));
  // The first, the one that was lost, and that once more.
  expect(upstream.bodies).toHaveLength(3);
  const other = await serving(1, end);
  await other.provider.complete(call(false));
  await nextTurn();
  const { pieces } = await other.provider.stream(call(true));
  for await (const { bytes } of pieces) expect(bytes.length).toBeGreaterThan(0);
  expect(other.upstream.bodies).toHaveLength(3);
});

it.each(['closed', 'reset'] as const)('takes a new connection that is %s for a failure', async (end) => {
  const { upstream, provider } = await serving(0, end);
  await expect(provider.complete(call(false))).rejects.toMatchObject({ failure: 'connection' });
  await expect(provider.stream(call(true))).rejects.toMatchObject({ failure: 'connection' });
  expect(upstream.bodies).toHaveLength(2);
});

it('does not send again what had begun to be answered', async () => {
  const { upstream, provider } = await serving(1, 'begun');
  await provider.complete(call(false));
  await nextTurn();
  await expect(provider.complete(call(false))).rejects.toMatchObject({ failure: 'connection' });
  expect(upstream.bodies).toHaveLength(2);
});

it.each([
  ['three times at most', 300, 3],
  ['once where it was lost after more than a second, and may have been worked on', 1001, 1],
])('sends %s', async (_, lostAfterMs, times) => {
  const clock = new ManualClock();
  let sent = 0;
  const ask = async () => {
    sent++;
    clock.advance(lostAfterMs);
    // As undici's.
    throw Object.assign(new Error('other side closed'), { socket: { bytesRead: 400 } });
  };
  await expect(new StaleConnections(clock).pastThem(ask)).rejects.toThrow('other side closed');
  expect(sent).toBe(times);
});
