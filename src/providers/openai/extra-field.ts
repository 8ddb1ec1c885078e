import { isJsonObject, type JsonObject } from '../../domain/chat.ts';

/**
 * Where the field stands that a server does not know, as pydantic lists it: `["body", "seed"]`. Mistral and other
 * servers have pydantic check their requests.
 * @returns null when the error lists no such field
 */
export function extraFieldIn({ detail, message }: JsonObject): unknown[] | null {
  const details = isJsonObject(message) ? message.detail : detail;
  if (!Array.isArray(details)) return null;
  const extra = details.filter(isJsonObject).find(({ type }) => type === 'extra_forbidden');
  if (!extra) return null;
  return Array.isArray(extra.loc) ? extra.loc : [];
}
