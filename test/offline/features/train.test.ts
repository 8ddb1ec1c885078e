import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { LexicalEmbedder } from '../../../src/features/lexical-embedder.ts';
import { decodeMap, EMBEDDING_LENGTH, loadLexicalMap } from '../../../src/features/lexical-map.ts';
import { NGRAM_BUCKETS, NgramCounter } from '../../../src/features/ngrams.ts';
import { Tagger } from '../../../src/features/tagger.ts';
import { type ComposedMap, composeMap, placeTags, quantise } from '../../../src/offline/features/compose.ts';
import { readCorpus } from '../../../src/offline/features/corpus.ts';
import { columnStatistics, leadingColumns } from '../../../src/offline/features/dense.ts';
import { nameTags } from '../../../src/offline/features/describe.ts';
import { applyStages, fitPipeline, PIPELINE_DEFAULTS } from '../../../src/offline/features/pipeline.ts';
import {
  inverseDocumentFrequency,
  logCounts,
  timesDense,
  weightAndNormalise,
} from '../../../src/offline/features/sparse-matrix.ts';
import { tellingNgrams } from '../../../src/offline/features/telling-ngrams.ts';
import { trainLexicalMap } from '../../../src/offline/features/train.ts';
import { truncatedSvd } from '../../../src/offline/features/truncated-svd.ts';
import { seededRandom } from '../../../src/util/random.ts';

const KINDS = {
  fruit: 'apples pears how many does she buy in the market with 5 coins and 12 baskets'.split(' '),
  code: 'def return list function python loop (x) {y} = write; index array string'.split(' '),
  history: 'king war century empire treaty who was when did the revolution battle france'.split(' '),
};

/** Made-up prompts of three kinds, in turn. */
function inventPrompts(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  const kinds = Object.values(KINDS);
  return Array.from({ length: count }, (_, i) => {
    const words = kinds[i % kinds.length];
    return Array.from({ length: 12 }, () => words[Math.floor(random.uniform() * words.length)]).join(' ');
  });
}

const SIZES = { latent: 12, kept: 4, tags: 3 };
const PROMPTS = inventPrompts(240, 1);
const FRESH = [...inventPrompts(30, 2), '你好 🙂', 'nothing like the others'];

/** The composed map, applied in full precision. */
function apply(map: ComposedMap, text: string): number[] {
  const counter = new NgramCounter();
  counter.count(text);
  const sums = new Array<number>(map.dimensions).fill(0);
  let squares = 0;
  for (const bucket of counter.occupied.subarray(0, counter.size)) {
    const value = (1 + Math.log(counter.counts[bucket])) * map.idf[bucket];
    squares += value ** 2;
    for (let k = 0; k < map.dimensions; k++) sums[k] += value * map.ngrams[bucket * map.dimensions + k];
  }
  const place = sums.map((sum, k) => sum / Math.sqrt(squares) + map.bias[k]);
  return place.map((value) => (value / Math.hypot(...place)) * EMBEDDING_LENGTH);
}

/** Positions of the prompts in the leading latent dimensions: prompts × kept. */
function latentPlaces(): Float64Array {
  const matrix = logCounts(PROMPTS);
  weightAndNormalise(matrix, inverseDocumentFrequency(matrix));
  const { components } = truncatedSvd(matrix, SIZES.latent, seededRandom(PIPELINE_DEFAULTS.seed));
  return leadingColumns(timesDense(matrix, components, SIZES.latent), SIZES.latent, SIZES.kept);
}

