import { pathToFileURL } from 'node:url';
import { TIER_SLOPE_SHARE } from '../bandit/defaults.ts';
import { tierPriors } from '../bandit/tier-priors.ts';
import type { Config } from '../config/schema.ts';
import { TIERS, type Tier } from '../domain/arm.ts';
import type { Embedder } from '../features/embedder.ts';
import { coefficientsUnder } from '../features/feature-map.ts';
import { Featurizer } from '../features/featurizer.ts';
import { LexicalEmbedder } from '../features/lexical-embedder.ts';
import { type LexicalMap, loadLexicalMap } from '../features/lexical-map.ts';
import type { StartWorker } from '../features/transformers/model-thread.ts';
import { loadProjection, type Projection } from '../features/transformers/projection.ts';
import {
  cannotUseMap,
  DEFAULT_PROJECTION,
  HUB_CACHE,
  TransformersEmbedder,
} from '../features/transformers/transformers-embedder.ts';
import { readWarmStart, type WarmStartFile } from '../gateway/learning/warm-start-file.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { messageOf } from '../util/message-of.ts';
import { StartError } from './start-error.ts';

interface EmbedderParts {
  clock: Clock;
  onHealth(healthy: boolean, reason: string): void;
  startWorker?: StartWorker;
  /** Ignores `embedding.timeout_ms`: embedding a text may take as long as necessary. */
  patient?: boolean;
}

/** For commands, where no request is waiting and nobody monitors the model's health. */
const ASIDE: EmbedderParts = { clock: systemClock, onHealth: () => {}, patient: true };

/**
 * Builds the featurizer that a gateway with this config uses. Does not load a model yet.
 * @throws StartError when its map cannot be used
 */
export function buildFeaturizer(config: Config, parts: EmbedderParts = ASIDE): Featurizer {
  return new Featurizer(buildEmbedder(config, parts));
}

function buildEmbedder({ embedding }: Config, { patient = false, ...parts }: EmbedderParts): Embedder {
  const { kind, model = '', map, timeout_ms } = embedding;
  switch (kind) {
    case 'lexical':
      return new LexicalEmbedder(map ? readLexicalMap(map) : undefined);
    case 'transformers':
      return new TransformersEmbedder({
        ...parts,
        model,
        map: readProjection(model, map),
        cacheFolder: HUB_CACHE,
        budgetMs: patient ? null : timeout_ms,
      });
  }
}

/** @throws StartError when the file is not a map */
export function readLexicalMap(file: string): LexicalMap {
  try {
    return loadLexicalMap(pathToFileURL(file));
  } catch (error) {
    throw new StartError(messageOf(error));
  }
}

/** @throws StartError that says how to create the map */
export function readProjection(model: string, map = DEFAULT_PROJECTION): Projection {
  try {
    return loadProjection(pathToFileURL(map));
  } catch (error) {
    throw new StartError(cannotUseMap(model, messageOf(error)));
  }
}

/** Identifies contexts: the feature map that made them, and their length d. */
type FeatureSpace = Pick<Featurizer, 'featureMap' | 'dimensions'>;

/** The tiers' prior slopes, as far as they apply to these features. */
export function tierSlopes({ featureMap, dimensions }: FeatureSpace): Map<Tier, Float64Array> {
  const { feature_map, tiers } = tierPriors();
  return new Map(
    TIERS.map((tier) => {
      const expected = tiers[tier].slopes.map((slope) => TIER_SLOPE_SHARE * slope);
      return [tier, coefficientsUnder([0, ...expected], feature_map, featureMap, dimensions)];
    }),
  );
}

/**
 * Reads the warm start that the config names; null when it names none.
 * @throws StartError when it cannot be used with these features
 */
export function openWarmStart({ learning }: Config, { featureMap, dimensions }: FeatureSpace): WarmStartFile | null {
  if (learning.warm_start === undefined) return null;
  try {
    return readWarmStart(learning.warm_start, featureMap, dimensions);
  } catch (error) {
    throw new StartError(messageOf(error));
  }
}
