import type { Tier } from '../../domain/arm.ts';

/**
 * Tiers of the models in the public data that are general chat models of known size: 7 to 9 billion parameters are
 * small, about 50 billion (or a mixture of as many) mid. Specialised models (codegemma, chatqa) are left out, because
 * they say more about their purpose than about their size.
 */
export const TIER_MODELS: Readonly<Record<string, Tier>> = {
  'qwen2.5-7b-instruct': 'small',
  'mistral-7b-instruct-v0.3': 'small',
  'gemma-2-9b-it': 'small',
  'llama-3.1-8b-instruct': 'small',
  'mistralai/Mistral-7B-v0.1': 'small',
  'meta-math/MetaMath-Mistral-7B': 'small',
  'itpossible/Chinese-Mistral-7B-v0.1': 'small',
  'HuggingFaceH4/zephyr-7b-beta': 'small',
  'cognitivecomputations/dolphin-2.6-mistral-7b': 'small',
  'meta-llama/Meta-Llama-3-8B': 'small',
  'cognitivecomputations/dolphin-2.9-llama3-8b': 'small',
  'llama-3.1-nemotron-51b-instruct': 'mid',
  'llama-3.3-nemotron-super-49b-v1': 'mid',
  'mistralai/Mixtral-8x7B-Instruct-v0.1': 'mid',
  'gpt-4-1106-preview': 'frontier',
};
