import { expect, it } from 'vitest';
import { generatedBytes } from '../../src/domain/chat.ts';

it.each([
  ['text', { role: 'assistant', content: 'Grüße' }, 7],
  [
    'parts of a text',
    {
      content: [
        { type: 'text', text: 'a' },
        { type: 'thinking', thinking: [{ text: 'bc' }] },
      ],
    },
    3,
  ],
  ['no image', { content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }, 0],
  ['thoughts', { content: null, reasoning_content: '好', reasoning: 'b', refusal: 'c' }, 5],
  ['a tool call', { tool_calls: [{ id: 'call_1', function: { name: 'f', arguments: '{"a":1}' } }] }, 8],
  ['a custom tool call', { tool_calls: [{ id: 'call_1', type: 'custom', custom: { name: 'f', input: 'abc' } }] }, 4],
  ['a call of a function', { function_call: { name: 'f', arguments: '{}' } }, 3],
  ['the words of sound', { audio: { id: 'a', data: 'AAAA', transcript: 'Hi' } }, 2],
  ['nothing', { tool_calls: [null, 7], content: 7 }, 0],
])('counts what was generated: %s', (_, message, bytes) => {
  expect(generatedBytes(message)).toBe(bytes);
});

it('ends in whatever is nested too deep', () => {
  let content: unknown = 'far below';
  for (let i = 0; i < 100_000; i++) content = [content];
  expect(generatedBytes({ content })).toBe(0);
});
