import { type ChatBody, isJsonObject } from './chat.ts';

/**
 * Anthropic's mark of what its prompt cache should hold. Clients put it on the request itself, on messages, on parts of
 * their content, on tool calls and on tools.
 */
export const CACHE_MARK = 'cache_control';

/** Whether the client has marked the request anywhere. */
export function hasCacheMarks(body: ChatBody): boolean {
  const { messages, tools } = body;
  return isMarked(body) || messages.some(holdsMark) || (Array.isArray(tools) && tools.some(holdsMark));
}

/** Whether a message or a tool has a mark, on itself or on what it holds. */
export function holdsMark(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const { content, function: called, tool_calls: calls } = value;
  const anyMarked = (list: unknown) => Array.isArray(list) && list.some(isMarked);
  return isMarked(value) || isMarked(called) || anyMarked(content) || anyMarked(calls);
}

function isMarked(value: unknown): boolean {
  return isJsonObject(value) && Object.hasOwn(value, CACHE_MARK);
}
