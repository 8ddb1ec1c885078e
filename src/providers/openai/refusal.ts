import type { ChatBody, JsonObject } from '../../domain/chat.ts';
import { upstreamJsonOrNull } from '../answer-limit.ts';
import { errorIn } from '../error-meaning.ts';
import { beginningOf, ownWords } from '../error-words.ts';
import { refusedAnswerField } from './answer-fields.ts';
import { refusedAnthropicField } from './anthropic-fields.ts';
import { extraFieldIn } from './extra-field.ts';
import { refusedOfMessages } from './message-refusal.ts';

/**
 * The two names of the limit on output tokens: OpenAI's reasoning models accept only the second, Mistral only the
 * first.
 */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  max_tokens: 'max_completion_tokens',
  max_completion_tokens: 'max_tokens',
};

/** Fields that do not concern the answer: how the prompt is cached, and who asks. */
const ASIDE: ReadonlySet<string> = new Set(['prompt_cache_key', 'prompt_cache_retention', 'safety_identifier']);

/**
 * Fields that tune an answer but do not say what is asked: without them the answer is different, but of the same kind.
 * Which of OpenAI's models refuses which field cannot be known before a request, and a list of model names in the code
 * would become outdated.
 */
const TUNING: ReadonlySet<string> = new Set([
  ...ASIDE,
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'reasoning_effort',
  'verbosity',
  'parallel_tool_calls',
]);

/**
 * Entry in the set of refused fields: thinking in a request with tools. Without an effort such models think too, so it
 * is set to `none`. No client has a field of this name.
 */
export const EFFORT_BESIDE_TOOLS = 'reasoning_effort beside tools';

/** How OpenAI says that a model thinks beside tools only in the Responses API. */
export const EFFORT_BESIDE_TOOLS_REFUSED = /\bFunction tools with reasoning_effort are not supported\b/;

export interface Refusal {
  /** The name of the client's field, or of something inside its messages. */
  field: string;
  /** True when the model will refuse the field in other requests too, whatever its value. */
  lasting: boolean;
}

/** The other name by which a model may know the field; null when it has only one. */
export function otherName(field: string): string | null {
  return Object.hasOwn(OTHER_NAMES, field) ? OTHER_NAMES[field] : null;
}

/**
 * What a 400 or 422 says this model does not accept, if the request can be sent again without it, with it under another
 * name, or with it expressed differently; otherwise null.
 * @param answer the body of the error
 */
export function refusalOf(answer: string, body: ChatBody): Refusal | null {
  const error = errorIn(upstreamJsonOrNull(answer));
  if (error === null) return null;
  const ofMessages = refusedOfMessages(error, body.messages) ?? refusedAnswerField(error, body.messages);
  if (ofMessages !== null) return { field: ofMessages, lasting: true };
  const ofAnthropic = refusedAnthropicField(error, body);
  if (ofAnthropic !== null) return ofAnthropic;
  if (hasTools(body) && EFFORT_BESIDE_TOOLS_REFUSED.test(ownWords(String(error.message)))) {
    return { field: EFFORT_BESIDE_TOOLS, lasting: true };
  }
  const { field, isOfValue } = unsupportedIn(error) ?? {};
  if (typeof field !== 'string' || !isSet(body, field)) return null;
  const isRenamed = otherName(field) !== null;
  if (!isRenamed && !TUNING.has(field)) return null;
  // Some models accept sampling fields only with little effort, so they may accept them in another client's request.
  const mayHang = field !== 'reasoning_effort' && !isRenamed && !ASIDE.has(field);
  const hangsOnEffort = mayHang && isSet(body, 'reasoning_effort');
  // Where a number is refused, such models accept only the default; where a word is refused, they may know another one.
  return { field, lasting: !hangsOnEffort && !(isOfValue && typeof body[field] !== 'number') };
}

/** What a model does not accept. */
export interface Unsupported {
  /** Null when the error does not name it, or when it is not one of the request's own fields. */
  field: unknown;
  /** True when the model knows the field but not its value. */
  isOfValue: boolean;
}

