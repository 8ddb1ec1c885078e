import { type ChatBody, isJsonObject } from '../../domain/chat.ts';

/** Tokens that the gateway adds to its own limit of output for a model that is to think for long: its own limit is far above. */
export const THOUGHT_TOKENS = 12_288;

/** Stands for them among the fields that a model refuses. No client's field has its name. */
export const ROOM_FOR_THOUGHT = 'room for thought';

const MUCH_THOUGHT: ReadonlySet<unknown> = new Set(['medium', 'high', 'xhigh', 'max']);

/** True when the model is to think for as long as it likes: without a budget of the client's. */
export function wantsRoom({ thinking, reasoning_effort: effort }: ChatBody): boolean {
  return isJsonObject(thinking) ? thinking.type === 'adaptive' : MUCH_THOUGHT.has(effort);
}
