import type { RequestForm } from './context.ts';

/** The APIs that providers speak; each has a folder in `providers/`. */
export const PROVIDER_TYPES = ['openai', 'anthropic'] as const;
export type ProviderType = (typeof PROVIDER_TYPES)[number];

/** What routing must know about an API before calling it. */
export interface ProviderTraits {
  /** Answers that would arrive in a different form than the client expects, or not at all; and what would be refused. */
  unsupportedForms: readonly RequestForm[];
  /** Default prices of reading from and writing to the prompt cache, as multiples of the price of uncached input. */
  cacheReadShare: number;
  cacheWriteShare: number;
}

export const PROVIDER_TRAITS: Readonly<Record<ProviderType, ProviderTraits>> = {
  openai: { unsupportedForms: [], cacheReadShare: 1, cacheWriteShare: 1 },
  // Lost in translation (`providers/anthropic/request.ts`), except for videos, which have none (`content.ts`).
  anthropic: {
    unsupportedForms: ['n', 'logprobs', 'json_object', 'functions', 'custom tools', 'videos'],
    cacheReadShare: 0.1,
    cacheWriteShare: 1.25,
  },
};