/**
 * @param error from the body of the response
 * @returns null when the error says nothing of that kind
 */
export function unsupportedIn(error: JsonObject): Unsupported | null {
  return unsupportedByOpenAI(error) ?? unknownToServer(error) ?? unsupportedByWords(error) ?? extraByPydantic(error);
}

/**
 * The words of OpenAI and Azure for a field that they do not know. Usually it is the client's mistake, but not if it is
 * one of OpenAI's own: older deployments, and other vendors' models on Azure, do not have all of those.
 */
const UNKNOWN = /^(?:Unrecognized request arguments? supplied: |Unknown parameter: ')(\w+)\b/;

function unknownToServer({ code, message, param }: JsonObject): Unsupported | null {
  const field = code === 'unknown_parameter' ? param : UNKNOWN.exec(typeof message === 'string' ? message : '')?.[1];
  const isOpenAIs = typeof field === 'string' && (TUNING.has(field) || otherName(field) !== null);
  return isOpenAIs ? { field, isOfValue: false } : null;
}

/** OpenAI's wording for `parallel_tool_calls` without tools, which says nothing about requests with tools. */
const NEEDS_TOOLS = /^Invalid value for '(\w+)': '\1' is only allowed when 'tools' are specified\.$/;

/** Relies on the code; some models' errors have none, but begin with these words. */
function unsupportedByOpenAI({ code, message, param }: JsonObject): Unsupported | null {
  const words = typeof message === 'string' ? message : '';
  const isOfValue = code === 'unsupported_value' || words.startsWith('Unsupported value: ') || NEEDS_TOOLS.test(words);
  const isUnsupported = isOfValue || code === 'unsupported_parameter' || words.startsWith('Unsupported parameter: ');
  return isUnsupported ? { field: param, isOfValue } : null;
}

/** Wordings of servers that give no code, with the name of the field: of Fireworks, Groq, Google, xAI and NVIDIA. */
const WORDINGS = [
  /^\[\{'type': 'extra_forbidden', 'loc': \('body', '(\w+)'\)/,
  /^Extra inputs are not permitted, field: '(\w+)'/,
  /^property '(\w+)' is unsupported/,
  /^Invalid JSON payload received\. Unknown name "(\w+)": Cannot find field\./,
  /^Argument not supported on this model: (\w+)$/,
  /^Model \S+ does not support parameter (\w+)\.?$/,
];

/** Wordings for something inside a message, mostly reasoning that another model put there. */
const WORDINGS_WITHIN = [
  /^\[\{'type': 'extra_forbidden', 'loc': \('body', /,
  /^'messages\.\d+' : .*\bproperty '\w+' is unsupported/,
  /^Invalid JSON payload received\. Unknown name "/,
];

function unsupportedByWords({ message }: JsonObject): Unsupported | null {
  const words = typeof message === 'string' ? beginningOf(message) : '';
  const name = WORDINGS.map((wording) => wording.exec(words)?.[1]).find((told) => told !== undefined);
  if (name !== undefined) return { field: asOpenAISpells(name), isOfValue: false };
  return WORDINGS_WITHIN.some((wording) => wording.test(words)) ? { field: null, isOfValue: false } : null;
}

/** xAI spells `presence_penalty` as `presencePenalty`. */
function asOpenAISpells(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Mistral and other servers that validate requests with pydantic list what is wrong; some of it may be inside a
 * message.
 */
function extraByPydantic(error: JsonObject): Unsupported | null {
  const place = extraFieldIn(error);
  if (place === null) return null;
  const [root, field, ...deeper] = place;
  return { field: root === 'body' && deeper.length === 0 ? field : null, isOfValue: false };
}

/** Some clients write null for a field that they leave out. */
export function isSet(body: ChatBody, field: string): boolean {
  return body[field] !== undefined && body[field] !== null;
}

export function hasTools({ tools }: ChatBody): boolean {
  return Array.isArray(tools) && tools.length > 0;
}
