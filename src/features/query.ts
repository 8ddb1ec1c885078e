import {
  answerSchema,
  type ChatBody,
  contentParts,
  contentText,
  isJsonObject,
  type JsonObject,
  requestedChoices,
  requestedMaxTokens,
  stringBytes,
  tokenCount,
} from '../domain/chat.ts';
import type { Capability, InputLength, RequestForm, RequestProfile } from '../domain/context.ts';
import { THINKING_ALLOWANCE_TOKENS, wantsThinkingAllowance } from '../domain/thinking.ts';
import { attachments, isImagePart } from './attachments.ts';

/** Longer texts are cut in the middle, because the question is usually at the beginning or the end. */
const MAX_CHARACTERS = 4000;

/** Types of sound: OpenAI's, and another one that vLLM knows. */
const HEARD = new Set<unknown>(['input_audio', 'audio_url']);

/** A search for it rules out texts in Latin script at once; to count in 10 MB of them took 50 ms. */
const MAY_BE_EAST_ASIAN = /[\u2e80-\uffef]/;

export interface QueryText {
  /** The last user turn that has text; frameworks add images that a tool returned as separate turns. */
  current: string;
  /** All text before it. */
  preceding: string;
}

export function queryText(body: ChatBody): QueryText {
  const at = questionIndex(body.messages);
  const textOf = (messages: typeof body.messages) =>
    messages
      .map((message) => contentText(message.content))
      .filter((text) => text !== '')
      .join('\n');
  return {
    current: embeddedPart(contentText(body.messages[at].content)),
    preceding: embeddedPart(textOf(body.messages.slice(0, at))),
  };
}

function questionIndex(messages: ChatBody['messages']): number {
  const withText = messages.findLastIndex(({ role, content }) => role === 'user' && contentText(content) !== '');
  if (withText >= 0) return withText;
  const last = messages.findLastIndex(({ role }) => role === 'user');
  return last < 0 ? messages.length - 1 : last;
}

/** The part of a text that is embedded: all of it, or its beginning and end. */
export function embeddedPart(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text;
  return `${text.slice(0, MAX_CHARACTERS / 2)}\n${text.slice(-MAX_CHARACTERS / 2)}`;
}

export function requestProfile(body: ChatBody): RequestProfile {
  const parts = contentParts(body.messages);
  const images = parts.filter(isImagePart).length;
  const hasVideo = parts.some(({ type }) => type === 'video_url' || type === 'video');
  const needs = new Set<Capability>();
  if (isFilled(body.tools) || isFilled(body.functions)) needs.add('tools');
  if (images > 0 || hasVideo) needs.add('vision');
  if (wantsJson(body.response_format)) needs.add('json');
  if (parts.some(({ type }) => HEARD.has(type)) || wantsSpeech(body.modalities)) needs.add('audio');
  if (parts.some((part) => part.type === 'file')) needs.add('files');
  const attached = attachments(parts, answeredImages(body));
  const thinkingTokens = thinkingBudget(body);
  return {
    needs: [...needs],
    images,
    attached: attached.tokens,
    ...inputLength(body),
    ...(thinkingTokens > 0 && { thinkingTokens }),
    maxOutputTokens: mostOutputTokens(body),
    choices: requestedChoices(body),
    forms: formsIn(body, hasVideo),
    ...(asksForHourCache(body, parts) && { hourCache: true }),
  };
}

/**
 * Looks for Anthropic's `cache_control` with a lifetime of one hour. Clients put it on parts, messages, tools and the
 * request itself.
 */
function asksForHourCache(body: ChatBody, parts: readonly JsonObject[]): boolean {
  const listed = (value: unknown) => (Array.isArray(value) ? value : []);
  const tools = listed(body.tools).flatMap((tool) => [tool, tool?.function]);
  const calls = body.messages.flatMap((message) => listed(message.tool_calls));
  return [body, ...body.messages, ...parts, ...tools, ...calls].some((marked: unknown) => {
    const mark = isJsonObject(marked) ? marked.cache_control : null;
    return isJsonObject(mark) && mark.ttl === '1h';
  });
}

