import type Anthropic from '@anthropic-ai/sdk';
import type { MessagesParams } from './request.ts';

/** Remembered of models whose server refuses the mark. */
export const ADDED_MARK = 'mark of a conversation';

const MARK = { cache_control: { type: 'ephemeral' } } as const;

/**
 * Marks the end of the conversation so far for Anthropic's prompt cache, which holds nothing without a mark: clients of
 * OpenAI's API set none, because OpenAI caches by itself. Only if the conversation is likely to go on: writing to the
 * cache costs a quarter more than reading the input once.
 * @param params of a request that the client has not marked
 */
export function withCacheMark(params: MessagesParams): MessagesParams {
  const { messages, tools = [] } = params;
  // The beginning of the answer itself may follow.
  const last = messages.findLastIndex(({ role }) => role === 'user');
  const goesOn = tools.length > 0 || messages.slice(0, last).some(({ role }) => role === 'assistant');
  if (!goesOn) return params;
  const { role, content } = messages[last];
  const end = { ...content[content.length - 1], ...MARK } as Anthropic.ContentBlockParam;
  return { ...params, messages: messages.with(last, { role, content: [...content.slice(0, -1), end] }) };
}
