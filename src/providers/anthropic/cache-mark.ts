import type Anthropic from '@anthropic-ai/sdk';

/** Remembered of models whose server refuses the mark. */
export const ADDED_MARK = 'mark of a conversation';

const MARK = { cache_control: { type: 'ephemeral' } } as const;

type Params = Pick<Anthropic.MessageCreateParamsNonStreaming, 'messages' | 'tools'>;
type Content = Anthropic.MessageParam['content'];

/**
 * Marks the end of the conversation so far for Anthropic's prompt cache, which holds nothing without a mark: clients of
 * OpenAI's API set none, because OpenAI caches by itself. Only if the conversation is likely to go on: writing to the
 * cache costs a quarter more than reading the input once.
 * @param params of a request that the client has not marked
 */
export function withCacheMark<P extends Params>(params: P): P {
  const { messages, tools = [] } = params;
  const last = messages.findLastIndex(({ role }) => role === 'user');
  // The beginning of the answer itself may follow.
  const goesOn = tools.length > 0 || messages.slice(0, last).some(({ role }) => role === 'assistant');
  if (!goesOn || last < 0) return params;
  const message = messages[last];
  const content = marked(message.content);
  return { ...params, messages: messages.with(last, { ...message, content } as typeof message) };
}

function marked(content: Content): Content {
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content } as const] : content;
  const end = blocks.at(-1);
  return end ? [...blocks.slice(0, -1), { ...end, ...MARK } as typeof end] : content;
}
