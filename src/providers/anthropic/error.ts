import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { type OpenAIErrorBody, openAIError, UpstreamError } from '../../domain/errors.ts';
import { upstreamJsonOrNull } from '../answer-limit.ts';
import { type ErrorMeaning, errorIn, isUnusable } from '../error-meaning.ts';
import { isModelSpecific } from './refusal.ts';

const CONTEXT_LENGTH_EXCEEDED = 'context_length_exceeded';
/**
 * Matches "prompt is too long: 213456 tokens > 200000 maximum" and "input length and `max_tokens` exceed context limit:
 * …".
 */
const TOO_LONG = /^(prompt is too long|input length and `max_tokens` exceed context limit)\b/;

/** Text from a proxy in between, often HTML, is cut to this length. */
const MAX_FOREIGN_TEXT = 500;

/**
 * Converts an error response to OpenAI's form, with its message unchanged.
 * @param body as received; null if there was none
 */
export function toOpenAIErrorBody(body: string | null, status: number): OpenAIErrorBody {
  const answer = upstreamJsonOrNull(body ?? '');
  if (isJsonObject(answer) && isJsonObject(answer.error)) return fromDetail(answer.error);
  const message = body?.trim().slice(0, MAX_FOREIGN_TEXT) || `The upstream answered ${status}.`;
  return openAIError(message, { type: 'upstream_error' });
}

/** The upstream's failure, as reported by an event of a stream or by an answer with a success status. */
export function toFailure(answer: JsonObject, failure: 'unreadable' | 'interrupted'): UpstreamError {
  const body = fromDetail(isJsonObject(answer.error) ? answer.error : {});
  return new UpstreamError(failure, body.error.message, { body: JSON.stringify(body) });
}

/** @param body the body of the error, as received */
export function meaningOf(body: string): ErrorMeaning {
  const error = errorIn(upstreamJsonOrNull(body));
  return {
    modelSpecific: isModelSpecific(body),
    tooLong: error !== null && codeOf(error) === CONTEXT_LENGTH_EXCEEDED,
    unusable: error !== null && isUnusable(error),
  };
}

function fromDetail(detail: JsonObject): OpenAIErrorBody {
  const message = typeof detail.message === 'string' ? detail.message : 'The upstream reported an error.';
  return openAIError(message, {
    type: typeof detail.type === 'string' ? detail.type : 'upstream_error',
    code: codeOf(detail),
  });
}

/**
 * Anthropic's own code, or else OpenAI's code for what Anthropic says only in words, because frameworks rely on the
 * code.
 */
function codeOf({ type, message, details }: JsonObject): string | null {
  if (isJsonObject(details) && typeof details.error_code === 'string') return details.error_code;
  if (type === 'rate_limit_error') return 'rate_limit_exceeded';
  const isTooLong = type === 'invalid_request_error' && typeof message === 'string' && TOO_LONG.test(message);
  return isTooLong ? CONTEXT_LENGTH_EXCEEDED : null;
}
