import { classOf, LETTER, SPACE } from './characters.ts';

/** Buckets in each of the two blocks: words come first, then characters. */
export const BLOCK_BUCKETS = 2 ** 13;
export const NGRAM_BUCKETS = 2 * BLOCK_BUCKETS;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const BLANK = 32;

/**
 * Hashed counts of word 1–2-grams and, within words padded by blanks, character 3–4-grams, all in lower case. For word
 * n-grams a word is a run of two or more letters, digits and underscores; for character n-grams it is anything between
 * white space. This is the scheme of scikit-learn's HashingVectorizer with `analyzer="word"` and `"char_wb"`, but with
 * a different hash.
 *
 * One counter serves many texts in turn and owns the count table, so that only the occupied buckets need clearing.
 */
export class NgramCounter {
  /** Occurrences per bucket in the last text; NGRAM_BUCKETS entries. */
  readonly counts = new Uint32Array(NGRAM_BUCKETS);
  /** The occupied buckets in order of first occurrence; only the first `size` entries are valid. */
  readonly occupied = new Uint16Array(NGRAM_BUCKETS);
  size = 0;

  /** Counts the n-grams of `text`; the counts of the previous text are cleared. */
  count(text: string): void {
    for (let i = 0; i < this.size; i++) this.counts[this.occupied[i]] = 0;
    this.size = 0;
    const lower = text.toLowerCase();
    this.#countWords(lower);
    this.#countCharacters(lower);
  }

  #countWords(text: string): void {
    let length = 0;
    let single = FNV_OFFSET;
    let previous = 0;
    let pair = 0;
    for (let i = 0; i <= text.length; i++) {
      const unit = i < text.length ? text.charCodeAt(i) : BLANK;
      if (classOf(unit) & LETTER) {
        if (length === 0) pair = hashUnit(previous, BLANK);
        length++;
        single = hashUnit(single, unit);
        pair = hashUnit(pair, unit);
        continue;
      }
      if (length >= 2) {
        this.#add(wordBucket(single));
        if (previous !== 0) this.#add(wordBucket(pair));
        previous = single;
      }
      length = 0;
      single = FNV_OFFSET;
    }
  }

  #countCharacters(text: string): void {
    // The last three units of the padded word, oldest first, and how many of its units have been seen.
    let first = 0;
    let second = 0;
    let third = BLANK;
    let seen = 1;
    for (let i = 0; i <= text.length; i++) {
      const unit = i < text.length ? text.charCodeAt(i) : BLANK;
      const ends = (classOf(unit) & SPACE) !== 0;
      if (ends && seen === 1) continue;
      const next = ends ? BLANK : unit;
      seen++;
      if (seen >= 3) this.#add(characterBucket(hashUnit(hashUnit(hashUnit(FNV_OFFSET, second), third), next)));
      if (seen >= 4) {
        this.#add(characterBucket(hashUnit(hashUnit(hashUnit(hashUnit(FNV_OFFSET, first), second), third), next)));
      }
      first = second;
      second = third;
      third = next;
      if (ends) seen = 1;
    }
  }

  #add(bucket: number): void {
    if (this.counts[bucket]++ === 0) this.occupied[this.size++] = bucket;
  }
}

/** One step of FNV-1a, for one UTF-16 unit; start from `hashText('')`. */
function hashUnit(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, FNV_PRIME);
}

/** FNV-1a of a whole n-gram, identical to the counter's hash: a word pair is joined by one blank. */
export function hashText(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = hashUnit(hash, text.charCodeAt(i));
  return hash;
}

export function wordBucket(hash: number): number {
  return mix(hash) & (BLOCK_BUCKETS - 1);
}

export function characterBucket(hash: number): number {
  return BLOCK_BUCKETS | (mix(hash) & (BLOCK_BUCKETS - 1));
}

/**
 * Spreads the bits of a 32-bit number (MurmurHash3's finaliser), because FNV alone leaves the low bits of short texts
 * similar.
 */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
