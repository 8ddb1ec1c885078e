import { describe, expect, it } from 'vitest';
import { decodeProjection, project } from '../../../src/features/transformers/projection.ts';
import { applyDirections, fitDirections, PIPELINE_DEFAULTS } from '../../../src/offline/features/pipeline.ts';
import { trainProjection } from '../../../src/offline/features/train-projection.ts';
import { seededRandom } from '../../../src/util/random.ts';

const WIDTH = 12;
const SIZES = { tags: 3, directions: 2 };

/** Texts of three kinds, and vectors around a centre per kind. */
function invent(count: number, seed: number) {
  const random = seededRandom(seed);
  const texts = Array.from({ length: count }, (_, i) => `${['apples', 'python', 'kings'][i % 3]} number ${i}`);
  const vectors = new Map(
    texts.map((text, i) => [
      text,
      Float32Array.from({ length: WIDTH }, (_, k) => (k % 3 === i % 3 ? 0.4 : 0) + 0.05 * random.normal()),
    ]),
  );
  return { texts, vectors };
}

const { texts, vectors } = invent(300, 1);
const request = {
  corpus: { files: [{ name: 'mine.jsonl', rows: 300 }], texts },
  seed: 5,
  knownTags: [],
  command: 'mixllm train features --embedder transformers',
  date: new Date(0),
  onProgress: () => {},
  encode: async (text: string) => vectors.get(text) as Float32Array,
  width: WIDTH,
  model: { name: 'm', fingerprint: 'f', dtype: 'q8' as const, maxTokens: 128 },
  sizes: SIZES,
};

describe('trainProjection', () => {
  it('composes its stages into one map', async () => {
    const base = Float64Array.from(texts.flatMap((text) => [...(vectors.get(text) as Float32Array)]));
    const options = { ...PIPELINE_DEFAULTS, ...SIZES };
    const { stages } = fitDirections(base.slice(), WIDTH, texts, seededRandom(5), options);
    const map = decodeProjection((await trainProjection(request)).bytes);
    const expected = applyDirections(stages, base, texts);
    texts.forEach((text, row) => {
      project(map, vectors.get(text) as Float32Array, text).forEach((value, k) => {
        expect(Math.abs(value - expected[row * 2 + k])).toBeLessThan(1e-4);
      });
    });
  });

  it('gives the same bytes for the same vectors and seed, and describes its sources', async () => {
    const first = await trainProjection(request);
    const second = await trainProjection({ ...request, date: new Date(1) });
    expect(second.bytes.equals(first.bytes)).toBe(true);
    expect(first.description).toMatchObject({
      seed: 5,
      prompts: 300,
      model: request.model,
      corpus: [{ name: 'mine.jsonl', rows: 300, source: null }],
    });
    expect(first.description.tags.map(({ prompts }) => prompts)).toEqual([100, 100, 100]);
    expect(first.description.tags.map(({ name }) => name.includes('python')).filter(Boolean)).toHaveLength(1);
  });

  it('fails if a prompt has no vector, or if there are too few prompts', async () => {
    const encode = async () => {
      throw new Error('the embedding model was lost');
    };
    await expect(trainProjection({ ...request, encode })).rejects.toThrow('was lost');
    const few = { ...request.corpus, texts: texts.slice(0, 255) };
    await expect(trainProjection({ ...request, corpus: few })).rejects.toThrow(/255 prompts are too few/);
  });
});
