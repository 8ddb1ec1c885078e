import type { MapWeights } from '../../features/lexical-map.ts';
import { TEXT_DIMENSIONS } from '../../features/structure.ts';
import { leadingColumns, type TallMatrix } from './dense.ts';
import type { DirectionStages, Stages } from './pipeline.ts';

/** The linear stages as one map, u = (Σ_k v_k · W[k]) / ‖v‖ + bias, in full precision. */
export interface ComposedMap {
  dimensions: number;
  idf: Float64Array;
  /** W: NGRAM_BUCKETS × dimensions, row-major. */
  ngrams: Float64Array;
  bias: Float64Array;
}

export function composeMap({ idf, latent, components, latentScale, kept }: Stages): ComposedMap {
  const { mean, sd } = latentScale;
  return {
    dimensions: kept,
    idf,
    ngrams: leadingColumns(components, latent, kept).map((value, at) => value / sd[at % kept]),
    bias: Float64Array.from({ length: kept }, (_, k) => -mean[k] / sd[k]),
  };
}

/** The last stages combined into one map from a base vector v, y = vᵀ · base + S · s + bias, in full precision. */
export interface ComposedDirections {
  dimensions: number;
  /** latent × dimensions, row-major. */
  base: Float64Array;
  /** S: dimensions × TEXT_DIMENSIONS, row-major. */
  text: Float64Array;
  bias: Float64Array;
}

export function composeDirections(stages: DirectionStages): ComposedDirections {
  const { latent, latentScale, discriminants, directions, outputScale } = stages;
  const scaled = discriminants.map((value, at) => value / outputScale.sd[at % directions]);
  const base = scaled.subarray(0, latent * directions).map((value, at) => {
    return value / latentScale.sd[Math.floor(at / directions)];
  });
  const onText = scaled.subarray(latent * directions);
  const bias = outputScale.mean.map((mean, k) => -mean / outputScale.sd[k]);
  base.forEach((value, at) => {
    bias[at % directions] -= latentScale.mean[Math.floor(at / directions)] * value;
  });
  const text = new Float64Array(directions * TEXT_DIMENSIONS);
  onText.forEach((value, at) => {
    text[(at % directions) * TEXT_DIMENSIONS + Math.floor(at / directions)] = value;
  });
  return { dimensions: directions, base, text, bias };
}

/**
 * Rounds W to multiples of one step per dimension, chosen so that the dimension's largest weight just fits.
 * @param bits 8 or 16
 */
export function quantise(
  map: ComposedMap,
  tags: Pick<MapWeights, 'centroids' | 'precisions'>,
  bits: 8 | 16,
): MapWeights {
  const { dimensions, ngrams } = map;
  const largest = 2 ** (bits - 1) - 1;
  const steps = new Float32Array(dimensions);
  for (let at = 0; at < ngrams.length; at++) {
    const k = at % dimensions;
    steps[k] = Math.max(steps[k], Math.abs(ngrams[at]) / largest);
  }
  const whole = bits === 8 ? new Int8Array(ngrams.length) : new Int16Array(ngrams.length);
  for (let at = 0; at < ngrams.length; at++) whole[at] = Math.round(ngrams[at] / (steps[at % dimensions] || 1));
  return {
    dimensions,
    idf: Float32Array.from(map.idf),
    ngrams: whole,
    steps,
    bias: Float32Array.from(map.bias),
    ...tags,
  };
}

/** Centroids of the tags among the embeddings, and the reciprocal variance within tags along each dimension. */
export function placeTags(
  embeddings: TallMatrix,
  dimensions: number,
  labels: Int32Array,
  tags: number,
): Pick<MapWeights, 'centroids' | 'precisions'> {
  const centroids = new Float64Array(tags * dimensions);
  const sizes = new Uint32Array(tags);
  for (const label of labels) sizes[label]++;
  embeddings.forEach((value, at) => {
    const label = labels[Math.floor(at / dimensions)];
    centroids[label * dimensions + (at % dimensions)] += value / sizes[label];
  });
  const variances = new Float64Array(dimensions);
  embeddings.forEach((value, at) => {
    const centre = centroids[labels[Math.floor(at / dimensions)] * dimensions + (at % dimensions)];
    variances[at % dimensions] += (value - centre) ** 2 / labels.length;
  });
  return {
    centroids: Float32Array.from(centroids),
    precisions: Float32Array.from(variances, (variance) => 1 / (variance + 1e-9)),
  };
}
