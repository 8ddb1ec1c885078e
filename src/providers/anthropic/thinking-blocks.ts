import type Anthropic from '@anthropic-ai/sdk';
import { isJsonObject, type JsonObject } from '../../domain/chat.ts';

/**
 * Field in which OpenAI's messages carry Anthropic's signed thinking, in LiteLLM's format: a list of Anthropic's own
 * blocks. A model that gets a tool's result continues its thinking from there; without these blocks it has forgotten
 * why it called the tool.
 */
export const THINKING_BLOCKS = 'thinking_blocks';

/** Entry in the set of refused fields: thinking that this model does not accept back. */
export const MESSAGES_THINKING_BLOCKS = `messages.${THINKING_BLOCKS}`;

/**
 * Entry in the set of refused fields: `thinking: enabled` with its budget, which recent models refuse. They accept
 * `adaptive`.
 */
export const MANUAL_THINKING = 'thinking.type';

export type ThinkingBlock = Anthropic.ThinkingBlockParam | Anthropic.RedactedThinkingBlockParam;

/**
 * Picks the thinking that Anthropic accepts back, with only the fields that it knows, from the blocks of an answer or
 * from blocks that a client sends back. Anthropic accepts no thinking without a signature.
 */
export function thinkingBlocks(blocks: unknown): ThinkingBlock[] {
  return Array.isArray(blocks) ? blocks.filter(isJsonObject).flatMap(thinkingBlock) : [];
}

function thinkingBlock({ type, thinking, signature, data }: JsonObject): ThinkingBlock[] {
  if (type === 'thinking' && typeof thinking === 'string' && typeof signature === 'string' && signature !== '') {
    return [{ type, thinking, signature }];
  }
  return type === 'redacted_thinking' && typeof data === 'string' && data !== '' ? [{ type, data }] : [];
}

/** True when an assistant message contains thinking that can be sent. */
export function bringThinking(messages: unknown): boolean {
  return (
    Array.isArray(messages) &&
    messages.some((message) => isJsonObject(message) && thinkingBlocks(message[THINKING_BLOCKS]).length > 0)
  );
}

/**
 * True when the model is in the middle of a series of tool calls, and the thinking that led to the first call is
 * missing: with `thinking: enabled`, Anthropic refuses such a request.
 */
export function lacksThinking(turns: readonly Anthropic.MessageParam[]): boolean {
  let called: Anthropic.MessageParam | undefined;
  for (let i = turns.length - 1; i > 0 && hasBlock(turns[i], 'tool_result'); i -= 2) called = turns[i - 1];
  return called !== undefined && !['thinking', 'redacted_thinking'].some((type) => hasBlock(called, type));
}

function hasBlock({ content }: Anthropic.MessageParam, type: string): boolean {
  return Array.isArray(content) && content.some((block) => block.type === type);
}
