import type { Context } from '../domain/context.ts';
import { STRUCTURE_DIMENSIONS, STRUCTURE_VERSION } from './structure.ts';

/** What makes contexts: x = [1, embedding of the query, structure of the request]. */
export interface FeatureMap {
  /** Id of the embedder, which may hold slashes. */
  embedder: string;
  /** Version of the structural features, which no embedder has a part in. */
  structure: string;
}

/** The name that a stored context bears. */
export function featureMapId({ embedder, structure }: FeatureMap): string {
  return `${embedder}/${structure}`;
}

/** @returns null for an id that no featurizer gave */
export function parseFeatureMapId(id: string): FeatureMap | null {
  const [, embedder, structure] = /^(.+)\/(structure-\d+)$/s.exec(id) ?? [];
  return embedder && structure ? { embedder, structure } : null;
}

/** What is left of a context under another feature map: `structure` keeps the intercept too. */
export type Kept = 'all' | 'structure' | 'intercept';

/**
 * The features that count the same under both maps. An embedding is kept by its own map alone: two embedders are
 * maps of the text, which no context holds, and neither's numbers tell the other's.
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
 * A context as one of another map: what cannot be kept is zero, which is an ordinary query's value.
 * @param dimensions of the contexts that `featureMap` makes, the constant included @returns so many numbers
 */
export function contextUnder(context: Context, featureMap: string, dimensions: number): Float64Array {
  return keptValues(context.values, 1, keptFeatures(context, featureMap, dimensions), dimensions);
}

/**
 * Coefficients of a function that is linear in the contexts of one map, for those of another: what has no feature there
 * to multiply is zero. @param values length d of their own map; the first, of the constant, is kept
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

/** @param constant what goes with the constant feature, unless all is kept @returns `dimensions` numbers */
function keptValues(values: ArrayLike<number>, constant: number, kept: Kept, dimensions: number): Float64Array {
  const own = Float64Array.from(values);
  if (kept === 'all') return own;
  const result = new Float64Array(dimensions);
  result[0] = constant;
  if (kept === 'structure') result.set(own.slice(-STRUCTURE_DIMENSIONS), dimensions - STRUCTURE_DIMENSIONS);
  return result;
}
