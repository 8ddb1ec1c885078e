import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_BUCKETS, characterBucket, hashText, NgramCounter, wordBucket } from '../../src/features/ngrams.ts';

/** The definition, written out with regular expressions and substrings. */
function countNaively(text: string): Map<number, number> {
  const lower = text.toLowerCase();
  const counts = new Map<number, number>();
  const add = (bucket: number) => counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  const words = lower.match(/(?:[\p{L}\p{N}_])+/gu)?.filter((word) => word.length >= 2) ?? [];
  words.forEach((word, i) => {
    add(wordBucket(hashText(word)));
    if (i > 0) add(wordBucket(hashText(`${words[i - 1]} ${word}`)));
  });
  for (const chunk of lower.match(/\S+/g) ?? []) {
    const padded = ` ${chunk} `;
    for (const size of [3, 4]) {
      for (let i = 0; i + size <= padded.length; i++) add(characterBucket(hashText(padded.slice(i, i + size))));
    }
  }
  return counts;
}

function countWith(counter: NgramCounter, text: string): Map<number, number> {
  counter.count(text);
  return new Map(Array.from(counter.occupied.subarray(0, counter.size), (bucket) => [bucket, counter.counts[bucket]]));
}

const BASIC_PLANE = fc.integer({ min: 0, max: 0xd7ff }).map((unit) => String.fromCharCode(unit));
const EVERYDAY = fc.constantFrom(...'aaabcde  AB\n\t_09.,?()é你');
const TEXT = fc.oneof(fc.string(), fc.string({ unit: BASIC_PLANE }), fc.string({ unit: EVERYDAY, maxLength: 200 }));

describe('NgramCounter', () => {
  it('counts what the definition says, for one text after another', () => {
    const counter = new NgramCounter();
    fc.assert(
      fc.property(TEXT, (text) => {
        expect(countWith(counter, text)).toEqual(countNaively(text));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps words and characters apart', () => {
    const buckets = [...countWith(new NgramCounter(), 'the cat').keys()];
    expect(buckets.filter((bucket) => bucket < BLOCK_BUCKETS)).toHaveLength(3);
    expect(buckets.filter((bucket) => bucket >= BLOCK_BUCKETS)).toHaveLength(10);
  });

  it('accepts any UTF-16, including unpaired surrogates', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
        (text) => {
          expect(countWith(new NgramCounter(), text)).toEqual(countWith(new NgramCounter(), `  ${text}  `));
        },
      ),
    );
  });

  it('spreads n-grams evenly over the buckets', () => {
    const used = new Set<number>();
    for (let i = 0; i < BLOCK_BUCKETS; i++) used.add(wordBucket(hashText(`word${i}`)));
    // With random hashing, 1 − 1/e of the buckets are hit.
    expect(used.size / BLOCK_BUCKETS).toBeCloseTo(1 - 1 / Math.E, 1);
  });
});
