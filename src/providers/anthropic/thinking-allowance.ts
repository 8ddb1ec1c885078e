import { type ChatBody, isJsonObject } from '../../domain/chat.ts';

/**
 * Tokens added to the gateway's default output limit when the model is to think at length. Far below such a model's
 * own limit.
 */
export const THINKING_ALLOWANCE_TOKENS = 12_288;

/**
 * In the set of refused fields: marks a model that does not allow these extra tokens. No client has a field of this
 * name.
 */
export const THINKING_ALLOWANCE = 'room for thought';

const MUCH_THOUGHT: ReadonlySet<unknown> = new Set(['medium', 'high', 'xhigh', 'max']);

/** True when the model is to think for as long as it likes, without a budget from the client. */
export function wantsThinkingAllowance({ thinking, reasoning_effort: effort }: ChatBody): boolean {
  return isJsonObject(thinking) ? thinking.type === 'adaptive' : MUCH_THOUGHT.has(effort);
}
