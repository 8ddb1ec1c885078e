import type { LoadedConfig } from '../config/load.ts';
import type { WarmStartFile } from '../gateway/learning/warm-start-file.ts';
import { buildFeaturizer, openWarmStart } from '../wiring/features.ts';
import { refuseOpenGateway } from '../wiring/keys.ts';
import { checkEmbedding } from './check-embedding.ts';

/**
 * Checks what is otherwise used only at a start, as far as that is possible without one.
 * @returns the embedding, as a human-readable line, and the warm start
 * @throws StartError when the gateway would not start
 */
export function checkStart({ config }: LoadedConfig): { embedding: string; warmStart: WarmStartFile | null } {
  refuseOpenGateway(config);
  const embedding = checkEmbedding(config);
  const warmStart = config.learning.warm_start ? openWarmStart(config, buildFeaturizer(config)) : null;
  return { embedding, warmStart };
}
