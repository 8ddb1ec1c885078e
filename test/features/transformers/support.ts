import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { descriptionFile } from '../../../src/features/lexical-map.ts';
import { SentenceEncoder } from '../../../src/features/transformers/sentence-encoder.ts';
import { trainProjection } from '../../../src/offline/features/train-projection.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { writeTinyBert } from '../../support/tiny-bert/tiny-bert.ts';

const KINDS = [
  'apples pears how many does she buy in the market with 5 coins and 12 baskets',
  'write a python function def return list that returns the largest smallest number of given to find',
  'who was king war century empire the first president elected when did battle of states',
].map((words) => words.split(' '));

export const WORDS = [...new Set(KINDS.flat())].filter((word) => /^[a-z]+$/.test(word));

/** Made-up prompts of three kinds, in turn. */
export function inventPrompts(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const words = KINDS[i % KINDS.length];
    return Array.from({ length: 12 }, () => words[Math.floor(random.uniform() * words.length)]).join(' ');
  });
}

export const SETTINGS = { dtype: 'q8', maxTokens: 64 } as const;

export interface TinyModel {
  /** The model's files. */
  folder: string;
  /** A map fitted on its vectors. */
  map: string;
  remove(): void;
}

/** A small BERT with random weights, and a map fitted on its vectors for made-up prompts, in a new folder. */
export async function makeTinyModel(): Promise<TinyModel> {
  const root = mkdtempSync(join(tmpdir(), 'mixllm-bert-'));
  const folder = join(root, 'tiny-bert');
  writeTinyBert(folder, { words: WORDS });
  const map = join(root, 'transformers-map.bin');
  await fitMap(folder, map);
  return { folder, map, remove: () => rmSync(root, { recursive: true }) };
}

export async function fitMap(folder: string, file: string): Promise<void> {
  const encoder = new SentenceEncoder({
    ...SETTINGS,
    model: folder,
    clock: systemClock,
    cacheFolder: tmpdir(),
    budgetMs: null,
  });
  const { width, fingerprint } = await encoder.start();
  const { bytes, description } = await trainProjection({
    corpus: { files: [{ name: 'invented', rows: 300 }], texts: inventPrompts(300, 1) },
    seed: 3,
    knownTags: [],
    command: 'mixllm train features --embedder transformers',
    date: new Date(0),
    onProgress: () => {},
    encode: (text) => encoder.encode(text),
    width,
    model: { name: 'tiny-bert', fingerprint, ...SETTINGS },
    sizes: { tags: 6, directions: 5 },
  }).finally(() => encoder.close());
  writeFileSync(file, bytes);
  writeFileSync(descriptionFile(pathToFileURL(file)), JSON.stringify(description));
}
