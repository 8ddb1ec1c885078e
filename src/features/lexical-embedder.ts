import type { Embedder } from './embedder.ts';
import { countNgrams, mix } from './ngrams.ts';

/** One sign bit of a 32-bit hash per dimension. */
const DIMENSIONS = 32;

/**
 * Hashed n-grams under a fixed random projection: bucket k adds its weight 1 + ln(count) to each dimension with the
 * sign of one bit of a hash of k (Achlioptas, "Database-friendly random projections", 2003). Needs no training, and
 * keeps texts that share words and parts of words close together.
 */
export class LexicalEmbedder implements Embedder {
  readonly id = 'lexical-signed-hash-1';
  readonly dimensions = DIMENSIONS;

  async embed(text: string): Promise<Float32Array> {
    const { buckets, counts } = countNgrams(text);
    const sums = new Float64Array(DIMENSIONS);
    let squares = 0;
    for (let i = 0; i < buckets.length; i++) {
      const value = 1 + Math.log(counts[i]);
      squares += value * value;
      const signs = mix(buckets[i] + 1);
      for (let k = 0; k < DIMENSIONS; k++) sums[k] += (signs >>> k) & 1 ? value : -value;
    }
    const norm = Math.sqrt(squares) || 1;
    return Float32Array.from(sums, (sum) => sum / norm);
  }
}
