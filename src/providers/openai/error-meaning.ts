import { type ChatMessage, isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { upstreamJsonOrNull } from '../answer-limit.ts';
import { type ErrorMeaning, errorIn, isUnusable } from '../error-meaning.ts';
import { ownWords } from '../error-words.ts';
import { refusedAnswerField } from './answer-fields.ts';
import { refusedOfMessages } from './message-refusal.ts';
import { EFFORT_BESIDE_TOOLS_REFUSED, unsupportedIn } from './refusal.ts';

/**
 * @param answer the body of an error
 * @param messages the messages of the request
 */
export function meaningOf(answer: string, messages: readonly ChatMessage[]): ErrorMeaning {
  const error = errorIn(upstreamJsonOrNull(answer));
  if (!error) return { modelSpecific: false, tooLong: false, unusable: false };
  return {
    modelSpecific:
      unsupportedIn(error) !== null ||
      refusedOfMessages(error, messages) !== null ||
      refusedAnswerField(error, messages) !== null ||
      isBeyondModel(error, messages),
    tooLong: isTooLong(error),
    unusable: isUnusable(error),
  };
}

/** Wordings of servers that give no code. */
const TOO_LONG = [
  // vLLM and Mistral, xAI.
  /\bmaximum (context|prompt) length\b/,
  // SGLang.
  /\blonger than the model's context length\b/,
  /^Input length .*\bexceeds the maximum allowed length\b/,
  // Google.
  /^The input token count\b.*\bexceeds the maximum\b/,
  // Moonshot.
  /\bexceeded model token limit\b/,
  /\bthe model's context length is only\b/,
  // Alibaba.
  /\bRange of input length should be\b/,
  // Anthropic's and Bedrock's, as gateways in front of them pass them on.
  /(^|: |- )prompt is too long: \d+ tokens > \d+ maximum\b/,
  /(^|: |- )Input is too long for requested model\b/,
  // LiteLLM.
  /^((litellm\.)?\w+Error: ){0,3}(litellm\.)?ContextWindowExceededError\b/,
];

/** Checks OpenAI's code, llama.cpp's type, or the wording. */
function isTooLong(error: JsonObject): boolean {
  if (error.code === 'context_length_exceeded' || error.type === 'exceed_context_size_error') return true;
  const words = ownWords(innermost(error));
  return TOO_LONG.some((wording) => wording.test(words));
}

/**
 * Wordings for what one model or server cannot do for this request but another may: its size or content (OpenAI, Groq,
 * OpenRouter), tools (Ollama, vLLM), other vendors' ids of calls (Mistral), turns that another model answered (Google,
 * DeepSeek), kinds of answers (DeepSeek, Groq, OpenAI), also together with tools (Google).
 */
const CANNOT = [
  // Groq's with a 413, OpenAI's with a 429: this request alone exceeds what the model accepts in a minute.
  /^Request too large\b/,
  // OpenRouter's, with 403 and 404.
  /\brequires moderation\b.*\bwas flagged\b/,
  /^No endpoints found that support\b/,
  /\bdoes not support (tools|images?|vision|thinking|response format)\b/,
  /\bis not enabled for models\//,
  /^Tool call id\b.*\blength of 9\b/,
  /\bmissing a `?thought_signature\b/,
  /\b[Mm]issing `?reasoning_content\b/,
  /\breasoning_content`? in the thinking mode must be passed back\b/,
  /\bresponse_format(\.type `\w+`| type) is unavailable now\b/,
  /^Invalid parameter: .*\bis not supported with this model\b/,
  /^Function calling with a response mime type: .*\bis unsupported\b/,
  EFFORT_BESIDE_TOOLS_REFUSED,
  // Orders of roles, and roles, that templates (vLLM, llama.cpp), Mistral and Google do not take.
  /\bconversation roles must alternate user(\/| and )assistant\b/i,
  /\bSystem role not supported\b/,
  /^Expected last role User or Tool\b/,
  /^Please ensure that function (call|response) turn comes immediately after\b/,
  /^Reasoning input is not enabled for this model\b/,
];

/** Mistral's words for an order that others accept, such as a user's message after a tool's result. */
const UNEXPECTED_ROLE = /^Unexpected role '\w+' after role '\w+'/;

/** OpenAI's codes for limits, and the fields whose limits others do not have, or not as low. */
const LIMITS: ReadonlyMap<unknown, RegExp> = new Map([
  ['array_above_max_length', /^(tools|stop)\b/],
  ['string_above_max_length', /^tools\b/],
  ['integer_above_max_value', /^(n|max_(completion_)?tokens)$/],
]);

/** A `max_tokens` that is more than the model can write, in the words of OpenAI, Groq, DeepSeek and Alibaba. */
const MAX_TOKENS =
  /^(`|Invalid |(<\d+> \S+ )?Range of )?max_(completion_)?tokens`? (is too large|must be less than or equal to|value, the valid range|should be \[1,)/;

/** OpenAI's wording for an image in a tool's result, which Claude accepts. */
const IMAGE_OF_TOOL =
  /^Invalid 'messages\[\d+\]'\. Image URLs are only allowed for messages with role 'user', but .* role 'tool'/;

/** vLLM's wording. */
const TOOLS_NOT_SET_UP = /^"auto" tool choice requires\b/;

/**
 * Anthropic's fields, and reasoning from its answers that clients send back. The gateway offers these fields whichever
 * model answers.
 */
const ANTHROPICS = /(^|[.\]])(thinking|cache_control|top_k|reasoning_content|thinking_blocks)$/;

/** Whether a kind of part, such as Mistral's `thinking`, is refused in an answer that a client sends back. */
function isPartOfAnswer(field: string, messages: readonly ChatMessage[]): boolean {
  return /\.content\[\d+\](\.type)?$/.test(field) && isOfAnswer(field, messages);
}

function isBeyondModel(error: JsonObject, messages: readonly ChatMessage[]): boolean {
  const message = typeof error.message === 'string' ? error.message : '';
  const inner = innermost(error);
  const words = ownWords(inner);
  const field = unknownField(error, message);
  return (
    TOOLS_NOT_SET_UP.test(message) ||
    IMAGE_OF_TOOL.test(message) ||
    (LIMITS.get(error.code)?.test(String(error.param)) ?? false) ||
    MAX_TOKENS.test(words) ||
    CANNOT.some((wording) => wording.test(words)) ||
    UNEXPECTED_ROLE.test(inner) ||
    ANTHROPICS.test(field) ||
    isOfAnswer(field, messages) ||
    (error.code === 'invalid_value' && isPartOfAnswer(String(error.param), messages))
  );
}

/** Empty when the error is about something else. */
function unknownField({ code, param }: JsonObject, message: string): string {
  if (code === 'unknown_parameter' && typeof param === 'string') return param;
  const [, argument, parameter] =
    /^(?:Unrecognized request argument supplied: (\w+)|Unknown parameter: '([^']+)'\.)$/.exec(message) ?? [];
  return argument ?? parameter ?? '';
}

/**
 * True for a field inside an assistant message: another vendor's answer put it there, and clients send back what they
 * received.
 */
function isOfAnswer(field: string, messages: readonly ChatMessage[]): boolean {
  const index = /^messages\.?\[(\d+)\]/.exec(field)?.[1];
  return index !== undefined && messages[Number(index)]?.role === 'assistant';
}

/**
 * Returns the message of the innermost error: a proxy's message may hold, as JSON, the error of the server that it
 * calls. OpenRouter has it in `metadata.raw`.
 */
function innermost({ message, metadata }: JsonObject): string {
  if (isJsonObject(metadata) && typeof metadata.raw === 'string') return innermostOf(metadata.raw);
  return typeof message === 'string' ? innermostOf(message) : '';
}

function innermostOf(message: string): string {
  if (!message.includes('{')) return message;
  const inner = errorIn(upstreamJsonOrNull(message.slice(message.indexOf('{'), message.lastIndexOf('}') + 1)));
  return typeof inner?.message === 'string' ? inner.message : message;
}
