import { beforeAll, describe, expect, it } from 'vitest';
import type { Embedder } from '../../src/features/embedder.ts';
import { mean } from '../../src/util/statistics.ts';

const ODD_TEXTS: Record<string, string> = {
  empty: '',
  'white space': ' \n\t\u00a0 ',
  'one letter': 'a',
  'a lone surrogate': `half a pair \ud83d and the other half \ude00`,
  emoji: '🙂🚀 👩‍👩‍👧 ok',
  Chinese: '下列说法正确的是哪一个？请回答。',
  'right to left': 'ما هي عاصمة فرنسا؟',
  'control characters': '\u0000\u0007\u001b[31m\u2028',
  'a megabyte of one letter': 'x'.repeat(2 ** 20),
  'a megabyte of words': 'route this query '.repeat(2 ** 16),
};

const ORDINARY_TEXTS = [
  'What is the capital of Australia, and why is it not Sydney?',
  'Write a python function that returns the ten most frequent words of a text file.',
  'A train leaves at 9:40 and takes 2 hours and 35 minutes. When does it arrive?',
  'Summarise the following article in three sentences for a ten-year-old.',
  'Which of the following is a noble gas? A. oxygen B. argon C. chlorine D. iron',
  'Translate into French: the weather was lovely, so we went for a walk along the river.',
];

/**
 * What holds for every embedder.
 * @param make one that is started; called once @param makeIdle one that is not, with a small time budget
 * @param hasTags whether its map knows kinds of text
 */
export function embedderContract(name: string, make: () => Embedder, makeIdle: () => Embedder, hasTags = true): void {
  describe(`${name} as an embedder`, () => {
    let embedder: Embedder;
    beforeAll(() => {
      embedder = make();
    });

    it('names its map', () => {
      expect(embedder.id).toMatch(/^[a-z][\w.:/-]+$/i);
      expect(embedder.dimensions).toBeGreaterThan(0);
    });

    it.each(Object.entries(ODD_TEXTS))('gives finite numbers for %s', async (_, text) => {
      const vector = await embedder.embed(text);
      expect(vector).toBeInstanceOf(Float32Array);
      expect(vector).toHaveLength(embedder.dimensions);
      expect(vector.every(Number.isFinite)).toBe(true);
    });

    it('gives the same vector for the same text, whatever happens before or at the same time', async () => {
      const texts = ['What is 2 + 2?', 'def f(x): return x', 'Who wrote Faust?'];
      const alone: Float32Array[] = [];
      for (const text of texts) alone.push(await embedder.embed(text));
      expect(await Promise.all(texts.map((text) => embedder.embed(text)))).toEqual(alone);
    });

    it('settles every call, whether it is not started, started or closed', async () => {
      const idle = makeIdle();
      const settled = () => Promise.allSettled([idle.embed('one'), idle.embed('two')]);
      expect(await settled()).toHaveLength(2);
      await idle.close();
      expect(await settled()).toHaveLength(2);
      await idle.close();
    });

    it('gives vectors of the length that the priors expect', async () => {
      const squares: number[] = [];
      for (const text of ORDINARY_TEXTS) {
        squares.push((await embedder.embed(text)).reduce((sum, value) => sum + value * value, 0));
      }
      expect(mean(squares)).toBeGreaterThan(4);
      expect(mean(squares)).toBeLessThan(25);
    });

    it('returns vectors that later calls do not overwrite', async () => {
      const first = await embedder.embed('one');
      const copy = first.slice();
      await embedder.embed('two, and something else');
      expect(first).toEqual(copy);
    });

    it('tags every text, and the same text always alike', async () => {
      for (const text of [...Object.values(ODD_TEXTS), 'Write a python function to reverse a list.']) {
        const tag = embedder.tagOf(await embedder.embed(text));
        // An embedder without tags always returns null.
        if (hasTags) expect(tag).toMatch(/\S/);
        else expect(tag).toBeNull();
        expect(embedder.tagOf(await embedder.embed(text))).toBe(tag);
      }
    });

    it('places a text nearer to a rewording than to another subject', async () => {
      const [python, reworded, history] = await Promise.all([
        embedder.embed('Write a python function to find the largest number in a list.'),
        embedder.embed('Write a function in python that returns the smallest number of a given list.'),
        embedder.embed('Who was the first president of the United States, and when was he elected?'),
      ]);
      expect(distance(python, reworded)).toBeLessThan(distance(python, history));
    });
  });
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.hypot(...a.map((value, i) => value - b[i]));
}
