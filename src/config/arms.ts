import type { Arm, Price, Timeouts } from '../domain/arm.ts';
import type { AnswerForm } from '../domain/context.ts';
import type { LoadedConfig } from './load.ts';
import type { Config, ModelConfig } from './schema.ts';

const MILLISECONDS = 1000;
/** What Anthropic charges for writing its prompt cache, in input prices. */
const ANTHROPIC_CACHE_WRITE = 1.25;
/**
 * Lost in translation to Anthropic (`providers/anthropic/request.ts`): the answer has another form than the client
 * expects.
 */
const ANTHROPIC_UNSUPPORTED: readonly AnswerForm[] = ['n', 'logprobs', 'json_object', 'functions', 'custom tools'];

/** The models that can be called: those whose provider has a key. */
export function enabledArms({ config, missingKeys }: LoadedConfig): Arm[] {
  return config.models.filter(({ provider }) => !missingKeys.has(provider)).map((model) => toArm(model, config));
}

/** One line per provider that is off, with how to turn it on. */
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
    unsupportedForms: config.providers[model.provider].type === 'anthropic' ? ANTHROPIC_UNSUPPORTED : [],
    maxConcurrency: model.max_concurrency,
    prior: model.prior ?? null,
    timeouts: toTimeouts(model, config),
  };
}

function toPrice({ price, provider }: ModelConfig, config: Config): Price {
  const write = config.providers[provider].type === 'anthropic' ? ANTHROPIC_CACHE_WRITE * price.input : price.input;
  return {
    input: price.input,
    cachedInput: price.cached_input ?? price.input,
    cacheWrite: price.cache_write ?? write,
    output: price.output,
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
