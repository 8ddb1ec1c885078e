import {
  generatedBytes,
  isJsonObject,
  type JsonObject,
  tokenCount,
  toolCallIds,
  type Usage,
} from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import { parseExactly } from '../../util/exact-json.ts';
import { upstreamJsonOrNull } from '../answer-limit.ts';
import type { AnswerFacts } from '../provider.ts';
import { toFailure } from './error.ts';
import { THINKING_BLOCKS, thinkingBlocks } from './thinking-blocks.ts';

/** A whole answer in OpenAI's form. */
export interface Completion extends AnswerFacts {
  generatedBytes: number;
  toolCallIds: string[];
  body: JsonObject;
}

const FINISH_REASONS: Record<string, string> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

/**
 * Translates an Anthropic message into a chat completion.
 * @param created Unix time in seconds
 * @throws UpstreamError `unreadable` when `json` is not a message
 */
export function toCompletion(json: string, created: number): Completion {
  const message = parseMessage(json);
  const blocks = (message.content as unknown[]).filter(isJsonObject);
  const facts: AnswerFacts = {
    completionId: typeof message.id === 'string' ? message.id : null,
    servedModel: typeof message.model === 'string' ? message.model : null,
    finishReason: toFinishReason(message.stop_reason),
    usage: readUsage(message.usage),
  };
  const answer = toMessage(blocks);
  const choice = { index: 0, message: answer, logprobs: null, finish_reason: facts.finishReason };
  const body: JsonObject = {
    id: facts.completionId,
    object: 'chat.completion',
    created,
    model: facts.servedModel,
    choices: [choice],
  };
  if (facts.usage) body.usage = toOpenAIUsage(facts.usage, message.usage);
  return { ...facts, generatedBytes: generatedBytes(answer), toolCallIds: toolCallIds(answer), body };
}

/** OpenAI's finish reason for Anthropic's stop reason; an unknown reason counts as a normal end. */
export function toFinishReason(stopReason: unknown): string {
  const known = typeof stopReason === 'string' && Object.hasOwn(FINISH_REASONS, stopReason);
  return known ? (FINISH_REASONS[stopReason] as string) : 'stop';
}

/**
 * Reads Anthropic's usage. Anthropic leaves cached tokens out of `input_tokens`; OpenAI and the gateway include them.
 * @returns null when nothing was counted
 */
export function readUsage(usage: unknown): Usage | null {
  if (!isJsonObject(usage)) return null;
  const cachedInputTokens = count(usage.cache_read_input_tokens);
  const cacheWriteTokens = count(usage.cache_creation_input_tokens);
  const kept = isJsonObject(usage.cache_creation) ? count(usage.cache_creation.ephemeral_1h_input_tokens) : 0;
  const hourCacheWriteTokens = Math.min(kept, cacheWriteTokens);
  const inputTokens = count(usage.input_tokens) + cachedInputTokens + cacheWriteTokens;
  const outputTokens = count(usage.output_tokens);
  // The server does not count tokens.
  if (inputTokens + outputTokens === 0) return null;
  return {
    inputTokens,
    cachedInputTokens,
    cacheWriteTokens,
    ...(hourCacheWriteTokens > 0 && { hourCacheWriteTokens }),
    outputTokens,
  };
}

/**
 * Cache writes have the names that OpenAI and LiteLLM give them, so that whoever reads the usage can price it as the
 * gateway does.
 * @param source Anthropic's own usage, which may say how much of the output was thinking
 */
export function toOpenAIUsage(usage: Usage, source: unknown): JsonObject {
  const details = isJsonObject(source) ? source.output_tokens_details : null;
  const reasoning = isJsonObject(details) ? { reasoning_tokens: count(details.thinking_tokens) } : null;
  const { cacheWriteTokens: written, hourCacheWriteTokens: kept } = usage;
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cachedInputTokens,
      ...(written > 0 && { cache_write_tokens: written }),
      ...(kept && { cache_creation_token_details: { ephemeral_1h_input_tokens: kept } }),
    },
    ...(reasoning ? { completion_tokens_details: reasoning } : {}),
  };
}

function toMessage(blocks: JsonObject[]): JsonObject {
  const thinking = joinTexts(blocks, 'thinking');
  const signed = thinkingBlocks(blocks);
  const toolCalls = blocks.filter((block) => block.type === 'tool_use').map(toToolCall);
  const hasText = blocks.some((block) => block.type === 'text');
  return {
    role: 'assistant',
    content: !hasText && toolCalls.length > 0 ? null : joinTexts(blocks, 'text'),
    refusal: null,
    ...(thinking === '' ? {} : { reasoning_content: thinking }),
    ...(signed.length > 0 ? { [THINKING_BLOCKS]: signed } : {}),
    ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
  };
}

/** Blocks of either type carry their text in a field named after the type. */
function joinTexts(blocks: JsonObject[], type: 'text' | 'thinking'): string {
  return blocks
    .filter((block) => block.type === type)
    .map((block) => (typeof block[type] === 'string' ? block[type] : ''))
    .join('');
}

function toToolCall(block: JsonObject): JsonObject {
  const call = { name: block.name, arguments: JSON.stringify(block.input ?? {}) };
  return { id: block.id, type: 'function', function: call };
}

function parseMessage(json: string): JsonObject {
  const message = upstreamJsonOrNull(json, parseExactly);
  if (isJsonObject(message)) {
    if (message.type === 'message' && Array.isArray(message.content)) return message;
    if (message.type === 'error') throw toFailure(message, 'unreadable');
  }
  throw new UpstreamError('unreadable', 'The upstream answered with something that is not an Anthropic message.');
}

function count(value: unknown): number {
  return tokenCount(value) ?? 0;
}
