import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf } from '../../util/message-of.ts';
import { descriptionFile, hashOf } from '../lexical-map.ts';
import { TEXT_DIMENSIONS, textFeatures } from '../structure.ts';

/**
 * A trained linear map from a sentence vector v and the text's features s to y = P · v + S · s + bias: the directions
 * in which the tags of the training prompts differ most.
 */
export interface ProjectionWeights {
  dimensions: number;
  /** Numbers per sentence vector. */
  width: number;
  /** P: dimensions × width, row-major. */
  vector: Float32Array;
  /** S: dimensions × TEXT_DIMENSIONS, row-major. */
  text: Float32Array;
  bias: Float32Array;
  /** Positions of the tags: tags × dimensions, row-major. */
  centroids: Float32Array;
  /** Weight of the squared distance along each dimension in the search for the nearest tag. */
  precisions: Float32Array;
}

/** The fields of a map's JSON description that are needed to use the map; the others are for people to read. */
const descriptionSchema = z.object({
  sha256: z.string(),
  model: z.object({
    name: z.string(),
    fingerprint: z.string(),
    dtype: z.enum(['q8', 'fp32']),
    maxTokens: z.number().int().min(4),
  }),
  tags: z.array(z.object({ name: z.string().min(1) })),
});

export interface Projection extends ProjectionWeights {
  /** SHA-256 of the map's file, in hexadecimal digits. */
  hash: string;
  /** The model on whose vectors the map was fitted. */
  model: z.infer<typeof descriptionSchema>['model'];
  /** Human-readable names of the tags. */
  tagNames: string[];
}

/** Change this when vectors or text features are made differently: maps of another format are rejected. */
const MAGIC = 'MXTFMAP1';
const HEADER_BYTES = MAGIC.length + 4 * 4;

/** File format: MAGIC; then dimensions, width, text features and tags as 32-bit integers; then the arrays. */
export function encodeProjection(map: ProjectionWeights): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 'latin1');
  [map.dimensions, map.width, TEXT_DIMENSIONS, map.centroids.length / map.dimensions].forEach((value, i) => {
    header.writeUInt32LE(value, MAGIC.length + 4 * i);
  });
  const arrays = [map.vector, map.text, map.bias, map.centroids, map.precisions];
  return Buffer.concat([
    header,
    ...arrays.map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)),
  ]);
}

/**
 * @throws Error that says what is wrong with the bytes
 */
export function decodeProjection(bytes: Buffer): ProjectionWeights {
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new Error(
      `it does not begin with ${MAGIC}: it is not a map for a sentence-embedding model, or it is of another version`,
    );
  }
  const [dimensions, width, textDimensions, tags] = [0, 1, 2, 3].map((i) => bytes.readUInt32LE(MAGIC.length + 4 * i));
  if (textDimensions !== TEXT_DIMENSIONS) throw new Error('it is for other features than this version computes');
  const expected = HEADER_BYTES + 4 * dimensions * (width + textDimensions + tags + 2);
  if (bytes.length !== expected) throw new Error(`it has ${bytes.length} bytes instead of ${expected}`);
  let at = HEADER_BYTES;
  const take = (count: number) => {
    at += 4 * count;
    return new Float32Array(Uint8Array.from(bytes.subarray(at - 4 * count, at)).buffer);
  };
  return {
    dimensions,
    width,
    vector: take(dimensions * width),
    text: take(dimensions * textDimensions),
    bias: take(dimensions),
    centroids: take(tags * dimensions),
    precisions: take(dimensions),
  };
}

/**
 * Reads a map and its description (`.json` instead of `.bin`, in the same folder).
 * @throws Error that names the file and says what is wrong: missing, damaged, or of another version
 */
export function loadProjection(file: URL): Projection {
  try {
    const bytes = readFileSync(file);
    const weights = decodeProjection(bytes);
    const beside = descriptionFile(file);
    const description = descriptionSchema.parse(JSON.parse(readFileSync(beside, 'utf8')));
    const hash = hashOf(bytes);
    if (hash !== description.sha256) throw new Error(`its SHA-256 is not the one in ${fileURLToPath(beside)}`);
    const tagNames = description.tags.map(({ name }) => name);
    if (tagNames.length * weights.dimensions !== weights.centroids.length) throw new Error('tags without names');
    return { ...weights, hash, model: description.model, tagNames };
  } catch (error) {
    const reason = messageOf(error);
    throw new Error(`The map ${fileURLToPath(file)} cannot be used: ${reason}`);
  }
}

/** y for one text and its sentence vector. */
export function project(map: ProjectionWeights, vector: Float32Array, text: string): Float32Array {
  const { dimensions, width } = map;
  const features = textFeatures(text);
  return Float32Array.from({ length: dimensions }, (_, i) => {
    let value = map.bias[i];
    for (let k = 0; k < width; k++) value += map.vector[i * width + k] * vector[k];
    for (let k = 0; k < features.length; k++) value += map.text[i * features.length + k] * features[k];
    return value;
  });
}
