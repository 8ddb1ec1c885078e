import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { StartWorker } from '../../../src/features/transformers/model-thread.ts';
import { type EncoderOptions, SentenceEncoder } from '../../../src/features/transformers/sentence-encoder.ts';
import { cleanup } from '../../support/cleanup.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { writeTinyBert } from '../../support/tiny-bert/tiny-bert.ts';
import { until } from '../../support/until.ts';

const kept = cleanup();

/** Real threads that run the test's own code in place of a model. `answer` runs for each text. */
function threads(...codes: string[]): { startWorker: StartWorker; started: Worker[] } {
  const started: Worker[] = [];
  const startWorker = () => {
    const worker = new Worker(codes[Math.min(started.length, codes.length - 1)], { eval: true });
    started.push(worker);
    return worker;
  };
  return { startWorker, started };
}

function modelThat(answer: string, fingerprint = 'f'): string {
  return `const { parentPort } = require('node:worker_threads');
    const vector = (id, value) => parentPort.postMessage({ kind: 'vector', id, vector: Float32Array.of(value, 0) });
    const failed = (id, reason) => parentPort.postMessage({ kind: 'failed', id, reason });
    parentPort.postMessage({ kind: 'ready', width: 2, fingerprint: '${fingerprint}' });
    let batches = 0;
    parentPort.on('message', (texts) => { batches++; for (const { id, text } of texts) { ${answer} } });`;
}

const LENGTHS = modelThat('vector(id, text.length)');
const SILENT = modelThat('');
const STUCK = modelThat('for (;;);');

async function start(startWorker: StartWorker, options: Partial<EncoderOptions> = {}) {
  const clock = new ManualClock();
  const health: [boolean, string][] = [];
  const encoder = kept(
    new SentenceEncoder({
      model: 'any',
      dtype: 'q8',
      maxTokens: 16,
      cacheFolder: '/nowhere',
      budgetMs: 250,
      clock,
      onHealth: (healthy, reason) => health.push([healthy, reason]),
      startWorker,
      ...options,
    }),
  );
  const facts = await encoder.start();
  return { clock, health, encoder, facts };
}

