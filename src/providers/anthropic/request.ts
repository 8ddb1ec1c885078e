import type Anthropic from '@anthropic-ai/sdk';
import {
  answerSchema,
  type ChatBody,
  isJsonObject,
  type JsonObject,
  requestedMaxTokens,
  tokenCount,
} from '../../domain/chat.ts';
import { THINKING_ALLOWANCE_TOKENS, wantsThinkingAllowance } from '../../domain/thinking.ts';
import { DEFAULT_MAX_TOKENS } from './default-max-tokens.ts';
import { ADDED_THINKING, ADDED_THINKING_BESIDE_SAMPLING, THINKING_ALLOWANCE, toEffort } from './effort.ts';
import { type Conversation, toConversation } from './messages.ts';
import { plainSchema } from './plain-schema.ts';
import { bringThinking, lacksThinking, MANUAL_THINKING, MESSAGES_THINKING_BLOCKS } from './thinking-blocks.ts';
import { areFunctions, calledTools, hasIntricateTool, plainTool, readChoice, toToolChoice, toTools } from './tools.ts';

/** Version 2026-10-21 of the API and the SDK's types lack these; version 2023-06-01 still accepts them. */
export interface SamplingParams {
  temperature?: number;
  top_p?: number;
  top_k?: number;
}

export type MessagesParams = Omit<Anthropic.MessageCreateParamsNonStreaming, 'stream' | 'messages'> &
  Pick<Conversation, 'messages'> &
  SamplingParams;

export interface MessagesRequest {
  params: MessagesParams;
  /** Names of the client's fields that are lost or changed in translation, sorted. */
  droppedParams: string[];
}

export interface RequestOptions {
  model: string;
  maxOutputTokens: number | null;
  /** Fields to leave out although Anthropic knows them, or to express differently where that is possible. */
  without?: ReadonlySet<string>;
}

const MAX_USER_ID_CHARACTERS = 256;
/** Matches e-mail addresses and telephone numbers. */
const PERSONAL = /@|^\+?[\d ()/.-]{7,}$/;

/**
 * Translates OpenAI's chat request into Anthropic's.
 * @throws GatewayError 400 for content that Anthropic's format cannot express
 */
export function toMessagesRequest(body: ChatBody, options: RequestOptions): MessagesRequest {
  const withThinking = !options.without?.has(MESSAGES_THINKING_BLOCKS);
  const params: MessagesParams = {
    model: options.model,
    max_tokens: maxTokens(body, options),
    ...toConversation(body.messages, withThinking),
  };
  const droppedParams = Object.entries(body)
    .filter(([, value]) => value !== null && value !== undefined)
    .filter(([name, value]) => !(options.without?.has(name) ? inOtherWords : translate)(name, value, params, body))
    .map(([name]) => name);
  if (hasNames(body.messages)) droppedParams.push('messages.name');
  if (!withThinking && bringThinking(body.messages)) droppedParams.push(MESSAGES_THINKING_BLOCKS);
  // Some models think without being asked, others only when told to. For the latter, an effort alone would only shorten
  // the answers.
  const isRefused =
    options.without?.has(ADDED_THINKING) ||
    (options.without?.has(ADDED_THINKING_BESIDE_SAMPLING) && usesSampling(params) && params.temperature !== 1);
  if (params.output_config?.effort && !isRefused) params.thinking ??= { type: 'adaptive' };
  if (params.thinking?.type === 'enabled' && options.without?.has(MANUAL_THINKING)) {
    const { display } = params.thinking;
    params.thinking = { type: 'adaptive', ...(display === undefined ? {} : { display }) };
    droppedParams.push('thinking');
  } else if (params.thinking?.type === 'enabled' && lacksThinking(params.messages)) {
    delete params.thinking;
    droppedParams.push('thinking');
  }
  const called = params.tools ? [] : calledTools(params.messages);
  if (called.length > 0) Object.assign(params, { tools: called, tool_choice: { type: 'none' } });
  return { params, droppedParams: droppedParams.sort() };
}

/**
 * Anthropic's messages have no field for names that distinguish several people with the same role. Tool results need
 * none, because the call's id serves that purpose.
 */
function hasNames(messages: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  return messages.some(
    (message) =>
      isJsonObject(message) && message.role !== 'tool' && typeof message.name === 'string' && message.name !== '',
  );
}

/** True when the request uses fields that only version 2023-06-01 of the API accepts. */
export function usesSampling(params: SamplingParams): boolean {
  return params.temperature !== undefined || params.top_p !== undefined || params.top_k !== undefined;
}

function maxTokens(body: ChatBody, { maxOutputTokens: limit, without }: RequestOptions): number {
  // Anthropic refuses a limit above what the model can write; with the model's own limit the answer is the same.
  const wanted = requestedMaxTokens(body) ?? limit ?? defaultMaxTokens(body, without);
  return Math.min(wanted, limit ?? wanted);
}

/** Thinking counts towards the limit, and Anthropic refuses a thinking budget that is not below the limit. */
function defaultMaxTokens(body: ChatBody, without?: ReadonlySet<string>): number {
  const budget = isJsonObject(body.thinking) ? tokenCount(body.thinking.budget_tokens) : null;
  if (budget !== null) return DEFAULT_MAX_TOKENS + budget;
  // Models that accept no effort have low output limits.
  const isSmall = without?.has('reasoning_effort') || without?.has(THINKING_ALLOWANCE);
  return DEFAULT_MAX_TOKENS + (wantsThinkingAllowance(body) && !isSmall ? THINKING_ALLOWANCE_TOKENS : 0);
}

