import { isJsonObject, type JsonObject } from '../../domain/chat.ts';

/**
 * The location of a field that the server does not know, as pydantic reports it: `["body", "seed"]`. Mistral and other
 * servers validate their requests with pydantic.
 * @returns null when the error reports no such field
 */
export function extraFieldIn({ detail, message }: JsonObject): unknown[] | null {
  const details = isJsonObject(message) ? message.detail : detail;
  if (!Array.isArray(details)) return null;
  const extra = details.filter(isJsonObject).find(({ type }) => type === 'extra_forbidden');
  if (!extra) return null;
  return Array.isArray(extra.loc) ? extra.loc : [];
}
