import { CACHE_MARK } from '../domain/cache-marks.ts';
import { type ChatMessage, isJsonObject } from '../domain/chat.ts';

/** Longer texts are hashed only in part (characters). */
const LONG_TEXT = 65_536;

/**
 * The content that identifies a message. Other fields of an answer are ignored, because clients differ in which of them
 * they send back.
 */
export function identityOf({ role, content: whole, tool_calls: calls }: ChatMessage): string {
  const content = onlyText(whole) ?? whole;
  // A shortcut, because most messages consist of text only.
  if (typeof content === 'string' && content.length <= LONG_TEXT && !calls) return `${role}\n${content}`;
  return JSON.stringify([role, content ?? null, calls ?? null], shortened);
}

/**
 * The text of a content that is a single text part; null for any other. Clients write a text as a part while it bears
 * a cache mark, and as a string again once the mark has moved on.
 */
function onlyText(content: unknown): string | null {
  if (!Array.isArray(content) || content.length !== 1) return null;
  const [part] = content;
  return isJsonObject(part) && part.type === 'text' && typeof part.text === 'string' ? part.text : null;
}

/**
 * For images of many megabytes, both ends and the length are enough. Cache marks are left out: clients move them with
 * every request, to what is then the newest message.
 */
function shortened(name: string, value: unknown): unknown {
  if (name === CACHE_MARK) return undefined;
  if (typeof value !== 'string' || value.length <= LONG_TEXT) return value;
  return [value.length, value.slice(0, LONG_TEXT / 2), value.slice(-LONG_TEXT / 2)];
}
