import type { ChatBody, JsonObject } from '../../domain/chat.ts';
import { upstreamJsonOrNull } from '../answer-limit.ts';
import { errorIn } from '../error-meaning.ts';
import { beginningOf } from '../error-words.ts';
import { refusedAnswerField } from './answer-fields.ts';
import { refusedAnthropicField } from './anthropic-fields.ts';
import { extraFieldIn } from './extra-field.ts';
import { refusedOfMessages } from './message-refusal.ts';

/**
 * The two names of the limit on output tokens: OpenAI's reasoning models take only the second, Mistral only the
 * first.
 */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  max_tokens: 'max_completion_tokens',
  max_completion_tokens: 'max_tokens',
};

/**
 * Fields that tune an answer and do not say what is asked: without them the answer is another one of the same kind.
 * Nothing shows before a request which of OpenAI's models refuses which field, and lists of names in the code would
 * age.
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
  /** The client's field, or the name of something within its messages. */
  field: string;
  /** True when the model will refuse it in other requests too, whatever its value. */
  lasting: boolean;
}

/** The other name by which a model may know the field; null when it has only one. */
export function otherName(field: string): string | null {
  return Object.hasOwn(OTHER_NAMES, field) ? OTHER_NAMES[field] : null;
}

/**
 * What a 400 or 422 says this model does not take, if the request can be sent again without it, with it under another
 * name, or in other words; else null.
 * @param answer the body of the error
 */
export function refusalOf(answer: string, body: ChatBody): Refusal | null {
  const error = errorIn(upstreamJsonOrNull(answer));
  if (error === null) return null;
  const ofMessages = refusedOfMessages(error, body.messages) ?? refusedAnswerField(error, body.messages);
  const found = ofMessages ?? refusedAnthropicField(error, body);
  if (found !== null) return { field: found, lasting: true };
  const { field, isOfValue } = unsupportedIn(error) ?? {};
  if (typeof field !== 'string' || !isSet(body, field)) return null;
  const isRenamed = otherName(field) !== null;
  if (!isRenamed && !TUNING.has(field)) return null;
  // Some models take sampling fields only with little effort, so they may take them in another client's request.
  const hangsOnEffort = field !== 'reasoning_effort' && !isRenamed && isSet(body, 'reasoning_effort');
  // For a number, such models take only the default; for a word, they may know another one.
  return { field, lasting: !hangsOnEffort && !(isOfValue && typeof body[field] !== 'number') };
}

/** What a model does not take. */
export interface Unsupported {
  /** Null when the answer does not name it, or when it is not one of the request's own fields. */
  field: unknown;
  /** True when the model knows the field but not its value. */
  isOfValue: boolean;
}

/**
 * @param error from the answer's body
 * @returns null when the error says nothing of that kind
 */
export function unsupportedIn(error: JsonObject): Unsupported | null {
  return unsupportedByOpenAI(error) ?? unsupportedByWords(error) ?? extraByPydantic(error);
}

/** OpenAI's words about `parallel_tool_calls`, which say nothing about requests with tools. */
const NEEDS_TOOLS = /^Invalid value for '(\w+)': '\1' is only allowed when 'tools' are specified\.$/;

/** Goes by the code; some models' answers have none, but begin with these words. */
function unsupportedByOpenAI({ code, message, param }: JsonObject): Unsupported | null {
  const words = typeof message === 'string' ? message : '';
  const isOfValue = code === 'unsupported_value' || words.startsWith('Unsupported value: ') || NEEDS_TOOLS.test(words);
  const isUnsupported = isOfValue || code === 'unsupported_parameter' || words.startsWith('Unsupported parameter: ');
  return isUnsupported ? { field: param, isOfValue } : null;
}

/** The words of servers that give no code, with the name of the field: of Fireworks, Groq, Google and xAI. */
const WORDINGS = [
  /^Extra inputs are not permitted, field: '(\w+)'/,
  /^property '(\w+)' is unsupported/,
  /^Invalid JSON payload received\. Unknown name "(\w+)": Cannot find field\./,
  /^Argument not supported on this model: (\w+)$/,
  /^Model \S+ does not support parameter (\w+)\.?$/,
];

/** The same for something within a message, mostly reasoning that another model put there. */
const WORDINGS_WITHIN = [
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

/** Mistral and other servers that check requests with pydantic list what is wrong, some of it within a message. */
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
