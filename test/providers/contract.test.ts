import type { ProviderType } from '../../src/domain/provider-type.ts';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { OpenAIProvider } from '../../src/providers/openai/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { describeProviderContract, type ProviderFixture } from './contract.ts';
import { fixture } from './upstream.ts';

const text = 'Grüße aus 東京 — die Temperatur beträgt 21 °C ☀️ und 👩‍👩‍👧 spazieren.\n\nЕщё «вопрос»?';

// The official SDKs read these if given nothing else, and would then not call the contract's own servers.
Object.assign(process.env, {
  OPENAI_BASE_URL: 'http://127.0.0.1:9/from-the-environment',
  OPENAI_API_KEY: 'sk-environment',
  ANTHROPIC_BASE_URL: 'http://127.0.0.1:9/from-the-environment',
  ANTHROPIC_API_KEY: 'sk-environment',
  ANTHROPIC_AUTH_TOKEN: 'token-environment',
});

/** Splits a stream of server-sent events after the first one. */
const splitFirst = (stream: string): [string, string] => {
  const end = stream.indexOf('\n\n') + 2;
  return [stream.slice(0, end), stream.slice(end)];
};
const FOREIGN_EVENTS = ['event: heartbeat\ndata: 2026-11-27T10:00:00Z\n\n', 'data:\n\n', ': a comment\n\n'];
/** The event has another name, but as it is torn nobody can tell whether it was part of the answer. */
const TORN_EVENT = 'event: completion\ndata: {"choices":[{"index":0,"delta":{"content":"lost"\n\n';

interface Named {
  name: string;
}

const FIXTURES: Record<ProviderType, [string, ProviderFixture]> = {
  openai: [
    'OpenAIProvider',
    {
      create: ({ baseUrl, ...access }) =>
        new OpenAIProvider({ clock: systemClock, ...access, baseUrl: `${baseUrl}/v1`, streamUsage: true }),
      path: '/v1/chat/completions',
      requestIdHeader: 'x-request-id',
      asked: ({ messages, tools, max_tokens, temperature, stream }) => {
        const [system, ...turns] = messages as { content: string }[];
        return {
          system: system.content,
          texts: turns.map(({ content }) => content),
          tools: (tools as { function: Named }[]).map((tool) => tool.function.name),
          maxTokens: max_tokens,
          temperature,
          stream: stream === true,
        };
      },
      completion: {
        bytes: fixture('openai/tools.json'),
        facts: {
          completionId: 'chatcmpl-CY3pX5k9DcF2h7WqZrBnVtLs',
          servedModel: 'gpt-5-mini-2025-08-07',
          finishReason: 'tool_calls',
          usage: { inputTokens: 1720, cachedInputTokens: 1500, cacheWriteTokens: 0, outputTokens: 88 },
        },
      },
      stream: {
        bytes: fixture('openai/text.sse'),
        facts: {
          completionId: 'chatcmpl-CY3nM8f0QXGZ2w5LrTjPvKbE',
          servedModel: 'gpt-5-mini-2025-08-07',
          finishReason: 'stop',
          usage: { inputTokens: 2162, cachedInputTokens: 1840, cacheWriteTokens: 0, outputTokens: 47 },
        },
        text,
      },
      splitFirst,
      foreignEvents: FOREIGN_EVENTS.slice(0, 2),
      tornEvents: [TORN_EVENT, 'data: oops\n\n'],
      tools: {
        whole: fixture('openai/tools.json'),
        streamed: fixture('openai/tools.sse'),
        ids: { whole: ['call_8Jw2kVfQ'], streamed: ['call_DdmO9pD3xa9XTPNJ32zg2hcA', 'call_iFjmkmf0F3P7KxkZwFrHvTzq'] },
      },
      errorStream: {
        bytes: fixture('openai/error.sse'),
        message: 'The server had an error while processing your request. Sorry about that!',
      },
      errorBody: (message, type = 'rate_limit') =>
        JSON.stringify({ error: { message, type, param: null, code: null } }),
      tooLong: "This model's maximum context length is 4096 tokens.",
    },
  ],
  anthropic: [
    'AnthropicProvider',
    {
      create: (options) => new AnthropicProvider({ clock: systemClock, ...options }),
      path: '/v1/messages',
      requestIdHeader: 'request-id',
      asked: ({ system, messages, tools, max_tokens, temperature, stream }) => ({
        system: String(system),
        texts: (messages as { content: { text: string }[] }[]).flatMap(({ content }) =>
          content.map(({ text }) => text),
        ),
        tools: (tools as Named[]).map(({ name }) => name),
        maxTokens: max_tokens,
        temperature,
        stream: stream === true,
      }),
      completion: {
        bytes: fixture('anthropic/tools.json'),
        facts: {
          completionId: 'msg_01RtvQm3xUMn6e2pCzVqyzvC',
          servedModel: 'claude-sonnet-4-6',
          finishReason: 'tool_calls',
          usage: { inputTokens: 1720, cachedInputTokens: 1500, cacheWriteTokens: 200, outputTokens: 88 },
        },
      },
      stream: {
        bytes: fixture('anthropic/text.sse'),
        facts: {
          completionId: 'msg_01XFDUDYJgAACzvnptvVoYEL',
          servedModel: 'claude-sonnet-4-6',
          finishReason: 'stop',
          usage: { inputTokens: 2162, cachedInputTokens: 1840, cacheWriteTokens: 310, outputTokens: 47 },
        },
        text,
      },
      splitFirst,
      foreignEvents: FOREIGN_EVENTS,
      tornEvents: [TORN_EVENT, 'event: content_block_delta\ndata: oops\n\n'],
      tools: {
        whole: fixture('anthropic/tools.json'),
        streamed: fixture('anthropic/tools.sse'),
        ids: {
          whole: ['toolu_01A09q90qw90lq917835lq9', 'toolu_01B19q90qw90lq917835lq9'],
          streamed: [
            'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
            'toolu_01MbQCrPAMeFf9a8kT2dJgZr',
            'toolu_01Ck2vC8sRzq5hS7QyL3eXwP',
          ],
        },
      },
      errorStream: { bytes: fixture('anthropic/error.sse'), message: 'Overloaded' },
      errorBody: (message, type = 'overloaded_error') => JSON.stringify({ type: 'error', error: { type, message } }),
      tooLong: 'prompt is too long: 213456 tokens > 200000 maximum',
    },
  ],
};

for (const [name, fixture] of Object.values(FIXTURES)) describeProviderContract(name, fixture);
