import type { Arm, Price, Rates, Timeouts } from '../domain/arm.ts';
import { PROVIDER_TRAITS, type ProviderTraits } from '../domain/provider-type.ts';
import type { LoadedConfig } from './load.ts';
import type { Config, ModelConfig } from './schema.ts';

const MILLISECONDS = 1000;

/** The models that can be called: those whose provider has a key. */
export function enabledArms({ config, missingKeys }: LoadedConfig): Arm[] {
  return config.models.filter(({ provider }) => !missingKeys.has(provider)).map((model) => toArm(model, config));
}

/** One line per provider that is off, saying how to turn it on. */
export function disabledProviders({ config, missingKeys }: LoadedConfig): string[] {
  return [...missingKeys].map(([provider, variable]) => {
    const models = config.models.filter((model) => model.provider === provider).map(({ id }) => id);
    return `provider "${provider}" is off (models: ${models.join(', ') || 'none'}): set ${variable} to turn it on`;
  });
}

function toArm(model: ModelConfig, config: Config): Arm {
  return {
    id: model.id,
    provider: model.provider,
    upstreamModel: model.model ?? model.id,
    price: toPrice(model, config),
    contextWindow: model.context_window ?? null,
    maxOutputTokens: model.max_output_tokens ?? null,
    capabilities: model.capabilities,
    unsupportedForms: traitsOf(model, config).unsupportedForms,
    maxConcurrency: model.max_concurrency,
    prior: model.prior ?? null,
    timeouts: toTimeouts(model, config),
  };
}

function traitsOf({ provider }: ModelConfig, config: Config): ProviderTraits {
  return PROVIDER_TRAITS[config.providers[provider].type];
}

function toPrice(model: ModelConfig, config: Config): Price {
  const { cacheReadShare, cacheWriteShare } = traitsOf(model, config);
  const usual = toRates(model.price, cacheReadShare, cacheWriteShare);
  const { long_prompt: long } = model.price;
  if (!long) return usual;
  const shareOf = (part: number, otherwise: number) => (usual.input > 0 ? part / usual.input : otherwise);
  const [readShare, writeShare] = [
    shareOf(usual.cachedInput, cacheReadShare),
    shareOf(usual.cacheWrite, cacheWriteShare),
  ];
  return { ...usual, longPrompt: { above: long.above, ...toRates(long, readShare, writeShare) } };
}

/** The shares are defaults of the prices of cached and of cache-written input, relative to that of other input. */
function toRates(
  { input, cached_input, cache_write, output }: Omit<ModelConfig['price'], 'long_prompt'>,
  readShare: number,
  writeShare: number,
): Rates {
  return {
    input,
    cachedInput: cached_input ?? readShare * input,
    cacheWrite: cache_write ?? writeShare * input,
    output,
  };
}

function toTimeouts({ timeouts: own }: ModelConfig, config: Config): Timeouts {
  const common = config.resilience.timeouts;
  return {
    connectMs: (own?.connect_s ?? common.connect_s) * MILLISECONDS,
    firstByteMs: (own?.first_byte_s ?? common.first_byte_s) * MILLISECONDS,
    idleMs: (own?.idle_s ?? common.idle_s) * MILLISECONDS,
    totalMs: (own?.total_s ?? common.total_s) * MILLISECONDS,
  };
}
