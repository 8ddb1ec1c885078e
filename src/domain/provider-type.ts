import type { AnswerForm } from './context.ts';

/** The APIs that providers speak; each has a folder in `providers/`. */
export const PROVIDER_TYPES = ['openai', 'anthropic'] as const;
export type ProviderType = (typeof PROVIDER_TYPES)[number];

/** What routing must know of an API before it calls one. */
export interface ProviderTraits {
  /** Forms of answers that would come in another form than the client expects, or not at all. */
  unsupportedForms: readonly AnswerForm[];
  /** What writing to the prompt cache costs unless the config says otherwise, in prices of uncached input. */
  cacheWriteShare: number;
}

export const PROVIDER_TRAITS: Readonly<Record<ProviderType, ProviderTraits>> = {
  openai: { unsupportedForms: [], cacheWriteShare: 1 },
  // Lost in translation (`providers/anthropic/request.ts`).
  anthropic: {
    unsupportedForms: ['n', 'logprobs', 'json_object', 'functions', 'custom tools'],
    cacheWriteShare: 1.25,
  },
};
