import type { ProviderType } from '../../src/domain/provider-type.ts';
import { chunk, sse } from './raw-upstream.ts';

/** Parts of a stream as each provider's server writes them. */
export interface WireStart {
  /** Before any content: OpenAI announces the role, Anthropic the message and its input tokens (11). */
  opening: string;
  content(text: string): string;
  /** A finish with usage (11 tokens in, 7 out) and the clean end. */
  closing: string;
}

const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`;

export const WIRES: Record<ProviderType, WireStart> = {
  openai: {
    opening: sse(chunk({ role: 'assistant', content: '' })),
    content: (text) => sse(chunk({ content: text })),
    closing: sse(
      chunk({}, 'stop'),
      { id: 'chatcmpl-raw1', choices: [], usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } },
      '[DONE]',
    ),
  },
  anthropic: {
    opening: event('message_start', {
      message: {
        id: 'msg_1',
        model: 'm',
        role: 'assistant',
        content: [],
        usage: { input_tokens: 11, output_tokens: 1 },
      },
    }),
    content: (text) =>
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }),
    closing:
      event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } }) +
      event('message_stop', {}),
  },
};
