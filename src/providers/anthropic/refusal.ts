import { type ChatBody, isJsonObject, requestedMaxTokens, tokenCount } from '../../domain/chat.ts';
import { wantsThinkingAllowance } from '../../domain/thinking.ts';
import { beginningOf, ownWords } from '../error-words.ts';
import { DEFAULT_MAX_TOKENS } from './default-max-tokens.ts';
import { ADDED_THINKING, ADDED_THINKING_BESIDE_SAMPLING, THINKING_ALLOWANCE, toEffort } from './effort.ts';
import { bringThinking, MANUAL_THINKING, MESSAGES_THINKING_BLOCKS } from './thinking-blocks.ts';
import { hasIntricateTool } from './tools.ts';

/**
 * Fields that some Claude models accept and others reject with a 400, and the words by which such a response mentions
 * them. Which model is which cannot be known before a request, and a list of model names in the code would become
 * outdated. The last two are refused only with some schemas, and are then expressed more plainly instead of being left
 * out.
 */
const OPTIONAL_FIELDS: Record<string, RegExp> = {
  temperature: /\btemperature\b/,
  top_p: /\btop_p\b/,
  top_k: /\btop_k\b/,
  reasoning_effort: /\b(effort|thinking)\b/i,
  thinking:
    /\bthinking\b.{0,100}\b(not support|unsupported\b|may not be enabled\b|cannot be (disabled|turned off)\b)|\bExpected `thinking`/is,
  response_format: /\boutput_(config\.)?format\b/,
  tools: /\btools\.\d+\.|\bstrict\b/,
};

/** Matches "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode." */
const BESIDE_THINKING = /\bthinking is enabled\b/;

const SAMPLING: ReadonlySet<string> = new Set(['temperature', 'top_p', 'top_k']);

/**
 * What Anthropic says about thinking that another model or account signed, that belongs to another conversation, or
 * that was modified before it was sent back.
 */
