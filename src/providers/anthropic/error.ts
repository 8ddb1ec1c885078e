import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { type OpenAIErrorBody, openAIError, UpstreamError } from '../../domain/errors.ts';
import { parseUpstreamJson } from '../answer-limit.ts';

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

function fromDetail(detail: JsonObject): OpenAIErrorBody {
  const message = typeof detail.message === 'string' ? detail.message : 'The upstream reported an error.';
  const code = isJsonObject(detail.details) ? detail.details.error_code : null;
  return openAIError(message, {
    type: typeof detail.type === 'string' ? detail.type : 'upstream_error',
    code: typeof code === 'string' ? code : null,
  });
}

function parseObject(json: string | null): JsonObject | null {
  try {
    const value: unknown = parseUpstreamJson(json ?? '');
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
