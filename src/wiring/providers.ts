import type { LoadedConfig } from '../config/load.ts';
import type { Config, ProviderConfig } from '../config/schema.ts';
import type { Runtime } from '../gateway/runtime.ts';
import { AnthropicProvider } from '../providers/anthropic/provider.ts';
import { OpenAIProvider } from '../providers/openai/provider.ts';
import type { Provider } from '../providers/provider.ts';
import type { Clock } from '../util/clock.ts';

export function buildProviders(
  loaded: LoadedConfig,
  before: { loaded: LoadedConfig; runtime: Runtime } | null,
  clock: Clock,
): Map<string, Provider> {
  const { config, missingKeys } = loaded;
  const providers = new Map<string, Provider>();
  for (const [name, provider] of Object.entries(config.providers)) {
    if (missingKeys.has(name)) continue;
    // An unchanged provider keeps its connections.
    const settings = (of: Config) => JSON.stringify(of.providers[name]);
    const same = before && settings(before.loaded.config) === settings(config);
    const reused = same ? before.runtime.providers.get(name) : undefined;
    providers.set(name, reused ?? buildProvider(provider, clock));
  }
  return providers;
}

function buildProvider(provider: ProviderConfig, clock: Clock): Provider {
  const options = {
    apiKey: provider.api_key ?? '',
    headers: provider.headers,
    baseUrl: provider.base_url ?? null,
    proxy: provider.proxy ?? null,
    clock,
  };
  switch (provider.type) {
    case 'openai':
      return new OpenAIProvider({ ...options, streamUsage: provider.stream_usage });
    case 'anthropic':
      return new AnthropicProvider({ ...options, cacheConversations: provider.cache_conversations });
  }
}