describe('the feature map', () => {
  const fit = fitPipeline(PROMPTS, { ...PIPELINE_DEFAULTS, ...SIZES });
  const map = composeMap(fit.stages);

  it('equals its stages applied one after the other', () => {
    const expected = applyStages(fit.stages, FRESH);
    FRESH.forEach((text, row) => {
      apply(map, text).forEach((value, k) => {
        expect(value).toBeCloseTo(expected[row * SIZES.kept + k], 6);
      });
    });
  });

  it('reproduces the fitted embeddings', () => {
    PROMPTS.slice(0, 20).forEach((text, row) => {
      apply(map, text).forEach((value, k) => {
        expect(value).toBeCloseTo(fit.embeddings[row * SIZES.kept + k], 6);
      });
    });
  });

  it('standardises the leading latent dimensions, then scales every embedding to the same length', () => {
    const scores = latentPlaces();
    const { mean, sd } = columnStatistics(scores, SIZES.kept);
    PROMPTS.slice(0, 20).forEach((text, row) => {
      const place = Array.from(mean, (value, k) => (scores[row * SIZES.kept + k] - value) / sd[k]);
      const embedding = apply(map, text);
      expect(Math.hypot(...embedding)).toBeCloseTo(EMBEDDING_LENGTH, 9);
      for (const k of place.keys()) expect(embedding[k] * place[0]).toBeCloseTo(embedding[0] * place[k], 6);
    });
  });

  it('embeds a text without n-grams at the origin', () => {
    const weights = quantise(map, placeTags(fit.embeddings, SIZES.kept, fit.labels, 3), 8);
    const embedder = new LexicalEmbedder({ ...weights, hash: '0'.repeat(64), tagNames: [] });
    expect(Array.from(embedder.embedNow(''))).toEqual(new Array(SIZES.kept).fill(0));
  });

  it.each([
    [8, 0.05],
    [16, 0.001],
  ] as const)('loses little when its weights are rounded to %i bits', (bits, error) => {
    const places = placeTags(fit.embeddings, SIZES.kept, fit.labels, 3);
    const embedder = new LexicalEmbedder({ ...quantise(map, places, bits), hash: '0'.repeat(64), tagNames: [] });
    for (const text of FRESH) {
      const exact = apply(map, text);
      embedder.embedNow(text).forEach((value, k) => {
        expect(Math.abs(value - exact[k])).toBeLessThan(error);
      });
    }
  });

  it('finds the kinds of prompts as tags, in new prompts too', () => {
    const places = placeTags(fit.embeddings, SIZES.kept, fit.labels, 3);
    const weights = quantise(map, places, 8);
    const embedder = new LexicalEmbedder({ ...weights, hash: '0'.repeat(64), tagNames: ['a', 'b', 'c'] });
    const tagger = new Tagger({ ...weights, tagNames: ['a', 'b', 'c'] });
    inventPrompts(60, 3).forEach((text, i) => {
      expect(tagger.tag(embedder.embedNow(text)).id).toBe(fit.labels[i % 3]);
    });
  });

  it('needs enough different prompts', () => {
    const fitted = (prompts: string[]) => fitPipeline(prompts, { ...PIPELINE_DEFAULTS, ...SIZES });
    expect(() => fitted(PROMPTS.slice(0, 20))).toThrow(/^20 prompts are too few/);
    const repeated = Array.from({ length: 300 }, (_, i) => PROMPTS[i % 20]);
    expect(() => fitted(repeated)).toThrow(/^20 different prompts among 300 are too few/);
  });
});

describe('trainLexicalMap', () => {
  const request = {
    corpus: { files: [{ name: 'routellm_mmlu.jsonl.gz', rows: 240 }], texts: PROMPTS },
    seed: 5,
    knownTags: [],
    command: 'mixllm train features',
    date: new Date('2026-01-02T03:04:05Z'),
    sizes: SIZES,
  };

  it('gives the same bytes for the same corpus and seed, whatever the date', () => {
    const progress: string[] = [];
    const first = trainLexicalMap({ ...request, onProgress: (stage) => progress.push(stage) });
    const second = trainLexicalMap({ ...request, date: new Date(0), command: 'again', onProgress: () => {} });
    expect(second.bytes.equals(first.bytes)).toBe(true);
    expect(second.description.sha256).toBe(first.description.sha256);
    expect(new Set(progress).size).toBeGreaterThanOrEqual(4);
    expect(trainLexicalMap({ ...request, seed: 6, onProgress: () => {} }).bytes.equals(first.bytes)).toBe(false);
  });

  it('describes the map and its sources', () => {
    const { bytes, description } = trainLexicalMap({ ...request, onProgress: () => {} });
    expect(decodeMap(bytes)).toMatchObject({ dimensions: SIZES.kept });
    expect(decodeMap(bytes).idf).toHaveLength(NGRAM_BUCKETS);
    expect(description).toMatchObject({
      date: '2026-01-02T03:04:05.000Z',
      seed: 5,
      prompts: 240,
      corpus: [{ name: 'routellm_mmlu.jsonl.gz', rows: 240, source: { licence: 'Apache-2.0' } }],
    });
    expect(description.tags.reduce((sum, { prompts }) => sum + prompts, 0)).toBe(240);
    expect(description.tags.find(({ ngrams }) => ngrams.includes('python'))?.ngrams).toContain('function');
  });
});

