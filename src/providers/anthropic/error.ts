import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { type OpenAIErrorBody, openAIError, UpstreamError } from '../../domain/errors.ts';
import { parseUpstreamJson } from '../answer-limit.ts';
import { errorIn, isUnusable } from '../unusable.ts';

const CONTEXT_LENGTH_EXCEEDED = 'context_length_exceeded';
/** "prompt is too long: 213456 tokens > 200000 maximum", "input length and `max_tokens` exceed context limit: …" */
const TOO_LONG = /^(prompt is too long|input length and `max_tokens` exceed context limit)\b/;

/** What a proxy in between may say in HTML is cut at this length. */
const MAX_FOREIGN_TEXT = 500;

/** An error answer in OpenAI's shape, message kept. @param body as received; null when there was none */
export function toOpenAIErrorBody(body: string | null, status: number): OpenAIErrorBody {
  const answer = parseObject(body);
  if (answer && isJsonObject(answer.error)) return fromDetail(answer.error);
  const message = body?.trim().slice(0, MAX_FOREIGN_TEXT) || `The upstream answered ${status}.`;
  return openAIError(message, { type: 'upstream_error' });
}

/** What an event of a stream, or an answer under a status of success, says of the upstream's failure. */
export function toFailure(answer: JsonObject, failure: 'unreadable' | 'interrupted'): UpstreamError {
  const body = fromDetail(isJsonObject(answer.error) ? answer.error : {});
  return new UpstreamError(failure, body.error.message, { body: JSON.stringify(body) });
}

/** True when the answer says that the request is longer than the model's context. @param body of the error, as received */
export function isTooLong(body: string): boolean {
  const answer = parseObject(body);
  return answer !== null && isJsonObject(answer.error) && codeOf(answer.error) === CONTEXT_LENGTH_EXCEEDED;
}

/** True when the answer says that no request would be served: see `isUnusable`. @param body of the error, as received */
export function saysUnusable(body: string): boolean {
  const error = errorIn(parseObject(body));
  return error !== null && isUnusable(error);
}

function fromDetail(detail: JsonObject): OpenAIErrorBody {
  const message = typeof detail.message === 'string' ? detail.message : 'The upstream reported an error.';
  return openAIError(message, {
    type: typeof detail.type === 'string' ? detail.type : 'upstream_error',
    code: codeOf(detail),
  });
}

/** Anthropic's own code, else OpenAI's for what Anthropic says in words: frameworks go by it. */
function codeOf({ type, message, details }: JsonObject): string | null {
  if (isJsonObject(details) && typeof details.error_code === 'string') return details.error_code;
  if (type === 'rate_limit_error') return 'rate_limit_exceeded';
  const isTooLong = type === 'invalid_request_error' && typeof message === 'string' && TOO_LONG.test(message);
  return isTooLong ? CONTEXT_LENGTH_EXCEEDED : null;
}

function parseObject(json: string | null): JsonObject | null {
  try {
    const value: unknown = parseUpstreamJson(json ?? '');
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
