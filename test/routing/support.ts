import type { Arm } from '../../src/domain/arm.ts';
import type { RequestProfile } from '../../src/domain/context.ts';

/** A registered model that can do everything, at 10 USD per million tokens, input or output. */
export function armOf(id: string, fields: Partial<Arm> & { usd?: number } = {}): Arm {
  const { usd = 10, ...rest } = fields;
  return {
    id,
    provider: `provider of ${id}`,
    upstreamModel: id,
    price: { input: usd, cachedInput: usd, cacheWrite: usd, output: usd },
    contextWindow: null,
    maxOutputTokens: null,
    capabilities: ['tools', 'vision', 'json', 'audio', 'files'],
    unsupportedForms: [],
    maxConcurrency: 4,
    prior: null,
    timeouts: { connectMs: 1000, firstByteMs: 1000, idleMs: 1000, totalMs: 10_000 },
    ...rest,
  };
}

export function profileOf(fields: Partial<RequestProfile> = {}): RequestProfile {
  const { inputBytes = 400 } = fields;
  return { needs: [], inputCharacters: inputBytes, inputBytes, images: 0, maxOutputTokens: null, ...fields };
}
