/** Buckets of each of the two blocks: words come first, characters behind them. */
export const BLOCK_BUCKETS = 2 ** 13;
export const NGRAM_BUCKETS = 2 * BLOCK_BUCKETS;

/** Occupied buckets of a text and how often each occurs. */
export interface NgramCounts {
  buckets: number[];
  counts: number[];
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Spreads the bits of a 32-bit number (the finaliser of MurmurHash3). */
export function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const WORD = /[\p{L}\p{N}_]{2,}/gu;
const CHUNK = /\S+/g;

/**
 * Hashed counts of word 1–2-grams and, within words padded by spaces, character 3–4-grams, all in lower case.
 * The same scheme as scikit-learn's HashingVectorizer with `analyzer="word"` and `"char_wb"`, with another hash.
 */
export function countNgrams(text: string): NgramCounts {
  const lower = text.toLowerCase();
  const counts = new Map<number, number>();
  const add = (bucket: number) => counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  let previous = 0;
  for (const [word] of lower.matchAll(WORD)) {
    const hash = hashRange(word, 0, word.length);
    add(mix(hash) % BLOCK_BUCKETS);
    if (previous !== 0) add(mix(Math.imul(previous, FNV_PRIME) ^ hash) % BLOCK_BUCKETS);
    previous = hash;
  }
  for (const [chunk] of lower.matchAll(CHUNK)) {
    const padded = ` ${chunk} `;
    for (const size of [3, 4]) {
      for (let start = 0; start + size <= padded.length; start++) {
        add(BLOCK_BUCKETS + (mix(hashRange(padded, start, start + size)) % BLOCK_BUCKETS));
      }
    }
  }
  return { buckets: [...counts.keys()], counts: [...counts.values()] };
}

/** FNV-1a over UTF-16 units. */
function hashRange(text: string, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash;
}
