import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';
import { WIRES } from '../support/wire.ts';

const kept = cleanup();

/** Sends a chat request and leaves when `leave` is called, by closing its socket. */
function client({ url }: TestGateway, fields: object) {
  const leaving = new AbortController();
  const response = fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ask('x'.repeat(400), { model: 'big', ...fields })),
    signal: leaving.signal,
  });
  response.catch(() => {});
  return { response, leave: () => leaving.abort() };
}

async function completedEvent({ gateway }: TestGateway) {
  let found: Awaited<ReturnType<typeof gateway.store.readAfter>>[number] | undefined;
  await until(async () => {
    await gateway.eventLog.flush();
    found = (await gateway.store.readAfter(0, 10)).find(({ type }) => type === 'completed');
    return found !== undefined;
  });
  return found;
}

const TEXT = 'word '.repeat(40);

describe('a client that leaves', () => {
  for (const format of ['openai', 'anthropic'] as const) {
    const wire = WIRES[format];
    const moments = {
      'while it waits for a whole answer': { stream: false, written: '' },
      'before the headers of a stream': { stream: true, written: '' },
      'before the first token': { stream: true, written: wire.opening },
      'in the middle of a stream': { stream: true, written: wire.opening + wire.content(TEXT) },
    };
    for (const [moment, { stream, written }] of Object.entries(moments)) {
      it(`${moment} of ${format}: ends the call at once, is recorded with its usage, leaks nothing`, async () => {
        let answering: ServerResponse | undefined;
        const upstream = kept(
          await startRawUpstream((response) => {
            answering = response;
            if (written !== '') response.writeHead(200, { 'content-type': 'text/event-stream' }).write(written);
          }),
        );
        const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, formats: { big: format } }));
        const { response, leave } = client(gateway, { stream });
        await until(() => answering !== undefined);
        const closed = once(answering as ServerResponse, 'close');
        const hasContent = written.includes(TEXT);
        if (hasContent) await (await response).body?.getReader().read();
        // Gives the gateway time to read what was written.
        else await sleep(20);
        const left = performance.now();
        leave();
        await closed;
        expect(performance.now() - left).toBeLessThan(1000);

        // Anthropic reports the input, and the first token of the output, before any content.
        const isTold = format === 'anthropic' && written !== '';
        const inputTokens = isTold ? 11 : 100;
        const outputTokens = hasContent ? TEXT.length / 4 : Number(isTold);
        expect(await completedEvent(gateway)).toMatchObject({
          outcome: 'aborted',
          status: null,
          arm: hasContent ? 'big' : null,
          attempts: [{ arm: 'big', result: 'aborted' }],
          usage: { inputTokens, outputTokens, cachedInputTokens: 0, cacheWriteTokens: 0 },
          usageEstimated: true,
          costUsd: (inputTokens * 10 + outputTokens * 40) / 1e6,
        });
        await settled(gateway);
        expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_in_flight_requests{model="big"} 0');
        expect(gateway.gateway.learner.knowledge.statistics.serviceSeconds('big')).toBe(2);
        expect(gateway.logged.map((line) => JSON.parse(line)).filter(({ level }) => level >= 40)).toEqual([]);
      });
    }
  }

  it('during the pause before a retry is charged nothing, and no retry follows', async () => {
    const upstream = kept(
      await startRawUpstream((response) => response.writeHead(503, { 'retry-after': '4' }).end('{}')),
    );
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url } }));
    const { leave } = client(gateway, {});
    await until(() => upstream.bodies.length === 1);
    await sleep(20);
    leave();
    expect(await completedEvent(gateway)).toMatchObject({
      outcome: 'aborted',
      usage: null,
      usageEstimated: false,
      costUsd: null,
    });
    expect(upstream.bodies).toHaveLength(1);
  });
});

describe('the usage of a stream', () => {
  it('is estimated from its characters and marked as estimated if the upstream does not report it', async () => {
    const upstream = kept(
      await startRawUpstream((response) =>
        response.end(`${WIRES.openai.opening}${WIRES.openai.content(TEXT)}data: [DONE]\n\n`),
      ),
    );
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url } }));
    const reply = await client(gateway, { stream: true }).response;
    await reply.text();
    const record = await get(`${gateway.url}/v1/decisions/${reply.headers.get('x-mixllm-decision-id')}`);
    expect(record.json.outcome).toMatchObject({
      result: 'ok',
      usage: { prompt_tokens: 100, completion_tokens: 50, estimated: true },
      cost_usd: (100 * 10 + 50 * 40) / 1e6,
    });
    await settled(gateway);
    const metrics = (await get(`${gateway.url}/metrics`)).text;
    expect(metrics).toContain('mixllm_cost_usd_total{model="big"} 0.003');
  });

  it('is recorded for the part that arrived if the stream breaks off', async () => {
    for (const format of ['openai', 'anthropic'] as const) {
      const wire = WIRES[format];
      const upstream = kept(
        await startRawUpstream((response) => {
          response.write(wire.opening + wire.content(TEXT));
          setImmediate(() => response.destroy());
        }),
      );
      const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, formats: { big: format } }));
      const text = await (await client(gateway, { stream: true }).response).text();
      expect(text).toContain(TEXT);
      expect(text).not.toContain('[DONE]');
      expect(JSON.parse(text.trim().split('\n\n').at(-1)?.slice('data: '.length) ?? '').error.message).toBeTruthy();
      const inputTokens = format === 'anthropic' ? 11 : 100;
      expect(await completedEvent(gateway)).toMatchObject({
        outcome: 'interrupted',
        arm: 'big',
        usage: { inputTokens, outputTokens: 50 },
        usageEstimated: true,
        costUsd: (inputTokens * 10 + 50 * 40) / 1e6,
      });
    }
  });

  it('is not estimated if the upstream reported it at the end', async () => {
    for (const format of ['openai', 'anthropic'] as const) {
      const wire = WIRES[format];
      const upstream = kept(
        await startRawUpstream((response) => response.end(wire.opening + wire.content(TEXT) + wire.closing)),
      );
      const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, formats: { big: format } }));
      await (await client(gateway, { stream: true }).response).text();
      expect(await completedEvent(gateway)).toMatchObject({
        outcome: 'ok',
        usage: { inputTokens: 11, outputTokens: 7 },
        usageEstimated: false,
      });
    }
  });
});