function formsIn(
  { n, logprobs, response_format: format, functions, tools }: ChatBody,
  hasVideo: boolean,
): RequestForm[] {
  const asked: RequestForm[] = [];
  if (typeof n === 'number' && n > 1) asked.push('n');
  if (logprobs === true) asked.push('logprobs');
  if (isJsonObject(format) && format.type === 'json_object' && !answerSchema(format)) asked.push('json_object');
  if (isFilled(functions)) asked.push('functions');
  if (Array.isArray(tools) && tools.some((tool) => isJsonObject(tool) && isJsonObject(tool.custom))) {
    asked.push('custom tools');
  }
  if (hasVideo) asked.push('videos');
  return asked;
}

/**
 * The output limit. Some servers know only the older name of the limit, so when both are given, the larger one may be
 * spent.
 */
function mostOutputTokens(body: ChatBody): number | null {
  const limit = requestedMaxTokens(body);
  return limit !== null && typeof body.max_tokens === 'number' ? Math.max(limit, body.max_tokens) : limit;
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function wantsJson(format: unknown): boolean {
  return isJsonObject(format) && (format.type === 'json_object' || format.type === 'json_schema');
}

function wantsSpeech(modalities: unknown): boolean {
  return Array.isArray(modalities) && modalities.includes('audio');
}

function inputLength(body: ChatBody): InputLength {
  const length = { inputCharacters: 0, inputBytes: 0 };
  let eastAsian = 0;
  const add = (text: string) => {
    const bytes = Buffer.byteLength(text);
    length.inputCharacters += text.length;
    length.inputBytes += bytes;
    if (bytes > text.length && MAY_BE_EAST_ASIAN.test(text)) eastAsian += eastAsianUnits(text);
  };
  for (const message of body.messages) {
    add(contentText(message.content));
    for (const calls of [message.tool_calls, message.function_call]) if (calls) add(JSON.stringify(calls));
  }
  for (const extra of [body.tools, body.functions, body.response_format]) {
    if (extra) add(JSON.stringify(extra));
  }
  return eastAsian > 0 ? { ...length, inputEastAsianBytes: 3 * eastAsian } : length;
}

/** Number of Chinese and Japanese characters of three bytes, Hangul syllables, and full-width forms. */
function eastAsianUnits(text: string): number {
  let units = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x2e80) continue;
    const isHan = unit <= 0x9fff || (unit >= 0xf900 && unit <= 0xfaff);
    const isHangul = unit >= 0xac00 && unit <= 0xd7a3;
    if (isHan || isHangul || (unit >= 0xff00 && unit <= 0xffef)) units++;
  }
  return units;
}

/**
 * UTF-8 bytes of everything in a body except its texts and attachments. Not part of the profile, because it takes
 * 20 ms for the largest bodies and only the budgets of keys need it.
 */
export function otherBytes(body: ChatBody): number {
  const attached = attachments(contentParts(body.messages), answeredImages(body)).bytes;
  return Math.max(0, stringBytes(body, 'names and values') - attached - inputLength(body).inputBytes);
}

function answeredImages({ messages }: ChatBody): JsonObject[] {
  return messages.flatMap(({ images }) => (Array.isArray(images) ? images.filter(isJsonObject) : []));
}

/**
 * Thinking tokens that the request allows in addition to the answer, according to the fields of Anthropic, OpenRouter
 * and Qwen, or to an effort.
 */
function thinkingBudget(body: ChatBody): number {
  const { thinking, reasoning, thinking_budget: qwens } = body;
  const allowed = [
    isJsonObject(thinking) ? thinking.budget_tokens : null,
    isJsonObject(reasoning) ? reasoning.max_tokens : null,
    qwens,
    wantsThinkingAllowance(body) ? THINKING_ALLOWANCE_TOKENS : null,
  ];
  return Math.max(0, ...allowed.map((tokens) => tokenCount(tokens) ?? 0));
}
