import { type ChatBody, isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { parseUpstreamJson } from '../answer-limit.ts';
import { errorIn, isUnusable } from '../unusable.ts';
import { parseObject } from './answer.ts';

/** The two names of the limit on output tokens: OpenAI's reasoning models take the second alone, Mistral the first. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  max_tokens: 'max_completion_tokens',
  max_completion_tokens: 'max_tokens',
};

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

/** The name that a model may know a field by, if it has two; null else. */
export function otherName(field: string): string | null {
  return Object.hasOwn(OTHER_NAMES, field) ? OTHER_NAMES[field] : null;
}

/**
 * The field that a 400 or 422 says this model does not take, where the request can be sent again without it, or with it
 * under its other name; else null.
 * @param answer the body of the error
 */
export function refusalOf(answer: string, body: ChatBody): Refusal | null {
  const { field, isOfValue } = unsupported(answer) ?? {};
  if (typeof field !== 'string' || !isSet(body, field)) return null;
  const isRenamed = otherName(field) !== null;
  if (!isRenamed && !TUNING.has(field)) return null;
  // Some models take sampling fields with little effort only: another client's request may be one that they take.
  const hangsOnEffort = field !== 'reasoning_effort' && !isRenamed && isSet(body, 'reasoning_effort');
  // Of numbers such models take the default alone; another word may still be one that they know.
  return { field, lasting: !hangsOnEffort && !(isOfValue && typeof body[field] !== 'number') };
}

/** True when the answer says that this model does not take a field, a value or what the request needs: another model may. */
export function isModelSpecific(answer: string): boolean {
  const error = errorOf(answer);
  return error !== null && (unsupported(answer) !== null || isBeyondModel(error));
}

/** In the words of servers that give no code: vLLM and Mistral, SGLang, xAI, Google, Moonshot. */
const TOO_LONG =
  /\bmaximum (context|prompt) length\b|\blonger than the model's context length\b|^Input length .*\bexceeds the maximum allowed length\b|^The input token count\b.*\bexceeds the maximum\b|\bexceeded model token limit\b|\bthe model's context length is only\b/;

/** True when the answer says, by OpenAI's code, llama.cpp's type or in words, that the request is too long for the model. */
export function isTooLong(answer: string): boolean {
  const { code, type, message } = errorOf(answer) ?? {};
  return (
    code === 'context_length_exceeded' ||
    type === 'exceed_context_size_error' ||
    (typeof message === 'string' && TOO_LONG.test(withoutQuotes(innermost(message))))
  );
}

/** True when the answer says that no request would be served: see `isUnusable`. */
export function saysUnusable(answer: string): boolean {
  const error = errorOf(answer);
  return error !== null && isUnusable(error);
}

/**
 * What one model or server cannot do and another may, in their own words: Ollama's and vLLM's without tools, Mistral's with
 * other vendors' ids of calls, Google's and DeepSeek's with turns that another model answered.
 */
const CANNOT =
  /\bdoes not support (tools|images|vision|thinking)\b|^Tool call id\b.*\blength of 9\b|\bmissing a `?thought_signature\b|\b[Mm]issing `?reasoning_content\b/;

/** vLLM's. */
const TOOLS_NOT_SET_UP = /^"auto" tool choice requires\b/;

/** Anthropic's fields, and its answers' reasoning handed back: the gateway offers them whoever answers. */
const ANTHROPICS = /(^|[.\]])(thinking|cache_control|reasoning_content)$/;

function isBeyondModel({ code, message, param }: JsonObject): boolean {
  // Groq's, under 413: the request alone is more than this model may take in a minute.
  if (code === 'rate_limit_exceeded') return true;
  if (typeof message !== 'string') return false;
  const unknown = /^Unrecognized request argument supplied: (\w+)$/.exec(message)?.[1];
  const field = code === 'unknown_parameter' ? param : unknown;
  return (
    TOOLS_NOT_SET_UP.test(message) ||
    CANNOT.test(withoutQuotes(innermost(message))) ||
    (typeof field === 'string' && ANTHROPICS.test(field))
  );
}

/** Names and values of the request may say anything, and a message may quote them: from the first quote to the last. */
function withoutQuotes(message: string): string {
  return message.replace(/(?<!\w)'.*'(?!\w)|".*"/gs, '');
}

/** A proxy's message may hold the error of the server behind it, as JSON: then that one's. */
function innermost(message: string): string {
  const inner = message.includes('{')
    ? errorOf(message.slice(message.indexOf('{'), message.lastIndexOf('}') + 1))
    : null;
  return typeof inner?.message === 'string' ? inner.message : message;
}

function errorOf(answer: string): JsonObject | null {
  try {
    return errorIn(parseUpstreamJson(answer));
  } catch {
    return null;
  }
}

interface Unsupported {
  /** Null where the answer does not name it, or it is not one of the request's own. */
  field: unknown;
  /** The field is known, its value is not. */
  isOfValue: boolean;
}

function unsupported(answer: string): Unsupported | null {
  const body = parseObject(answer);
  if (!body) return null;
  return isJsonObject(body.error) ? unsupportedByOpenAI(body.error) : extraByPydantic(body);
}

/** By its code; some models' answers have none, but say it in these words. Fireworks and Groq have words of their own. */
function unsupportedByOpenAI({ code, message, param }: JsonObject): Unsupported | null {
  const words = typeof message === 'string' ? message : '';
  const isOfValue = code === 'unsupported_value' || words.startsWith('Unsupported value: ');
  if (isOfValue || code === 'unsupported_parameter' || words.startsWith('Unsupported parameter: ')) {
    return { field: param, isOfValue };
  }
  const extra = /^(?:Extra inputs are not permitted, field: '(\w+)'|property '(\w+)' is unsupported)/.exec(words);
  if (extra) return { field: extra[1] ?? extra[2], isOfValue };
  // Reasoning that another model has put into the conversation, most of all.
  return /^'messages\.\d+' : .*\bproperty '\w+' is unsupported/.test(words) ? { field: null, isOfValue } : null;
}

/** Mistral and other servers that have pydantic check their requests list what is wrong, some within a message. */
function extraByPydantic({ detail, message }: JsonObject): Unsupported | null {
  const details = isJsonObject(message) ? message.detail : detail;
  if (!Array.isArray(details)) return null;
  const extra = details.filter(isJsonObject).find(({ type }) => type === 'extra_forbidden');
  if (!extra) return null;
  const [root, field, ...deeper] = Array.isArray(extra.loc) ? extra.loc : [];
  return { field: root === 'body' && deeper.length === 0 ? field : null, isOfValue: false };
}

/** null is what some clients write for what they leave out. */
export function isSet(body: ChatBody, field: string): boolean {
  return body[field] !== undefined && body[field] !== null;
}
