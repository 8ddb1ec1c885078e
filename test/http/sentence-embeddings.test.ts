import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../src/features/transformers/model-thread.ts';
import { StartError } from '../../src/wiring/start-error.ts';
import { inventPrompts, makeTinyModel, type TinyModel } from '../features/transformers/support.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, settled, startTestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/until.ts';

let tiny: TinyModel;
beforeAll(async () => {
  tiny = await makeTinyModel();
});
afterAll(() => tiny?.remove());
const kept = cleanup();
const everyWorker: Worker[] = [];

async function start(embedding: object = {}) {
  const clock = new ManualClock();
  const workers: Worker[] = [];
  const gateway = kept(
    await startTestGateway({
      clock,
      startWorker(data) {
        const worker = startWorker(data);
        workers.push(worker);
        everyWorker.push(worker);
        return worker;
      },
      config: { embedding: { kind: 'transformers', model: tiny.folder, map: tiny.map, ...embedding } },
    }),
  );
  const metric = async (name: string) => {
    const { text } = await get(`${gateway.url}/metrics`);
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`mixllm_${name} `))
        ?.split(' ')[1] ?? 0,
    );
  };
  const decide = async (prompt: string) => (await send(`${gateway.url}/v1/route`, ask(prompt))).json;
  return { gateway, clock, workers, metric, decide };
}

describe('a gateway with a sentence-embedding model', () => {
  it('answers, and learns from ratings what sentences mean', async () => {
    const { gateway, decide } = await start();
    const quality = async (prompt: string): Promise<number> => {
      const { models, degraded, query } = await decide(prompt);
      expect(degraded).toBe(null);
      expect(query.feature_map).toMatch(/^transformers-[0-9a-f]{12}\//);
      return models.find(({ model }: { model: string }) => model === 'small').quality;
    };
    // Not among the rated prompts, but made of the same words.
    const difference = async () =>
      (await quality('does she buy pears and apples in the market')) -
      (await quality('who was the president and king of war'));
    expect(Math.abs(await difference())).toBeLessThan(0.001);
    await Promise.all(
      inventPrompts(90, 11).map(async (prompt, i) => {
        if (i % 3 === 1) return;
        const answer = await send(`${gateway.url}/v1/chat/completions`, { ...ask(prompt), model: 'small' });
        const id = answer.headers.get('x-mixllm-decision-id');
        const rated = await send(`${gateway.url}/feedback`, { id, score: i % 3 === 0 ? 1 : 0 });
        expect([answer.status, rated.status]).toEqual([200, 202]);
      }),
    );
    await settled(gateway);
    expect(await difference()).toBeGreaterThan(0.05);
  });

  it('routes by the intercepts while the worker thread is gone, says so, and recovers on its own', async () => {
    const { gateway, clock, workers, metric, decide } = await start();
    expect((await decide('first')).degraded).toBe(null);
    await workers[0].terminate();
    const answer = await send(`${gateway.url}/v1/chat/completions`, ask('second'));
    expect(answer.status).toBe(200);
    expect((await decide('third')).degraded).toBe('embedder: the embedding model is not loaded');
    expect(await metric('degraded{part="embedder"}')).toBe(1);
    expect(await metric('degraded_decisions_total{part="embedder"}')).toBe(2);
    expect(gateway.logged.filter((line) => line.includes('The embedder failed'))).toHaveLength(1);
    expect(await metric('embedder_losses_total')).toBe(1);
    // A cached text is still routed properly, which does not mean that the embedder works again.
    expect((await decide('first')).degraded).toBe(null);
    expect(await metric('degraded{part="embedder"}')).toBe(1);
    clock.advance(1000);
    await until(() => gateway.logged.some((line) => line.includes('works again')));
    expect(await metric('degraded{part="embedder"}')).toBe(0);
    expect((await decide('fourth')).degraded).toBe(null);
    expect(gateway.logged.filter((line) => line.includes('will be restarted'))).toHaveLength(1);
  });

  it('routes a query whose embedding takes too long by the intercepts, and the next one normally', async () => {
    const { clock, metric, decide } = await start({ timeout_ms: 100 });
    const schedule = clock.after.bind(clock);
    // The model's time is up as soon as it is asked.
    clock.after = (milliseconds, callback) => {
      if (milliseconds !== 100) return schedule(milliseconds, callback);
      queueMicrotask(callback);
      return () => {};
    };
    const slow = await decide('a slow one');
    expect(slow.degraded).toBe('embedder: the embedding model took longer than 100 ms');
    expect(await metric('degraded{part="embedder"}')).toBe(1);
    clock.after = schedule;
    expect((await decide('an ordinary one')).degraded).toBe(null);
    expect(await metric('degraded{part="embedder"}')).toBe(0);
  });

  it.each([
    ['without its model', { model: '/none/such' }, /\/none\/such cannot be loaded.*hf download.*kind: lexical/s],
    ['without a map', { map: '/none/map.bin' }, /train features --embedder transformers --model .*kind: lexical/s],
  ])('does not start %s, and says what to do', async (_, embedding, message) => {
    const failure = await start(embedding).catch((error: Error) => error);
    expect(failure).toBeInstanceOf(StartError);
    expect((failure as Error).message).toMatch(message);
  });

  it('leaves no worker thread behind when it is closed', () => {
    expect(everyWorker.length).toBeGreaterThan(3);
    expect(everyWorker.map(({ threadId }) => threadId)).toEqual(everyWorker.map(() => -1));
  });
});
