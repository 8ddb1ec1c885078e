import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../../src/features/transformers/model-thread.ts';
import { loadProjection } from '../../../src/features/transformers/projection.ts';
import {
  TransformersEmbedder,
  type TransformersOptions,
} from '../../../src/features/transformers/transformers-embedder.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { cleanup } from '../../support/cleanup.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { writeTinyBert } from '../../support/tiny-bert/tiny-bert.ts';
import { embedderContract } from '../embedder-contract.ts';
import { inventPrompts, makeTinyModel, type TinyModel, WORDS } from './support.ts';

let tiny: TinyModel;
let shared: TransformersEmbedder;
/** Texts sent to the shared embedder's thread. */
const sent: string[] = [];

function make(options: Partial<TransformersOptions> = {}): TransformersEmbedder {
  return new TransformersEmbedder({
    model: tiny.folder,
    map: loadProjection(pathToFileURL(tiny.map)),
    clock: systemClock,
    cacheFolder: join(tiny.folder, '..', 'hub'),
    budgetMs: 60_000,
    onHealth: () => {},
    ...options,
  });
}

beforeAll(async () => {
  tiny = await makeTinyModel();
  shared = make({
    startWorker(data) {
      const worker = startWorker(data);
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (texts: { text: string }[]) => {
        sent.push(...texts.map(({ text }) => text));
        post(texts);
      };
      return worker;
    },
  });
  await shared.start();
});
afterAll(async () => {
  await shared?.close();
  tiny?.remove();
});

embedderContract(
  'TransformersEmbedder',
  () => shared,
  () => make({ budgetMs: 50 }),
);

describe('TransformersEmbedder', () => {
  const kept = cleanup();

  it('has dimensions with mean 0 and about unit variance over prompts like those of its map', async () => {
    const vectors = await Promise.all(inventPrompts(120, 9).map((text) => shared.embed(text)));
    for (let k = 0; k < shared.dimensions; k++) {
      const mean = vectors.reduce((sum, vector) => sum + vector[k], 0) / vectors.length;
      const variance = vectors.reduce((sum, vector) => sum + (vector[k] - mean) ** 2, 0) / vectors.length;
      expect(Math.abs(mean)).toBeLessThan(0.4);
      expect(variance).toBeGreaterThan(0.4);
      expect(variance).toBeLessThan(2);
    }
  });

  it('keeps kinds of prompts apart: no tag covers two of them', async () => {
    const tags = await Promise.all(inventPrompts(60, 4).map(async (text) => shared.tagOf(await shared.embed(text))));
    const kindsOf = new Map<string, Set<number>>();
    tags.forEach((tag, i) => {
      kindsOf.set(tag, (kindsOf.get(tag) ?? new Set()).add(i % 3));
    });
    for (const kinds of kindsOf.values()) expect(kinds.size).toBe(1);
  });

  it('embeds a text once, whether requested again or at the same time', async () => {
    const [first, second] = await Promise.all([shared.embed('only once'), shared.embed('only once')]);
    const third = await shared.embed('only once');
    expect(sent.filter((text) => text === 'only once')).toHaveLength(1);
    expect([second, third]).toEqual([first, first]);
    expect(second).not.toBe(first);
    expect(third).not.toBe(first);
  });

  it('reads the beginning and the end of a long text', async () => {
    const long = (middle: string, tail: string) =>
      `${'king war '.repeat(20)}${`${middle} `.repeat(40)}${'list number '.repeat(20)}${tail}`;
    const all = await shared.embed(long('apples', 'python'));
    // Text features cover the whole text, and these texts do not differ in them.
    expect(await shared.embed(long('market', 'python'))).toEqual(all);
    expect(await shared.embed(long('apples', 'battle'))).not.toEqual(all);
  });

  it("has an id that depends on the map, the model's files and how they are used", () => {
    const map = loadProjection(pathToFileURL(tiny.map));
    const idOf = (change: Partial<typeof map.model>, hash = map.hash) =>
      make({ map: { ...map, hash, model: { ...map.model, ...change } } }).id;
    const ids = [
      shared.id,
      idOf({}, '0'.repeat(64)),
      idOf({ fingerprint: '0'.repeat(64) }),
      idOf({ dtype: 'fp32' }),
      idOf({ maxTokens: 128 }),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    // The location of the files and the name of the model do not matter.
    expect(make({ model: '/elsewhere' }).id).toBe(shared.id);
    expect(idOf({ name: 'other' })).toBe(shared.id);
  });

  it('refuses to start with a model other than that of its map', async () => {
    const other = join(tiny.folder, '..', 'other');
    writeTinyBert(other, { words: WORDS.slice(1) });
    await expect(kept(make({ model: other })).start()).rejects.toThrow(
      /fitted on the vectors of tiny-bert.*train features --embedder transformers/s,
    );
  });

  it.each([
    ['a folder that is not there', '/none/such', /there is no folder \/none\/such/],
    ['a folder without a model', '..', /lacks config\.json, tokenizer\.json/],
  ])('on %s, explains how to download a model or do without', async (_, folder, reason) => {
    const model = folder === '..' ? join(tiny.folder, folder) : folder;
    const embedder = kept(make({ model }));
    await expect(embedder.start()).rejects.toThrow(reason);
    await expect(embedder.start()).rejects.toThrow(/embedding\.model to that folder \(hf download .*kind: lexical/s);
    await expect(embedder.embed('x')).rejects.toThrow(/not loaded/);
  });

  it('reports damaged weights', async () => {
    const damaged = join(tiny.folder, '..', 'damaged');
    cpSync(tiny.folder, damaged, { recursive: true });
    const weights = join(damaged, 'onnx/model_quantized.onnx');
    writeFileSync(weights, readFileSync(weights).subarray(0, 5000));
    await expect(kept(make({ model: damaged })).start()).rejects.toThrow(/cannot be loaded: .*kind: lexical/s);
    rmSync(damaged, { recursive: true });
  });

  it('rejects a text that takes longer than its budget', async () => {
    const clock = new ManualClock();
    const embedder = kept(make({ clock, budgetMs: 250 }));
    await embedder.start();
    const late = embedder.embed('not within no time at all');
    clock.advance(249);
    clock.advance(1);
    await expect(late).rejects.toThrow('the embedding model took longer than 250 ms');
    await expect(embedder.embed('how many apples')).resolves.toHaveLength(embedder.dimensions);
  });
});
