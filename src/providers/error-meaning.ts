import { isJsonObject, type JsonObject } from '../domain/chat.ts';
import type { UpstreamError } from '../domain/errors.ts';

/** What an upstream's error says of other models and other requests. */
export type ErrorMeaning = Pick<UpstreamError, 'modelSpecific' | 'tooLong' | 'unusable'>;

/** Of OpenAI and its like. A wrong key is a 400 to some, and a spent quota a 429 that no waiting ends. */
const CODES: ReadonlySet<unknown> = new Set([
  'invalid_api_key',
  'account_deactivated',
  'billing_hard_limit_reached',
  'billing_not_active',
  'insufficient_quota',
  'model_not_found',
  'model_decommissioned',
]);

/** How messages without such a code begin: of Anthropic, Google, xAI and DeepSeek. */
const BEGINNINGS = [
  'Your credit balance is too low',
  'This organization has been disabled',
  'You have reached your specified API usage limits',
  'API key not valid',
  'API key expired',
  'User location is not supported',
  'Incorrect API key provided',
  'Model Not Exist',
];

/** Of another gateway like this one, whose code is OpenAI's: what is left may be enough for a smaller request. */
const BUDGET = 'The budget of key "';

/**
 * True when the upstream's error is about the account, its key or the model as such, so that any request would meet it.
 * @param error of the answer's body: `code` and `message`
 */
export function isUnusable({ code, message }: JsonObject): boolean {
  if (CODES.has(code)) return typeof message !== 'string' || !message.startsWith(BUDGET);
  return typeof message === 'string' && BEGINNINGS.some((beginning) => message.startsWith(beginning));
}

/**
 * The error of an answer in OpenAI's or Anthropic's form; Google's compatible API wraps it in a list, some servers have its
 * members in the body itself, and xAI its message alone. Null where there is none.
 */
export function errorIn(answer: unknown): JsonObject | null {
  const body: unknown = Array.isArray(answer) ? answer[0] : answer;
  if (!isJsonObject(body)) return null;
  if (isJsonObject(body.error)) return body.error;
  return typeof body.error === 'string' ? { message: body.error, ...body } : body;
}
