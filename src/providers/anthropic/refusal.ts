import { type ChatBody, requestedMaxTokens } from '../../domain/chat.ts';
import { beginningOf, ownWords } from '../error-words.ts';
import { THINKING_ALLOWANCE, wantsThinkingAllowance } from './thinking-allowance.ts';
import { hasStrictTool } from './tools.ts';

/**
 * Fields that some Claude models take and others answer with a 400, and by which words such an answer speaks of them.
 * No request tells beforehand which model is which, and lists of names in the code would age. The last two are taken
 * with some schemas only, and put in plainer words instead of left out.
 */
const OPTIONAL_FIELDS: Record<string, RegExp> = {
  temperature: /\btemperature\b/,
  top_p: /\btop_p\b/,
  top_k: /\btop_k\b/,
  reasoning_effort: /\b(effort|thinking)\b/,
  response_format: /\boutput_(config\.)?format\b/,
  tools: /\btools\.\d+\.|\bstrict\b/,
};

/**
 * The client's fields that a 400 is about, to be left out or put otherwise when the request is sent again.
 * @param answer the body of Anthropic's error @param without fields that were not sent
 */
export function refusedFields(answer: string, body: ChatBody, without: ReadonlySet<string>): string[] {
  const beginning = beginningOf(answer);
  // "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens": the limit was ours.
  const isOurLimit =
    wantsThinkingAllowance(body) && requestedMaxTokens(body) === null && !without.has(THINKING_ALLOWANCE);
  if (isOurLimit && /\bmax_tokens: \d+ > \d+/.test(beginning)) return [THINKING_ALLOWANCE];
  const blamed = Object.entries(OPTIONAL_FIELDS)
    .filter(([name, mention]) => isSet(body[name]) && !without.has(name) && mention.test(beginning))
    .filter(([name]) => name !== 'tools' || hasStrictTool(body))
    .map(([name]) => name);
  // "`temperature` and `top_p` cannot both be specified for this model": one may stay.
  return blamed.includes('temperature') && blamed.includes('top_p')
    ? blamed.filter((name) => name !== 'temperature')
    : blamed;
}

/** True when the answer speaks of the model in general, not of this request's combination of fields. */
export function isLastingRefusal(answer: string): boolean {
  return /deprecated|not support|unsupported|Extra inputs|maximum allowed number of output tokens/i.test(answer);
}

/** True when the answer says that another model may take the request: recent ones no longer continue an answer's beginning. */
export function isModelSpecific(answer: string): boolean {
  return /\bthis model does not support\b|\bnot supported (for|by|with) this model\b/i.test(withoutQuotes(answer));
}

/** Those of the fields that the model will refuse in other requests too. Of schemas another one may be taken. */
export function lasting(fields: readonly string[]): string[] {
  return fields.filter((name) => name !== 'response_format' && name !== 'tools');
}

/**
 * The answer without all between its first quote and its last: names and values of the request may say anything, quotes
 * too, and what is remembered of a model is for everyone who asks it.
 */
export function withoutQuotes(answer: string): string {
  return ownWords(answer, '\\"');
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined;
}
