import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf } from '../util/message-of.ts';
import { NGRAM_BUCKETS } from './ngrams.ts';

/**
 * Every embedding has the length of ten ordinary features together. The learner treats all features alike, so it
 * assumes each number of an embedding to be less informative than a structural feature.
 */
export const EMBEDDING_LENGTH = Math.sqrt(10);

/**
 * A trained map from a text's n-gram counts c to y = EMBEDDING_LENGTH · u / ‖u‖, u = (Σ_k v_k · W[k]) / ‖v‖ + bias,
 * with v_k = (1 + ln c_k) · idf_k.
 */
export interface MapWeights {
  dimensions: number;
  /** NGRAM_BUCKETS numbers, each at least 1. */
  idf: Float32Array;
  /** W in units of `steps`: NGRAM_BUCKETS × dimensions, row-major. */
  ngrams: Int8Array | Int16Array;
  /** W[k][i] = ngrams[k][i] · steps[i]. */
  steps: Float32Array;
  bias: Float32Array;
  /** Positions of the tags: tags × dimensions, row-major. */
  centroids: Float32Array;
  /** Weight of the squared distance along each dimension in the search for the nearest tag. */
  precisions: Float32Array;
}

export interface LexicalMap extends MapWeights {
  /** SHA-256 of the map's file, in hexadecimal digits. */
  hash: string;
  /** Human-readable names of the tags. */
  tagNames: string[];
}

/**
 * Change this when n-grams are counted differently or the map's format changes: maps of another format are rejected.
 */
const MAGIC = 'MXLXMAP2';
const HEADER_BYTES = MAGIC.length + 4 * 4;

/** File format: MAGIC; then dimensions, buckets, tags and bytes per weight as 32-bit integers; then the arrays. */
export function encodeMap(map: MapWeights): Buffer {
  const tags = map.centroids.length / map.dimensions;
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 'latin1');
  [map.dimensions, NGRAM_BUCKETS, tags, map.ngrams.BYTES_PER_ELEMENT].forEach((value, i) => {
    header.writeUInt32LE(value, MAGIC.length + 4 * i);
  });
  const arrays = [map.idf, map.steps, map.bias, map.centroids, map.precisions, map.ngrams];
  return Buffer.concat([
    header,
    ...arrays.map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)),
  ]);
}

/**
 * @throws Error that says what is wrong with the bytes
 */
export function decodeMap(bytes: Buffer): MapWeights {
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new Error(`it does not begin with ${MAGIC}: it is not a feature map, or it is of another version`);
  }
  const [dimensions, buckets, tags, weightBytes] = [0, 1, 2, 3].map((i) => {
    return bytes.readUInt32LE(MAGIC.length + 4 * i);
  });
  if (buckets !== NGRAM_BUCKETS || (weightBytes !== 1 && weightBytes !== 2)) {
    throw new Error('it is for other features than this version computes');
  }
  const floats = buckets + (3 + tags) * dimensions;
  const expected = HEADER_BYTES + 4 * floats + weightBytes * buckets * dimensions;
  if (bytes.length !== expected) throw new Error(`it has ${bytes.length} bytes instead of ${expected}`);
  let at = HEADER_BYTES;
  const take = (size: number) => {
    at += size;
    return Uint8Array.from(bytes.subarray(at - size, at)).buffer;
  };
  const takeFloats = (count: number) => new Float32Array(take(4 * count));
  const weights = {
    dimensions,
    idf: takeFloats(buckets),
    steps: takeFloats(dimensions),
    bias: takeFloats(dimensions),
    centroids: takeFloats(tags * dimensions),
    precisions: takeFloats(dimensions),
  };
  const ngrams = take(weightBytes * buckets * dimensions);
  return { ...weights, ngrams: weightBytes === 1 ? new Int8Array(ngrams) : new Int16Array(ngrams) };
}

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The fields of a map's JSON description that are needed to use the map; the others are for people to read. */
const descriptionSchema = z.object({
  sha256: z.string(),
  tags: z.array(z.object({ name: z.string().min(1) })),
});

/** The map that ships with the project; its description has the same name with `.json`. */
export const DEFAULT_MAP = new URL('./assets/lexical-map.bin', import.meta.url);

/**
 * Reads a map and its description (`.json` instead of `.bin`, in the same folder).
 * @throws Error that names the file and says what is wrong: missing, damaged, or of another version
 */
export function loadLexicalMap(file: URL = DEFAULT_MAP): LexicalMap {
  try {
    const bytes = readFileSync(file);
    const weights = decodeMap(bytes);
    const description = descriptionSchema.parse(JSON.parse(readFileSync(descriptionFile(file), 'utf8')));
    const hash = hashOf(bytes);
    if (hash !== description.sha256)
      throw new Error(`its SHA-256 is not the one in ${fileURLToPath(descriptionFile(file))}`);
    const tagNames = description.tags.map(({ name }) => name);
    if (tagNames.length * weights.dimensions !== weights.centroids.length) throw new Error('tags without names');
    return { ...weights, hash, tagNames };
  } catch (error) {
    const reason = messageOf(error);
    throw new Error(
      `The feature map ${fileURLToPath(file)} cannot be used: ${reason}. Reinstall the package, or name another map as embedding.map in the config`,
    );
  }
}

export function descriptionFile(map: URL): URL {
  return new URL(map.href.replace(/(\.bin)?$/, '.json'));
}
