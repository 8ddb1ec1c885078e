import { type ChatBody, isJsonObject } from './chat.ts';

/**
 * Tokens that a model which thinks at length may need in addition to its answer. Anthropic's default limit is raised by
 * this amount, which is far below such a model's own limit.
 */
export const THINKING_ALLOWANCE_TOKENS = 12_288;

const MUCH_THOUGHT: ReadonlySet<unknown> = new Set(['medium', 'high', 'xhigh', 'max']);

/** True when the model may think for as long as it likes, without a budget set by the client. */
export function wantsThinkingAllowance({ thinking, reasoning_effort: effort }: ChatBody): boolean {
  return isJsonObject(thinking) ? thinking.type === 'adaptive' : MUCH_THOUGHT.has(effort);
}
