import type Anthropic from '@anthropic-ai/sdk';
import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { invalidRequest } from '../../domain/errors.ts';
import { parseExactly } from '../../util/exact-json.ts';
import { excessOfAll, REQUEST_LIMITS } from '../../util/json-limits.ts';
import { toBlocks, withCacheControl } from './content.ts';
import { THINKING_BLOCKS, thinkingBlocks } from './thinking-blocks.ts';
import { ToolUseIds } from './tool-use-ids.ts';

export interface Turn {
  role: 'user' | 'assistant';
  content: Anthropic.ContentBlockParam[];
}

/**
 * A turn being built. Tool results come first in a turn, as Anthropic requires, whatever came before them. They are
 * kept in a separate list because finding their end in a single list takes long when there are many.
 */
interface OpenTurn {
  role: Turn['role'];
  results: Anthropic.ToolResultBlockParam[];
  others: Anthropic.ContentBlockParam[];
}

/** What the messages read so far have become. */
interface Draft {
  /** One entry per system message. */
  system: Anthropic.TextBlockParam[][];
  turns: OpenTurn[];
  ids: ToolUseIds;
  withThinking: boolean;
}

export interface Conversation {
  /** Absent when there is no system prompt. A string, or blocks if any of them carries a cache mark. */
  system?: string | Anthropic.TextBlockParam[];
  /** With alternating roles: consecutive messages of the same role are merged. */
  messages: Turn[];
}

/**
 * Stands in for a first user turn. Clients that shorten a long history may begin it with an answer, which OpenAI
 * accepts and Anthropic does not.
 */
const CUT = '(The beginning of this conversation was left out.)';

/**
 * Translates OpenAI's messages into Anthropic's.
 * @param withThinking whether signed thinking of earlier answers is included
 * @throws GatewayError 400 for content that Anthropic's format cannot express
 */
export function toConversation(messages: unknown, withThinking = true): Conversation {
  if (!Array.isArray(messages)) throw invalidRequest('messages must be a list.', 'messages');
  checkArguments(messages);
  const draft: Draft = { system: [], turns: [], ids: new ToolUseIds(), withThinking };
  messages.forEach((message: unknown, index) => {
    const where = `messages[${index}]`;
    if (!isJsonObject(message)) throw invalidRequest(`${where} must be an object with a role.`, where);
    addMessage(message, where, draft);
  });
  const { system } = draft;
  const turns = draft.turns.map(({ role, results, others }): Turn => ({ role, content: [...results, ...others] }));
  // Some clients put their whole question into the system prompt, but Anthropic needs a message to answer, so the last
  // system message becomes that message.
  const asked = turns.some(({ role }) => role === 'user') ? undefined : system.pop();
  if (asked) turns.unshift({ role: 'user', content: asked });
  if (turns.length === 0) throw invalidRequest('messages must include a user message that is not empty.', 'messages');
  if (turns[0].role === 'assistant') turns.unshift({ role: 'user', content: [{ type: 'text', text: CUT }] });
  trimPrefill(turns);
  return { ...(system.length > 0 ? { system: joinSystem(system.flat()) } : {}), messages: turns };
}

function addMessage(message: JsonObject, where: string, draft: Draft): void {
  const { system, turns, ids } = draft;
  switch (message.role) {
    case 'system':
    case 'developer':
      addSystem(system, cacheLast(textOnly(message, where), message));
      return;
    case 'user':
      addBlocks(turns, 'user', cacheLast(toBlocks(message.content, where), message));
      return;
    case 'assistant':
      addBlocks(turns, 'assistant', cacheLast(assistantBlocks(message, where, draft), message));
      return;
    case 'tool':
      turnOf(turns, 'user').results.push(toolResult(message, where, ids));
      return;
    default:
      throw invalidRequest(
        `${where}.role: Anthropic models accept system, developer, user, assistant and tool.`,
        `${where}.role`,
      );
  }
}

function addSystem(system: Anthropic.TextBlockParam[][], blocks: Anthropic.TextBlockParam[]): void {
  if (blocks.length > 0) system.push(blocks);
}

function addBlocks(turns: OpenTurn[], role: Turn['role'], blocks: Anthropic.ContentBlockParam[]): void {
  if (blocks.length > 0) turnOf(turns, role).others.push(...blocks);
}

/** The current turn if it has that role, otherwise a new one. */
function turnOf(turns: OpenTurn[], role: Turn['role']): OpenTurn {
  const last = turns.at(-1);
  if (last?.role === role) return last;
  const turn: OpenTurn = { role, results: [], others: [] };
  turns.push(turn);
  return turn;
}

function assistantBlocks(message: JsonObject, where: string, draft: Draft): Anthropic.ContentBlockParam[] {
  const said = saidBlocks(message, where, draft.ids);
  // Anthropic refuses a message that contains only thinking. `reasoning_content` is left out because it has no
  // signature.
  return said.length > 0 && draft.withThinking ? [...thinkingBlocks(message[THINKING_BLOCKS]), ...said] : said;
}

