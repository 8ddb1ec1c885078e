import { isJsonObject, type JsonObject } from '../domain/chat.ts';
import type { UpstreamError } from '../domain/errors.ts';

/** What an upstream's error says about other models and other requests. */
export type ErrorMeaning = Pick<UpstreamError, 'modelSpecific' | 'tooLong' | 'unusable'>;

/**
 * Codes of OpenAI and servers like it. Some answer a wrong key with 400, and an exhausted quota with a 429 that no
 * amount of waiting resolves.
 */
const CODES: ReadonlySet<unknown> = new Set([
  'invalid_api_key',
  'account_deactivated',
  'billing_hard_limit_reached',
  'billing_not_active',
  'insufficient_quota',
  'model_not_found',
  'model_decommissioned',
]);

/** How messages without such a code begin: Anthropic's, Google's, xAI's and DeepSeek's. */
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

/**
 * The message of another gateway like this one, which uses OpenAI's code although what is left may be enough for a
 * smaller request.
 */
const BUDGET = 'The budget of key "';

/**
 * True when the error is about the account, its key or the model as such, so that every request would get it.
 * @param error `code` and `message` from the answer's body
 */
export function isUnusable({ code, message }: JsonObject): boolean {
  if (CODES.has(code)) return typeof message !== 'string' || !message.startsWith(BUDGET);
  return typeof message === 'string' && BEGINNINGS.some((beginning) => message.startsWith(beginning));
}

/**
 * Finds the error in a response in OpenAI's or Anthropic's format. Google's OpenAI-compatible API wraps it in a list,
 * some servers put its members into the body itself, and xAI sends only its message.
 * @returns null for a response that is not a JSON object
 */
export function errorIn(answer: unknown): JsonObject | null {
  const body: unknown = Array.isArray(answer) ? answer[0] : answer;
  if (!isJsonObject(body)) return null;
  if (isJsonObject(body.error)) return body.error;
  return typeof body.error === 'string' ? { message: body.error, ...body } : body;
}