describe('SentenceEncoder', () => {
  it('gives each text its own vector, however many are requested at once', async () => {
    const { encoder, facts } = await start(threads(LENGTHS).startWorker);
    const texts = Array.from({ length: 50 }, (_, i) => 'x'.repeat(i));
    const vectors = await Promise.all(texts.map((text) => encoder.encode(text)));
    expect(facts).toEqual({ width: 2, fingerprint: 'f' });
    expect(vectors.map((vector) => vector[0])).toEqual(texts.map((text) => text.length));
  });

  it('sends waiting texts in batches, so that few are started in vain', async () => {
    const { encoder } = await start(threads(modelThat('vector(id, batches)')).startWorker);
    const vectors = await Promise.all(Array.from({ length: 9 }, () => encoder.encode('x')));
    expect(vectors.map((vector) => vector[0])).toEqual([1, 2, 2, 2, 2, 3, 3, 3, 3]);
  });

  it('fails only the text that the model fails on', async () => {
    const { encoder } = await start(
      threads(modelThat("text === 'bad' ? failed(id, 'no such text') : vector(id, 1)")).startWorker,
    );
    const [bad, good] = await Promise.allSettled([encoder.encode('bad'), encoder.encode('good')]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: 'no such text' } });
    expect(good.status).toBe('fulfilled');
  });

  it('prints nothing of a text that a real model fails on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mixllm-bert-'));
    // The model has fewer positions than its tokeniser claims.
    writeTinyBert(folder, { words: ['secret'], positions: 8 });
    const claim = { tokenizer_class: 'BertTokenizer', unk_token: '[UNK]', model_max_length: 64 };
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(claim));
    const printed: string[] = [];
    const file = new URL('../../../src/features/transformers/worker.ts', import.meta.url);
    const startWorker: StartWorker = (workerData) => {
      const worker = new Worker(file, { workerData, stdout: true, stderr: true });
      for (const output of [worker.stdout, worker.stderr]) output.on('data', (data) => printed.push(String(data)));
      return worker;
    };
    const { encoder } = await start(startWorker, { model: folder, maxTokens: 64, budgetMs: null });
    await expect(encoder.encode('secret '.repeat(20))).rejects.toThrow();
    await encoder.close();
    rmSync(folder, { recursive: true });
    expect(printed).toEqual([]);
  });

  it('limits how many texts wait, each for no longer than the budget', async () => {
    const { encoder, clock } = await start(threads(SILENT).startWorker);
    // The first text is not waiting: the thread has it.
    const outcomes = Promise.allSettled(Array.from({ length: 257 }, () => encoder.encode('x')));
    await expect(encoder.encode('one too many')).rejects.toThrow('256 texts are already waiting');
    clock.advance(250);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ reason: { message: 'the embedding model took longer than 250 ms' } });
    }
    const next = encoder.encode('x');
    clock.advance(250);
    await expect(next).rejects.toThrow('longer than 250 ms');
  });

  it('does not start texts that nobody is waiting for any more', async () => {
    const slow = modelThat('setTimeout(() => vector(id, batches), 20)');
    const { encoder, clock } = await start(threads(slow).startWorker);
    const outcomes = Promise.allSettled(Array.from({ length: 9 }, () => encoder.encode('x')));
    clock.advance(250);
    for (const { status } of await outcomes) expect(status).toBe('rejected');
    expect((await encoder.encode('x'))[0]).toBe(2);
  });

  it('waits indefinitely without a budget', async () => {
    const { encoder, clock } = await start(threads(LENGTHS).startWorker, { budgetMs: null });
    const vector = encoder.encode('abc');
    clock.advance(9_999);
    expect((await vector)[0]).toBe(3);
  });

  it('restarts a thread that died, and until then rejects every text at once', async () => {
    const { startWorker, started } = threads(SILENT, LENGTHS);
    const { encoder, clock, health } = await start(startWorker);
    const lost = encoder.encode('x');
    const expected = expect(lost).rejects.toThrow('the embedding model was lost: its thread ended with code 1');
    await started[0].terminate();
    await expected;
    await expect(encoder.encode('x')).rejects.toThrow('not loaded');
    expect(health).toEqual([[false, 'its thread ended with code 1']]);
    clock.advance(999);
    expect(started).toHaveLength(1);
    clock.advance(1);
    await until(() => health.length === 2);
    expect(health[1][0]).toBe(true);
    expect((await encoder.encode('four'))[0]).toBe(4);
  });

  it('reports the reason of a crash in the thread', async () => {
    const { encoder, health } = await start(threads(modelThat("throw new Error('segfault of sorts')")).startWorker);
    await expect(encoder.encode('x')).rejects.toThrow('segfault of sorts');
    expect(health).toEqual([[false, 'segfault of sorts']]);
  });

  it('doubles the wait after each failed restart up to a minute, and resets it once it works', async () => {
    const dies = 'process.exit(3)';
    const { startWorker, started } = threads(LENGTHS, ...Array.from({ length: 8 }, () => dies), LENGTHS);
    const { encoder, clock, health } = await start(startWorker);
    await started[0].terminate();
    await until(() => health.length === 1);
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const before = [started.length, health.length];
      clock.advance(1000 * seconds - 1);
      expect(started).toHaveLength(before[0]);
      clock.advance(1);
      await until(() => health.length > before[1]);
      expect(health.at(-1)).toEqual([false, 'its thread ended with code 3']);
    }
    clock.advance(60_000);
    await until(() => health.at(-1)?.[0] === true);
    await encoder.encode('x');
    await started.at(-1)?.terminate();
    await until(() => health.at(-1)?.[0] === false);
    clock.advance(1000);
    await until(() => health.at(-1)?.[0] === true);
  });

  it('gives up on a thread that answers nothing for ten seconds', async () => {
    const { startWorker, started } = threads(STUCK, LENGTHS);
    const { encoder, clock, health } = await start(startWorker);
    const outcome = expect(encoder.encode('x')).rejects.toThrow('longer than 250 ms');
    clock.advance(10_000);
    await outcome;
    await until(() => health.length === 1);
    expect(health).toEqual([[false, 'it gave no answer for 10 s']]);
    clock.advance(1000);
    await until(() => health.length === 2);
    expect((await encoder.encode('xx'))[0]).toBe(2);
    expect(started).toHaveLength(2);
  });

  it("does not continue if the model's files have changed since the start", async () => {
    const { startWorker, started } = threads(LENGTHS, modelThat('vector(id, 99)', 'other'), LENGTHS);
    const { encoder, clock, health } = await start(startWorker);
    await started[0].terminate();
    await until(() => health.length === 1);
    clock.advance(1000);
    await until(() => health.length === 2);
    expect(health[1]).toEqual([false, "the model's files have changed"]);
    await expect(encoder.encode('x')).rejects.toThrow('not loaded');
    clock.advance(2000);
    await until(() => health.length === 3);
    expect((await encoder.encode('x'))[0]).toBe(1);
  });

  it.each([
    ['while it embeds', SILENT],
    ['while it loads', 'setInterval(() => {}, 1000)'],
    ['while it is stuck', STUCK],
  ])('leaves no thread behind when it is closed %s', async (_, code) => {
    const { startWorker, started } = threads(code);
    const encoder = new SentenceEncoder({
      model: 'any',
      dtype: 'q8',
      maxTokens: 16,
      cacheFolder: '/nowhere',
      budgetMs: null,
      clock: new ManualClock(),
      startWorker,
    });
    const starting = encoder.start();
    if (code.includes('ready')) await starting;
    const outcome = code.includes('ready') ? encoder.encode('x') : starting;
    const expected = expect(outcome).rejects.toThrow('is being closed');
    await encoder.close();
    await expected;
    expect(started.map(({ threadId }) => threadId)).toEqual([-1]);
  });

  it('is not restarted after it was closed', async () => {
    const { startWorker, started } = threads(LENGTHS);
    const { encoder, clock, health } = await start(startWorker);
    await started[0].terminate();
    await until(() => health.length === 1);
    await encoder.close();
    clock.advance(60_000);
    expect(started).toHaveLength(1);
  });
});
