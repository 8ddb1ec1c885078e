import { type ChatBody, isJsonObject } from './chat.ts';

/**
 * Tokens that a model which thinks at length may take on top of its answer. Anthropic's default limit is raised by as
 * many. Far below such a model's own limit.
 */
export const THINKING_ALLOWANCE_TOKENS = 12_288;

const MUCH_THOUGHT: ReadonlySet<unknown> = new Set(['medium', 'high', 'xhigh', 'max']);

/** True when the model is to think for as long as it likes, without a budget from the client. */
export function wantsThinkingAllowance({ thinking, reasoning_effort: effort }: ChatBody): boolean {
  return isJsonObject(thinking) ? thinking.type === 'adaptive' : MUCH_THOUGHT.has(effort);
}
