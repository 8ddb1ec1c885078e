import { type ChatRequest, isJsonObject } from '../../domain/chat.ts';
import { membersOf, removeMember, renameMember, replaceSpans, setMember } from '../../util/json-edit.ts';
import { answerFieldsIn, withoutAnswerFields } from './answer-fields.ts';
import { cacheMarksIn, withoutCacheMarks } from './anthropic-fields.ts';
import { withOtherMessages } from './message-refusal.ts';
import { EFFORT_BESIDE_TOOLS, hasTools, isSet, otherName } from './refusal.ts';

const EFFORT = 'reasoning_effort';

export interface UpstreamRequest {
  /** The JSON text to send: the client's own, edited only where it must be. */
  text: string;
  /** True when the gateway, not the client, asked for the usage chunk: the client must not see it. */
  usageAdded: boolean;
  /** The client's fields that were left out or changed. */
  droppedParams: string[];
}

export interface UpstreamRequestOptions {
  /** The upstream's name for the model. */
  model: string;
  /** Whether to ask for a stream's usage even if the client did not. */
  askForUsage: boolean;
  /** What the model refuses: such fields are left out or renamed to what it knows, and messages are rewritten. */
  refused: ReadonlySet<string>;
}

/**
 * Builds the request for an OpenAI upstream. The received text is edited in place, not serialised again, so that
 * integers beyond 2^53, the order of fields and every unknown field survive.
 */
export function toUpstreamRequest(request: ChatRequest, options: UpstreamRequestOptions): UpstreamRequest {
  const { text, usageAdded } = withModelAndUsage(request, options);
  const refused = [...options.refused].filter((field) => request.body[field] !== undefined);
  const without = (json: string, field: string) => {
    const other = otherName(field);
    return other !== null && !isSet(request.body, other)
      ? renameMember(removeMember(json, other), field, other)
      : removeMember(json, field);
  };
  const { messages } = request.body;
  const answerFields = answerFieldsIn(messages, options.refused);
  const cacheMarks = cacheMarksIn(request.body, options.refused);
  const isThoughtless = options.refused.has(EFFORT_BESIDE_TOOLS) && hasTools(request.body);
  const fewer = refused.reduce(without, text);
  const tuned = isThoughtless ? setMember(fewer, EFFORT, '"none"') : fewer;
  const adapted = withOtherMessages(tuned, messages, options.refused);
  const plain = withoutAnswerFields(adapted, answerFields);
  const dropped = [
    ...refused.filter((field) => otherName(field) === null),
    // Named even if the client did not set it: the model would have thought.
    ...(isThoughtless && request.body[EFFORT] !== 'none' ? [EFFORT] : []),
    ...answerFields,
    ...cacheMarks,
  ];
  return {
    text: cacheMarks.length > 0 ? withoutCacheMarks(plain, request.body) : plain,
    usageAdded,
    droppedParams: [...new Set(dropped)],
  };
}

function withModelAndUsage(
  request: ChatRequest,
  { model, askForUsage }: UpstreamRequestOptions,
): { text: string; usageAdded: boolean } {
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
