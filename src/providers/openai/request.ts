import { type ChatRequest, isJsonObject } from '../../domain/chat.ts';
import { membersOf, replaceSpans, setMember } from '../../util/json-edit.ts';

export interface UpstreamRequest {
  /** The JSON text to send: the client's own, edited only where it must be. */
  text: string;
  /** True when the usage chunk was asked for on the gateway's behalf, and so is not for the client's eyes. */
  usageAdded: boolean;
}

/**
 * The request for an OpenAI upstream. The received text is edited in place rather than serialised anew: integers
 * beyond 2^53, the order of fields and every unknown field survive.
 */
export function toUpstreamRequest(request: ChatRequest, model: string, askForUsage: boolean): UpstreamRequest {
  const wantsUsage = isJsonObject(request.body.stream_options) && request.body.stream_options.include_usage === true;
  const usageAdded = request.body.stream === true && askForUsage && !wantsUsage;
  const members = membersOf(request.text);
  const edits = members
    .filter((member) => member.name === 'model')
    .map((member) => ({ span: member.value, replacement: JSON.stringify(model) }));
  if (!usageAdded) return { text: replaceSpans(request.text, edits), usageAdded };

  const options = members.filter((member) => member.name === 'stream_options');
  for (const { value } of options) {
    const current = request.text.slice(value.start, value.end);
    const replacement = current.startsWith('{')
      ? setMember(current, 'include_usage', 'true')
      : '{"include_usage":true}';
    edits.push({ span: value, replacement });
  }
  const text = replaceSpans(request.text, edits);
  return {
    text: options.length > 0 ? text : setMember(text, 'stream_options', '{"include_usage":true}'),
    usageAdded,
  };
}
