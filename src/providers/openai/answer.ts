import {
  generatedBytes,
  isJsonObject,
  type JsonObject,
  tokenCount,
  toolCallIds,
  type Usage,
} from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import { upstreamJsonOrNull } from '../answer-limit.ts';
import type { AnswerFacts } from '../provider.ts';

/**
 * Refused, because clients read the first choice without checking that there is one. An answer that reports usage
 * passes all the same, because the model has been at work.
 */
export const NO_CHOICES = 'The upstream answered with no choices.';

/**
 * Reads the facts of a whole chat completion.
 * @throws UpstreamError `unreadable` when `json` is not one
 */
export function readCompletion(json: string): AnswerFacts & { generatedBytes: number; toolCallIds: string[] } {
  const completion = parseObject(json);
  const failure = completion && failureIn(completion);
  const refused = (otherwise: string) =>
    failure ? errorInSuccess(failure, 'unreadable') : new UpstreamError('unreadable', otherwise);
  if (!completion || !Array.isArray(completion.choices)) {
    throw refused('The upstream answered with something that is not a chat completion.');
  }
  const choices = completion.choices.filter(isJsonObject);
  const usage = readUsage(completion.usage, choices.length);
  const isIdle = usage === null || (failure !== null && usage.outputTokens === 0);
  if (choices.length === 0 && isIdle) throw refused(NO_CHOICES);
  const failures = choices.map(failureOf).filter((failure) => failure !== null);
  if (failures.length > 0 && failures.length === choices.length) throw errorInSuccess(failures[0], 'unreadable');
  const messages = choices.map(({ message }) => message).filter(isJsonObject);
  return {
    generatedBytes: messages.reduce((sum, message) => sum + generatedBytes(message), 0),
    toolCallIds: messages.flatMap(toolCallIds),
    completionId: stringOrNull(completion.id),
    servedModel: stringOrNull(completion.model),
    finishReason: stringOrNull(choices[0]?.finish_reason),
    usage,
  };
}

/**
 * What an answer, or an event of one, says about the upstream's failure. Null when it says nothing; some servers send
 * an empty error, or `false`, with every answer.
 */
export function failureIn(answer: JsonObject): unknown {
  if (answer.error && !isEmpty(answer.error)) return answer.error;
  return answer.object === 'error' ? answer : null;
}

function isEmpty(error: unknown): boolean {
  return isJsonObject(error) && Object.keys(error).length === 0;
}

/**
 * Why the upstream could not finish a choice; null when it could. Errors are per choice, because the answer's other
 * choices may be complete.
 */
export function failureOf({ error, finish_reason: reason }: JsonObject): unknown {
  if (isJsonObject(error) && !isEmpty(error)) return error;
  return reason === 'error' ? 'The upstream ended its answer with an error.' : null;
}

/** @param error what the upstream says about its failure, although its status was a success */
export function errorInSuccess(error: unknown, failure: 'unreadable' | 'interrupted'): UpstreamError {
  const detail = isJsonObject(error) ? error : { message: String(error) };
  const message = stringOrNull(detail.message) ?? 'The upstream reported an error in its answer.';
  return new UpstreamError(failure, message, { body: JSON.stringify({ error: detail }) });
}

/**
 * Null unless the usage reports input tokens, and output tokens either directly or as part of the total.
 * @param choices how many the answer has
 */
export function readUsage(value: unknown, choices = 1): Usage | null {
  if (!isJsonObject(value)) return null;
  const prompt = tokenCount(value.prompt_tokens);
  const completion = tokenCount(value.completion_tokens);
  const tokensOnlyInTotal = (tokenCount(value.total_tokens) ?? 0) - (prompt ?? 0) - (completion ?? 0);
  if (prompt === null || (completion === null && tokensOnlyInTotal <= 0)) return null;
  const details = isJsonObject(value.prompt_tokens_details) ? value.prompt_tokens_details : {};
  // DeepSeek, Moonshot and Mistral report cached tokens in separate fields, gateways in front of Claude in Anthropic's.
  const { prompt_cache_hit_tokens: hit, cached_tokens: read, num_cached_tokens: number } = value;
  const cached = tokenCount(details.cached_tokens ?? hit ?? read ?? number ?? value.cache_read_input_tokens) ?? 0;
  const { written, writtenForAnHour } = cacheWrites(details, value);
  // Tokens that only the total counts are thinking (xAI, Gemini), which is billed as output; or they are cached tokens,
  // if the prompt's count leaves those out (Bedrock).
  const completionDetails = isJsonObject(value.completion_tokens_details) ? value.completion_tokens_details : {};
  const isThought = tokensOnlyInTotal === tokenCount(completionDetails.reasoning_tokens);
  const isCache = completion !== null && !isThought && [cached, written, cached + written].includes(tokensOnlyInTotal);
  // Some gateways in front of Claude leave the cached tokens out of the total as well: there are more than the prompt has.
  // Not if there are several choices, which Claude never gives: SGLang counted the same cached tokens once for each.
  const isLeftOut = choices <= 1 && tokensOnlyInTotal <= 0 && Math.max(cached, written) > prompt;
  const inputTokens = prompt + (isLeftOut ? cached + written : isCache ? tokensOnlyInTotal : 0);
  const outputTokens = (completion ?? 0) + (isCache ? 0 : Math.max(0, tokensOnlyInTotal));
  // The server does not count tokens.
  if (inputTokens + outputTokens === 0) return null;
  const cachedInputTokens = Math.min(inputTokens, cached);
  const cacheWriteTokens = Math.min(inputTokens - cachedInputTokens, written);
  const hourCacheWriteTokens = Math.min(cacheWriteTokens, writtenForAnHour);
  return {
    inputTokens,
    outputTokens,
    cachedInputTokens,
    cacheWriteTokens,
    ...(hourCacheWriteTokens > 0 && { hourCacheWriteTokens }),
  };
}

/**
 * Tokens written to the prompt cache. OpenAI and OpenRouter call them `cache_write_tokens`. LiteLLM, new-api and Qwen
 * have other names for them, and LiteLLM may report several at once.
 */
function cacheWrites(details: JsonObject, usage: JsonObject) {
  const names = [
    details.cache_write_tokens,
    details.cache_creation_tokens,
    details.cached_creation_tokens,
    details.cache_creation_input_tokens,
    usage.cache_creation_input_tokens,
  ];
  const kept = isJsonObject(details.cache_creation_token_details) ? details.cache_creation_token_details : {};
  return {
    written: Math.max(...names.map((value) => tokenCount(value) ?? 0)),
    writtenForAnHour: tokenCount(kept.ephemeral_1h_input_tokens) ?? 0,
  };
}

export function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function parseObject(json: string): JsonObject | null {
  const value = upstreamJsonOrNull(json);
  return isJsonObject(value) ? value : null;
}