const REFUSED_THINKING_BLOCKS =
  /\bInvalid `signature` in `thinking` block|\bblock is bound to a different conversation|thinking` blocks in the latest assistant message cannot be modified/;

/**
 * What a 400 refuses: `fields` to leave out or reword at once, and `lasting`, what the model refuses in every request.
 */
export interface Refusal {
  fields: string[];
  lasting: string[];
}

/**
 * @param answer the body of Anthropic's error
 * @param without fields that were not sent
 */
export function refusalOf(answer: string, body: ChatBody, without: ReadonlySet<string>): Refusal {
  const told = withoutQuotes(answer);
  const kept = isLastingRefusal(told) ? lasting(refusedFields(told, body, without), told, body) : [];
  if (refusesManualThinking(answer)) kept.push(MANUAL_THINKING);
  if (excludesSampling(told)) kept.push(ADDED_THINKING_BESIDE_SAMPLING);
  return { fields: refusedFields(answer, body, without), lasting: kept };
}

/**
 * The client's fields that a 400 is about, to be left out or reworded when the request is sent again.
 * @param answer the body of Anthropic's error
 * @param without fields that were not sent
 */
export function refusedFields(answer: string, body: ChatBody, without: ReadonlySet<string>): string[] {
  const beginning = beginningOf(answer);
  // "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens": here the gateway had set the
  // limit.
  const isOurLimit =
    wantsThinkingAllowance(body) && requestedMaxTokens(body) === null && !without.has(THINKING_ALLOWANCE);
  if (isOurLimit && /\bmax_tokens: \d+ > \d+/.test(beginning)) return [THINKING_ALLOWANCE];
  if (
    REFUSED_THINKING_BLOCKS.test(beginning) &&
    bringThinking(body.messages) &&
    !without.has(MESSAGES_THINKING_BLOCKS)
  ) {
    return [MESSAGES_THINKING_BLOCKS];
  }
  const blamed = Object.entries(OPTIONAL_FIELDS)
    .filter(([name, mention]) => isSet(body[name]) && !without.has(name) && mention.test(beginning))
    .filter(([name]) => name !== 'tools' || hasIntricateTool(body))
    .map(([name]) => name);
  // "`temperature` and `top_p` cannot both be specified for this model": one of them may stay.
  if (blamed.includes('temperature') && blamed.includes('top_p')) {
    return blamed.filter((name) => name !== 'temperature');
  }
  if (
    toEffort(body.reasoning_effort) &&
    !isSet(body.thinking) &&
    !without.has(ADDED_THINKING) &&
    /\bthinking\b/i.test(beginning)
  ) {
    return [ADDED_THINKING];
  }
  // "`temperature` may only be set to 1 when thinking is enabled": the thinking may stay.
  const isForThinking = BESIDE_THINKING.test(beginning) && blamed.some((name) => SAMPLING.has(name));
  if (isForThinking) return blamed.filter((name) => SAMPLING.has(name));
  return blamed.includes('thinking') ? [thinkingRefused(beginning, body, without)] : blamed;
}

/**
 * Recent models accept `adaptive` instead of `enabled`, even with a forced tool call; for earlier ones thinking has to
 * be dropped.
 */
function thinkingRefused(answer: string, { thinking }: ChatBody, without: ReadonlySet<string>): string {
  const isManual = isJsonObject(thinking) && thinking.type === 'enabled' && !without.has(MANUAL_THINKING);
  return isManual && !answer.includes('Expected `thinking`') ? MANUAL_THINKING : 'thinking';
}

/**
 * Recognises Anthropic's refusal of `enabled` on recent models. The match must begin at the first word of the message,
 * where text quoted from the request cannot appear.
 */
function refusesManualThinking(answer: string): boolean {
  return /"message":\s?"\\"thinking\.type\.enabled\\" is not supported\b/.test(beginningOf(answer));
}

/**
 * True when the model does not think together with a temperature or the like.
 * @param told the refusal, without what it quotes
 */
function excludesSampling(told: string): boolean {
  return BESIDE_THINKING.test(told) && /\b(temperature|top_p|top_k)\b/.test(told);
}

/** "input length and `max_tokens` exceed context limit: 165883 + 64000 > 200000, decrease input length or …" */
const NO_ROOM = /"message":\s?"input length and `max_tokens` exceed context limit: (\d+) \+ \d+ > (\d+)\b/;

/**
 * The output tokens that the context window has room for beside the input, where a 400 says that the limit was too
 * high. Null when it says nothing of that kind, when the client itself set the limit, or when the room is less than the
 * limit of a model that has none: a model with a larger window may answer in full.
 * @param limit that was sent
 */
export function roomForOutput(answer: string, body: ChatBody, limit: number): number | null {
  const [, input, window] = NO_ROOM.exec(beginningOf(answer)) ?? [];
  if (input === undefined || requestedMaxTokens(body) !== null) return null;
  const room = Number(window) - Number(input);
  const thinking = isJsonObject(body.thinking) ? (tokenCount(body.thinking.budget_tokens) ?? 0) : 0;
  return room >= DEFAULT_MAX_TOKENS + thinking && room < limit ? room : null;
}

/** True when the refusal is about the model in general, not about this request's combination of fields. */
export function isLastingRefusal(answer: string): boolean {
  return /deprecated|not support|unsupported|Extra inputs|maximum allowed number of output tokens/i.test(answer);
}

/** What a model does not support, and limits that others do not have, or not as low. */
const BEYOND_MODEL = [
  /\bthis model does not support\b/i,
  /\bnot supported (for|by|with) this model\b/i,
  /\bimage exceeds \d+ MB\b/,
  /\bimage dimensions exceeds? max allowed\b/,
  /\bPDF pages may be provided\b/,
  /\bmaximum allowed number of output tokens\b/,
  // The model's own limit may be below the budget. Others are not told the budget.
  /`max_tokens` must be greater than `thinking\.budget_tokens`/,
  // Other vendors load images without asking.
  /\bdisallowed by the website's robots\.txt\b/,
];

/**
 * True when the refusal implies that another model may accept the request. For instance, recent models no longer
 * continue a prefilled answer.
 */
export function isModelSpecific(answer: string): boolean {
  const told = withoutQuotes(answer);
  return BEYOND_MODEL.some((wording) => wording.test(told));
}

/**
 * Matches refusals of one effort level, which imply that other levels are supported: "This model does not support
 * effort level 'max'. Supported levels: high, low, medium.", or "effort 'xhigh' is not supported when thinking is
 * disabled."
 */
const EFFORT_LEVEL = /\blevels?\b|\bwhen thinking\b/i;

/** Refused for this request only: the model may accept another schema, or other thinking. */
const OF_THIS_REQUEST: ReadonlySet<string> = new Set(['response_format', 'tools', MESSAGES_THINKING_BLOCKS]);

/**
 * The fields that the model will refuse in other requests too.
 * @param told the refusal, without what it quotes
 */
function lasting(fields: readonly string[], told: string, { reasoning_effort: effort }: ChatBody): string[] {
  return fields.filter((name) => {
    // A model that must think may still accept an effort, and one that cannot think with a temperature may think
    // without.
    if (name === 'reasoning_effort') return effort !== 'none' && !EFFORT_LEVEL.test(told);
    return name === ADDED_THINKING ? /\badaptive\b/i.test(told) : !OF_THIS_REQUEST.has(name);
  });
}

/**
 * The refusal without everything between its first and its last quote. Names and values from the request may contain
 * anything, quotes included, and what is remembered about a model applies to everyone who calls it.
 */
export function withoutQuotes(answer: string): string {
  return ownWords(answer, '\\"');
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined;
}
