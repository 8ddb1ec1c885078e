import type Anthropic from '@anthropic-ai/sdk';

type Effort = NonNullable<Anthropic.OutputConfig['effort']>;

const EFFORTS: Record<string, Effort> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
};

/** Anthropic's effort for OpenAI's `reasoning_effort`; undefined for `none` and for unknown values. */
export function toEffort(value: unknown): Effort | undefined {
  return typeof value === 'string' && Object.hasOwn(EFFORTS, value) ? EFFORTS[value] : undefined;
}

/**
 * Entry in the set of refused fields: the thinking that the gateway adds to an effort. Models before Claude 4.6 refuse
 * it. No client has a field of this name.
 */
export const ADDED_THINKING = 'thinking of the effort';

/**
 * Entry in the set of refused fields: the added thinking together with `temperature`, `top_p` or `top_k`, which
 * thinking excludes.
 */
export const ADDED_THINKING_BESIDE_SAMPLING = 'thinking of the effort beside sampling';

/**
 * Entry in the set of refused fields: marks a model whose output limit does not allow THINKING_ALLOWANCE_TOKENS on top.
 */
export const THINKING_ALLOWANCE = 'room for thought';
