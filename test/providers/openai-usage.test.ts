import { expect, it } from 'vitest';
import type { Usage } from '../../src/domain/chat.ts';
import { readUsage as readAnthropicUsage, toOpenAIUsage } from '../../src/providers/anthropic/answer.ts';
import { readCompletion, readUsage } from '../../src/providers/openai/answer.ts';
import { StreamReader } from '../../src/providers/openai/stream.ts';
import { SseSplitter } from '../../src/util/sse.ts';

const told = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 };

it.each([
  [
    'cached and written tokens are parts of the input',
    { prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 60 } },
    [100, 30, 60, 50],
  ],
  [
    'parts are never more than the whole',
    { prompt_tokens_details: { cached_tokens: 80, cache_write_tokens: 60 } },
    [100, 80, 20, 50],
  ],
  [
    'DeepSeek tells what was cached in a field of its own',
    { prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 },
    [100, 64, 0, 50],
  ],
  ['so does Moonshot', { cached_tokens: 64, prompt_tokens_details: null }, [100, 64, 0, 50]],
  ['and Mistral', { num_cached_tokens: 64 }, [100, 64, 0, 50]],
  [
    'LiteLLM calls written tokens by two other names',
    {
      prompt_tokens_details: { cached_tokens: 30, cache_creation_tokens: 60 },
      cache_read_input_tokens: 30,
      cache_creation_input_tokens: 60,
    },
    [100, 30, 60, 50],
  ],
  [
    'which may stand next to the usual one',
    { prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 0, cache_creation_tokens: 60 } },
    [100, 30, 60, 50],
  ],
  [
    'Qwen has a third one',
    { prompt_tokens_details: { cached_tokens: 0, cache_creation_input_tokens: 60, cache_type: 'ephemeral' } },
    [100, 0, 60, 50],
  ],
  [
    "Anthropic's names may be the only ones",
    { cache_read_input_tokens: 30, cache_creation_input_tokens: 60 },
    [100, 30, 60, 50],
  ],
  ['the details go before', { cached_tokens: 64, prompt_tokens_details: { cached_tokens: 8 } }, [100, 8, 0, 50]],
  ['thinking that only the total has is output', { total_tokens: 400 }, [100, 0, 0, 300]],
  ['also where nothing else is', { completion_tokens: undefined, total_tokens: 400 }, [100, 0, 0, 300]],
  [
    'what was cached is input also where only the total counts it',
    { total_tokens: 40_160, prompt_tokens_details: { cached_tokens: 40_000, cache_write_tokens: 10 } },
    [40_110, 40_000, 10, 50],
  ],
  [
    'more cached tokens than the prompt has cannot be part of it',
    { prompt_tokens: 21, total_tokens: 71, prompt_tokens_details: { cached_tokens: 188_086, cache_write_tokens: 300 } },
    [188_407, 188_086, 300, 50],
  ],
  [
    'nor can more written ones',
    { prompt_tokens: 21, total_tokens: 71, prompt_tokens_details: { cached_creation_tokens: 5000 } },
    [5021, 0, 5000, 50],
  ],
  ['a total that is less than its parts says nothing', { total_tokens: 0 }, [100, 0, 0, 50]],
  ['nor does one that is missing', { total_tokens: null }, [100, 0, 0, 50]],
])('OpenAI usage: %s', (_, fields, [inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens]) => {
  const usage = { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens };
  expect(readUsage({ ...told, ...fields })).toEqual(usage);
});

it('LiteLLM also tells which tokens were written for an hour, at a higher price', () => {
  const kept = { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 40 };
  const details = { cached_tokens: 30, cache_creation_tokens: 60, cache_creation_token_details: kept };
  const usage = readUsage({ ...told, prompt_tokens_details: details });
  expect(usage).toMatchObject({ cacheWriteTokens: 60, hourCacheWriteTokens: 40 });
});

it.each([0, 60])('a gateway in front of this one prices cache writes for an hour (%i) as this one does', (hour) => {
  const usage = readAnthropicUsage({
    input_tokens: 10,
    cache_read_input_tokens: 30,
    cache_creation_input_tokens: 60,
    cache_creation: { ephemeral_5m_input_tokens: 60 - hour, ephemeral_1h_input_tokens: hour },
    output_tokens: 50,
  }) as Usage;
  expect(readUsage(toOpenAIUsage(usage, null))).toEqual(usage);
});

it.each([
  [null],
  [{}],
  [{ prompt_tokens: 5 }],
  [{ prompt_tokens: 5, total_tokens: 5 }],
  [{ completion_tokens: 5, total_tokens: 10 }],
  [{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
])('%j is not treated as usage', (usage) => {
  expect(readUsage(usage)).toBe(null);
});

it('hides a usage chunk from a client that did not ask for it, even if it counts nothing', () => {
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const [event] = new SseSplitter().push(Buffer.from(`data: ${JSON.stringify({ choices: [], usage })}\n\n`));
  expect(new StreamReader(true).read(event).bytes).toHaveLength(0);
  expect(new StreamReader(false).read(event).bytes).not.toHaveLength(0);
});

it('reads the usage from the last choice of a stream, as Moonshot sends it', () => {
  const choice = { index: 0, delta: {}, finish_reason: 'stop', usage: { ...told, cached_tokens: 40 } };
  const [event] = new SseSplitter().push(Buffer.from(`data: ${JSON.stringify({ choices: [choice] })}\n\n`));
  const piece = new StreamReader(true).read(event);
  expect(piece.usage).toMatchObject({ inputTokens: 100, cachedInputTokens: 40, outputTokens: 50 });
  expect(piece.bytes).toBe(event.raw);
});

it("reads the usage from Groq's own field of a stream that was not asked for any", () => {
  const usage = { queue_time: 0.07, prompt_tokens: 23, completion_tokens: 19, total_tokens: 42 };
  const choice = { index: 0, delta: {}, finish_reason: 'stop' };
  const data = JSON.stringify({ choices: [choice], x_groq: { id: 'req_01', usage } });
  const [event] = new SseSplitter().push(Buffer.from(`data: ${data}\n\n`));
  const piece = new StreamReader(true).read(event);
  expect(piece.usage).toMatchObject({ inputTokens: 23, outputTokens: 19 });
  expect(piece.bytes).toBe(event.raw);
});

it('the cached tokens of a prompt with several choices, which SGLang counted once for each, are no further input', () => {
  const usage = { ...told, prompt_tokens_details: { cached_tokens: 4 * 96 } };
  const choices = [0, 1, 2, 3].map((index) => ({ index, message: { content: 'x' }, finish_reason: 'stop' }));
  const expected = { inputTokens: 100, cachedInputTokens: 100 };
  expect(readCompletion(JSON.stringify({ choices, usage })).usage).toMatchObject(expected);
  const reader = new StreamReader(false);
  const pieces = [...choices.map((choice) => ({ choices: [choice] })), { choices: [], usage }].map((each) => {
    const [event] = new SseSplitter().push(Buffer.from(`data: ${JSON.stringify(each)}\n\n`));
    return reader.read(event);
  });
  expect(pieces.at(-1)?.usage).toMatchObject(expected);
});
