import type { Config } from '../config/schema.ts';
import { fingerprintOf, missingFiles, placeOfModel } from '../features/transformers/model-files.ts';
import {
  cannotLoad,
  DEFAULT_PROJECTION,
  HUB_CACHE,
  otherModel,
} from '../features/transformers/transformers-embedder.ts';
import { messageOf } from '../util/message-of.ts';
import { readLexicalMap, readProjection } from '../wiring/features.ts';
import { StartError } from '../wiring/start-error.ts';

/**
 * Checks as much of the embedding as is possible without loading a model.
 * @returns a human-readable line
 * @throws StartError when the gateway would not start
 */
export function checkEmbedding({ embedding }: Config): string {
  const { kind, model = '', map } = embedding;
  switch (kind) {
    case 'lexical':
      return checkLexical(map);
    case 'transformers':
      return checkTransformers(model, map ?? DEFAULT_PROJECTION);
  }
}

function checkLexical(map: string | undefined): string {
  if (map === undefined) return 'features: the shipped lexical map';
  return `features: the lexical map ${map}, ${readLexicalMap(map).dimensions} dimensions`;
}

function checkTransformers(model: string, file: string): string {
  const map = readProjection(model, file);
  const { dtype, maxTokens, fingerprint } = map.model;
  const described = `${model} (${dtype}, at most ${maxTokens} tokens) with the map ${file}, ${map.dimensions} dimensions`;
  try {
    const { folder, hubName } = placeOfModel(model, HUB_CACHE);
    const missing = missingFiles(folder, dtype);
    if (hubName !== null && missing.length > 0) {
      return `features: ${described}; to be downloaded from the Hugging Face hub at the start`;
    }
    if (missing.length > 0) throw new Error(`${folder} lacks ${missing.join(', ')}`);
    if (fingerprintOf(folder, dtype) === fingerprint) return `features: ${described}`;
  } catch (error) {
    throw new StartError(cannotLoad(model, messageOf(error)));
  }
  throw new StartError(otherModel(model, map.model.name));
}