function saidBlocks(message: JsonObject, where: string, ids: ToolUseIds): Anthropic.ContentBlockParam[] {
  const blocks: Anthropic.ContentBlockParam[] = textOnly({ content: withoutThoughts(message.content) }, where);
  if (message.function_call) {
    // Refused rather than left out: without it the model would not know what it had asked for.
    throw invalidRequest(`${where}.function_call is not known to Anthropic: use tool_calls.`, `${where}.function_call`);
  }
  if (typeof message.refusal === 'string') blocks.push(...textOnly({ content: message.refusal }, where));
  if (message.tool_calls === null || message.tool_calls === undefined) return blocks;
  if (!Array.isArray(message.tool_calls)) {
    throw invalidRequest(`${where}.tool_calls must be a list.`, `${where}.tool_calls`);
  }
  return [...blocks, ...message.tool_calls.map((call, index) => toolUse(call, `${where}.tool_calls[${index}]`, ids))];
}

/** Mistral's models put their thinking among the parts of the content. It has no signature either. */
function withoutThoughts(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  // Blank text is left out later; here it keeps the numbers of the other parts.
  return content.map((part) => (isJsonObject(part) && part.type === 'thinking' ? { type: 'text', text: '' } : part));
}

function toolUse(call: unknown, where: string, ids: ToolUseIds): Anthropic.ToolUseBlockParam {
  const details = isJsonObject(call) ? call.function : null;
  if (!isJsonObject(call) || !isJsonObject(details) || typeof details.name !== 'string') {
    throw invalidRequest(`${where} must be a function call with an id and a name.`, where);
  }
  const block: Anthropic.ToolUseBlockParam = {
    type: 'tool_use',
    id: ids.ofCall(requireId(call.id, `${where}.id`)),
    name: details.name,
    input: parseArguments(details.arguments, `${where}.function.arguments`),
  };
  return withCacheControl(block, call);
}

function toolResult(message: JsonObject, where: string, ids: ToolUseIds): Anthropic.ToolResultBlockParam {
  const content = toBlocks(message.content, where);
  const block: Anthropic.ToolResultBlockParam = {
    type: 'tool_result',
    tool_use_id: ids.ofResult(requireId(message.tool_call_id, `${where}.tool_call_id`)),
  };
  if (content.length > 0) block.content = typeof message.content === 'string' ? message.content : content;
  return withCacheControl(block, message);
}

function requireId(id: unknown, where: string): string {
  if (typeof id !== 'string' || id === '') throw invalidRequest(`${where} must be a string.`, where);
  return id;
}

/**
 * Checks the arguments of tool calls. They are JSON inside strings, which the limits on the body do not see: 30 MB of
 * brackets there once blocked every other request for half a minute. All arguments are checked together, because the
 * brackets may be spread over many calls.
 */
function checkArguments(messages: readonly unknown[]): void {
  const calls = messages.flatMap((message) =>
    isJsonObject(message) && message.role === 'assistant' ? message.tool_calls : null,
  );
  const texts = calls.flatMap((call) => {
    const json = isJsonObject(call) && isJsonObject(call.function) ? call.function.arguments : null;
    return typeof json === 'string' ? [json] : [];
  });
  const excess = excessOfAll(texts, REQUEST_LIMITS);
  if (excess) throw invalidRequest(`Counting the arguments of its tool calls: ${excess}`, 'messages');
}

/**
 * Parses the arguments of a tool call. When a model wrote invalid or truncated arguments, clients send them back
 * together with an error message, so the model has to see what it wrote.
 */
function parseArguments(json: unknown, where: string): JsonObject {
  if (json === null || json === undefined || json === '') return {};
  if (isJsonObject(json)) return json;
  if (typeof json !== 'string') {
    throw invalidRequest(`${where} must be a JSON object, written as a string, for an Anthropic model.`, where);
  }
  const value = parseJson(json);
  if (value === null) return {};
  return isJsonObject(value) ? value : { unreadable_arguments: json };
}

function parseJson(json: string): unknown {
  try {
    return json.trim() === '' ? {} : parseExactly(json);
  } catch {
    return undefined;
  }
}

function textOnly(message: JsonObject, where: string): Anthropic.TextBlockParam[] {
  return toBlocks(message.content, where).map((block) => {
    if (block.type === 'text') return block;
    throw invalidRequest(`${where}: a message of this role can hold only text.`, `${where}.content`);
  });
}

/** Applies a message's cache mark to its last block. */
function cacheLast<Block extends object>(blocks: Block[], message: JsonObject): Block[] {
  return blocks.map((block, index) => (index === blocks.length - 1 ? withCacheControl(block, message) : block));
}

function joinSystem(blocks: Anthropic.TextBlockParam[]): string | Anthropic.TextBlockParam[] {
  return blocks.some((block) => block.cache_control) ? blocks : blocks.map((block) => block.text).join('\n\n');
}

/** Anthropic refuses a final assistant text that ends in white space. */
function trimPrefill(turns: Turn[]): void {
  const last = turns.at(-1);
  const block = last?.content.at(-1);
  if (last?.role === 'assistant' && block?.type === 'text') block.text = block.text.trimEnd();
}