describe('names of tags', () => {
  it('come from n-grams that are frequent in the tag and rare elsewhere', () => {
    const labels = Int32Array.from(PROMPTS, (_, i) => i % 3);
    const [fruit, code, history] = tellingNgrams(PROMPTS, labels, 3, 20);
    expect(fruit).toContain('apples');
    expect(code).toContain('python');
    expect(history).toContain('king');
    expect(fruit).not.toContain('king');
  });

  it('omit n-grams of few prompts', () => {
    const texts = [...PROMPTS, 'confidential merger'];
    expect(
      tellingNgrams(
        texts,
        Int32Array.from(texts, (_, i) => Number(i === 240)),
        2,
        20,
      )[1],
    ).toEqual([]);
  });

  it('are kept in a new training run', () => {
    const known = [
      { name: 'Python coding', ngrams: ['python', 'def', 'return'] },
      { name: 'history', ngrams: ['king', 'war'] },
    ];
    const tellings = [['war', 'king', 'treaty'], ['apples', 'pears'], ['def', 'python', 'list'], []];
    expect(nameTags(tellings, known)).toEqual(['history', 'apples, pears', 'Python coding', 'tag 3']);
  });
});

describe('readCorpus', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mixllm-corpus-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const line = (row: object) => `${JSON.stringify(row)}\n`;

  it('reads plain and gzipped files, prefers the question, and cuts long prompts in the middle', async () => {
    const plain = write('a.jsonl', line({ prompt: 'first' }) + line({ prompt: 'examples', question: 'second' }));
    const zipped = write(
      'b.jsonl.gz',
      gzipSync(line({ prompt: `${'h'.repeat(5000)}${'t'.repeat(5000)}`, question: null })),
    );
    const { files, texts } = await readCorpus([plain, zipped]);
    expect(files).toEqual([
      { name: 'a.jsonl', rows: 2 },
      { name: 'b.jsonl.gz', rows: 1 },
    ]);
    expect(texts.slice(0, 2)).toEqual(['first', 'second']);
    expect(texts[2]).toBe(`${'h'.repeat(2000)}\n${'t'.repeat(2000)}`);
  });

  it('takes only the first rows of each file if limited', async () => {
    const file = write('many.jsonl', Array.from({ length: 5 }, (_, i) => line({ prompt: `p${i}` })).join(''));
    expect((await readCorpus([file, file], 2)).texts).toEqual(['p0', 'p1', 'p0', 'p1']);
  });

  it('names the file and line of what it cannot read', async () => {
    await expect(readCorpus([write('bad.jsonl', `${line({ prompt: 'ok' })}{`)])).rejects.toThrow(/bad\.jsonl, line 2/);
    await expect(readCorpus([write('wrong.jsonl', line({ text: 'x' }))])).rejects.toThrow(/line 1: prompt/);
    await expect(readCorpus([join(folder, 'none.jsonl')])).rejects.toThrow(/Cannot read .*none\.jsonl/);
    await expect(readCorpus([join(folder, 'none.jsonl.gz')])).rejects.toThrow(/Cannot read .*none\.jsonl\.gz/);
    await expect(readCorpus([write('text.jsonl.gz', 'not gzipped')])).rejects.toThrow(/Cannot read .*text\.jsonl\.gz/);
  });
});

const DATA = new URL('../../../../shared/data/', import.meta.url);
const available = existsSync(new URL('routellm_mmlu.jsonl.gz', DATA));

describe.skipIf(!available)(
  available ? 'the map that ships, on public prompts' : 'the map that ships: SKIPPED, ../shared/data is absent',
  () => {
    it('spreads its corpora about evenly over its dimensions, with all embeddings of equal length', async () => {
      const names = ['ulab_llmrouter9', 'routellm_mmlu', 'routerdc_7b'];
      const files = names.map((name) => new URL(`${name}.jsonl.gz`, DATA).pathname);
      const { texts } = await readCorpus(files, 8000);
      const embedder = new LexicalEmbedder(loadLexicalMap());
      const sample = texts.filter((_, i) => i % 10 === 0).map((text) => embedder.embedNow(text));
      for (const vector of sample) expect(Math.hypot(...vector)).toBeCloseTo(EMBEDDING_LENGTH, 5);
      const even = EMBEDDING_LENGTH ** 2 / embedder.dimensions;
      for (let k = 0; k < embedder.dimensions; k++) {
        const mean = sample.reduce((sum, vector) => sum + vector[k], 0) / sample.length;
        const variance = sample.reduce((sum, vector) => sum + (vector[k] - mean) ** 2, 0) / sample.length;
        expect(Math.abs(mean)).toBeLessThan(0.15);
        expect(variance).toBeGreaterThan(0.5 * even);
        expect(variance).toBeLessThan(2.5 * even);
      }
    });
  },
);
