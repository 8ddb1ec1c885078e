import { type ChatBody, isJsonObject } from '../../domain/chat.ts';
import { parseObject } from './answer.ts';

/** What reasoning models take in the place of `max_tokens`. */
export const MAX_TOKENS = { old: 'max_tokens', now: 'max_completion_tokens' } as const;

/**
 * Fields that tune an answer and do not say what is asked: without them the answer is another one of the same kind.
 * Which of OpenAI's models refuses which no request tells beforehand, and lists of names in the code would age.
 */
const TUNING = new Set([
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'reasoning_effort',
  'verbosity',
  'parallel_tool_calls',
]);

export interface Refusal {
  /** The client's field. */
  field: string;
  /** True when the model will refuse it in other requests too, whatever its value. */
  lasting: boolean;
}

/**
 * The field that a 400 says this model does not take, where the request can be sent again without it, or with it under
 * its new name; else null.
 * @param answer the body of OpenAI's error
 */
export function refusalOf(answer: string, body: ChatBody): Refusal | null {
  const error = parseObject(answer)?.error;
  if (!isJsonObject(error) || !isUnsupported(error.code) || typeof error.param !== 'string') return null;
  const field = error.param;
  const isRenamed = field === MAX_TOKENS.old && body[MAX_TOKENS.now] === undefined;
  if (body[field] === undefined || !(isRenamed || TUNING.has(field))) return null;
  // Of numbers such models take the default alone; another word may still be one that they know.
  return { field, lasting: error.code === 'unsupported_parameter' || typeof body[field] === 'number' };
}

function isUnsupported(code: unknown): boolean {
  return code === 'unsupported_parameter' || code === 'unsupported_value';
}
