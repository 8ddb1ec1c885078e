import { type ChatBody, isJsonObject, type JsonObject } from '../../domain/chat.ts';
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
  const error = unsupported(answer);
  const field = error?.param;
  if (typeof field !== 'string' || !isSet(body, field)) return null;
  const isRenamed = field === MAX_TOKENS.old && !isSet(body, MAX_TOKENS.now);
  if (!isRenamed && !TUNING.has(field)) return null;
  // Some models take sampling fields with little effort only: another client's request may be one that they take.
  const hangsOnEffort = field !== 'reasoning_effort' && !isRenamed && isSet(body, 'reasoning_effort');
  // Of numbers such models take the default alone; another word may still be one that they know.
  const isOfValue = error?.code === 'unsupported_value' || /^Unsupported value/.test(String(error?.message));
  return { field, lasting: !hangsOnEffort && !(isOfValue && typeof body[field] !== 'number') };
}

/** True when the answer says that this model does not take a field, or not with this value: another model may. */
export function isModelSpecific(answer: string): boolean {
  return unsupported(answer) !== null;
}

/** By its code; some models' answers have none, but say it in these words. */
function unsupported(answer: string): JsonObject | null {
  const error = parseObject(answer)?.error;
  if (!isJsonObject(error)) return null;
  const isTold = error.code === 'unsupported_parameter' || error.code === 'unsupported_value';
  const isWorded = typeof error.message === 'string' && /^Unsupported (parameter|value): /.test(error.message);
  return isTold || isWorded ? error : null;
}

/** null is what some clients write for what they leave out. */
export function isSet(body: ChatBody, field: string): boolean {
  return body[field] !== undefined && body[field] !== null;
}