/** Writes one field into `params`. Returns false when the field is lost or changed. */
function translate(name: string, value: unknown, params: MessagesParams, body: ChatBody): boolean {
  if (Object.hasOwn(TRANSLATIONS, name)) return (TRANSLATIONS[name] as Translation)(value, params, body);
  return Object.hasOwn(WITHOUT_EFFECT, name) && (WITHOUT_EFFECT[name] as (value: unknown) => boolean)(value);
}

/** Like `translate`, but for a field that was refused in its original form. */
function inOtherWords(name: string, value: unknown, params: MessagesParams, body: ChatBody): boolean {
  return Object.hasOwn(OTHER_WORDS, name) && (OTHER_WORDS[name] as Translation)(value, params, body);
}

/** Returns false when the value is lost or changed. */
type Translation = (value: unknown, params: MessagesParams, body: ChatBody) => boolean;

const handledElsewhere: Translation = () => true;

const TRANSLATIONS: Record<string, Translation> = {
  model: handledElsewhere,
  messages: handledElsewhere,
  stream: handledElsewhere,
  stream_options: handledElsewhere,
  max_completion_tokens: (value, params) => value === params.max_tokens,
  max_tokens: (value, params, body) => value === params.max_tokens || typeof body.max_completion_tokens === 'number',
  temperature(value, params) {
    if (typeof value !== 'number') return false;
    params.temperature = Math.min(1, Math.max(0, value));
    return params.temperature === value;
  },
  top_p: (value, params) => setNumber(params, 'top_p', value),
  top_k: (value, params) => setNumber(params, 'top_k', value),
  stop(value, params) {
    const all = Array.isArray(value) ? value : [value];
    const usable = all.filter((text): text is string => typeof text === 'string' && /\S/.test(text));
    if (usable.length > 0) params.stop_sequences = usable;
    return usable.length === all.length;
  },
  tools(value, params, body) {
    const tools = toTools(body);
    const choice = toToolChoice(body);
    if (tools.length > 0) Object.assign(params, { tools }, choice ? { tool_choice: choice } : {});
    return areFunctions(value);
  },
  tool_choice(value, _params, body) {
    const choice = readChoice(value);
    const free = choice?.type === 'auto' || choice?.type === 'none';
    return free || (choice !== undefined && toTools(body).length > 0);
  },
  parallel_tool_calls: (value) => typeof value === 'boolean',
  response_format(value, params) {
    if (!isJsonObject(value)) return false;
    if (value.type === 'text') return true;
    const schema = answerSchema(value);
    if (schema) setSchema(params, schema);
    return schema !== null;
  },
  reasoning_effort(value, params) {
    if (value === 'none') params.thinking ??= { type: 'disabled' };
    if (value === 'none') return true;
    const effort = toEffort(value);
    if (effort) params.output_config = { ...params.output_config, effort };
    return effort === value;
  },
  user: (value, params) => setUser(params, value),
  safety_identifier: (value, params, body) => isUserId(body.user) || setUser(params, value),
  service_tier(value, params) {
    // OpenAI's "default" is the standard tier; "auto" means the same in both APIs and is the default in both.
    if (value === 'default' || value === 'standard_only') params.service_tier = 'standard_only';
    return value === 'auto' || params.service_tier !== undefined;
  },
  // Anthropic's own fields, through which clients of other gateways control thinking and the prompt cache.
  thinking(value, params) {
    if (isJsonObject(value)) Object.assign(params, { thinking: value });
    return isJsonObject(value);
  },
  cache_control(value, params) {
    if (isJsonObject(value)) Object.assign(params, { cache_control: value });
    return isJsonObject(value);
  },
};

/** Expresses nearly the same differently, for models that refuse the field in its original form. */
const OTHER_WORDS: Record<string, Translation> = {
  response_format(value, params, body) {
    const taken = translate('response_format', value, params, body);
    const schema = params.output_config?.format?.schema;
    if (!schema) return taken;
    const plain = plainSchema(schema) as JsonObject;
    setSchema(params, plain);
    return JSON.stringify(plain) === JSON.stringify(schema);
  },
  tools(value, params, body) {
    const taken = translate('tools', value, params, body);
    if (!hasIntricateTool(body)) return taken;
    params.tools = toTools(body).map(plainTool);
    return false;
  },
};

/** For untranslatable fields: values that have no effect, so that leaving them out changes nothing. */
const WITHOUT_EFFECT: Record<string, (value: unknown) => boolean> = {
  n: (value) => value === 1,
  frequency_penalty: (value) => value === 0,
  presence_penalty: (value) => value === 0,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  logit_bias: (value) => isJsonObject(value) && Object.keys(value).length === 0,
  store: (value) => value === false,
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  verbosity: (value) => value === 'medium',
};

function setSchema(params: MessagesParams, schema: JsonObject): void {
  params.output_config = { ...params.output_config, format: { type: 'json_schema', schema } };
}

function setNumber(params: SamplingParams, name: keyof SamplingParams, value: unknown): boolean {
  if (typeof value === 'number') params[name] = value;
  return typeof value === 'number';
}

/**
 * Anthropic wants ids that reveal nothing about the person. It refuses longer ones, and those that look like an
 * address.
 */
function isUserId(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_USER_ID_CHARACTERS && !PERSONAL.test(value);
}

function setUser(params: MessagesParams, value: unknown): boolean {
  if (isUserId(value)) params.metadata = { user_id: value };
  return isUserId(value);
}
