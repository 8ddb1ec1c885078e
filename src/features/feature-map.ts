import type { Context } from '../domain/context.ts';
import { STRUCTURE_DIMENSIONS, STRUCTURE_VERSION } from './structure.ts';

/** Identifies how contexts are made: x = [1, embedding of the query, structure of the request]. */
export interface FeatureMap {
  /** Id of the embedder, which may contain slashes. */
  embedder: string;
  /** Version of the structural features, which do not depend on the embedder. */
  structure: string;
}

/** The id that is stored with a context. */
export function featureMapId({ embedder, structure }: FeatureMap): string {
  return `${embedder}/${structure}`;
}

/**
 * @returns null for an id that no featurizer made
 */
export function parseFeatureMapId(id: string): FeatureMap | null {
  const [, embedder, structure] = /^(.+)\/(structure-\d+)$/s.exec(id) ?? [];
  return embedder && structure ? { embedder, structure } : null;
}

/** Which part of a context remains valid under another feature map; `structure` includes the intercept. */
export type Kept = 'all' | 'structure' | 'intercept';

/**
 * Returns which features mean the same under both maps. An embedding is valid only under its own map: embedders map the
 * text, which no context stores, and the numbers of one embedder cannot be converted into those of another.
 */
export function keptFeatures({ featureMap: theirs, values }: Context, featureMap: string, dimensions: number): Kept {
  return keptOf(theirs, values.length, featureMap, dimensions);
}

function keptOf(theirMap: string, theirDimensions: number, featureMap: string, dimensions: number): Kept {
  if (theirMap === featureMap) return theirDimensions === dimensions ? 'all' : 'intercept';
  const [theirs, ours] = [parseFeatureMapId(theirMap), parseFeatureMapId(featureMap)];
  const sameStructure = theirs?.structure === STRUCTURE_VERSION && ours?.structure === STRUCTURE_VERSION;
  const longEnough = Math.min(theirDimensions, dimensions) > STRUCTURE_DIMENSIONS;
  return sameStructure && longEnough ? 'structure' : 'intercept';
}

/**
 * Converts a context to another map. Features that cannot be kept become zero, the value of an ordinary query.
 * @param dimensions length of the contexts that `featureMap` makes, including the constant
 * @returns `dimensions` numbers
 */
export function contextUnder(context: Context, featureMap: string, dimensions: number): Float64Array {
  return keptValues(context.values, 1, keptFeatures(context, featureMap, dimensions), dimensions);
}

/**
 * Converts the coefficients of a function that is linear in the contexts of one map to another map. Features without a
 * counterpart get the coefficient 0.
 * @param values coefficients, of length d of their own map; the first one, that of the constant, is kept
 */
export function coefficientsUnder(
  values: readonly number[],
  learnedUnder: string,
  featureMap: string,
  dimensions: number,
): Float64Array {
  const kept = keptOf(learnedUnder, values.length, featureMap, dimensions);
  return keptValues(values, values[0], kept, dimensions);
}

/**
 * @param constant value for the constant feature, unless everything is kept
 * @returns `dimensions` numbers
 */
function keptValues(values: ArrayLike<number>, constant: number, kept: Kept, dimensions: number): Float64Array {
  const own = Float64Array.from(values);
  if (kept === 'all') return own;
  const result = new Float64Array(dimensions);
  result[0] = constant;
  if (kept === 'structure') result.set(own.slice(-STRUCTURE_DIMENSIONS), dimensions - STRUCTURE_DIMENSIONS);
  return result;
}
