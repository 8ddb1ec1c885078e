import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { type RawSseEvent, SSE_DONE, SseSplitter, sseData } from '../../util/sse.ts';
import { parseObject } from './answer.ts';

/** Fields of an answer that its chunks repeat. */
const HEAD = ['id', 'created', 'model', 'system_fingerprint', 'service_tier'];
const decoder = new TextDecoder();

/**
 * Servers that do not stream answer a request for a stream with a whole chat completion.
 * @param event of the stream, or what the splitter took for one: JSON has no `data:` lines
 * @returns the events that OpenAI would have sent in place of a whole completion, or else the event itself
 */
export function streamed(event: RawSseEvent): RawSseEvent[] {
  const whole = event.data === null ? wholeAsStream(decoder.decode(event.raw)) : null;
  return whole ? new SseSplitter().push(whole) : [event];
}

/**
 * Writes a whole chat completion in the form of a stream: each choice, then its finish reason, then the usage.
 * @returns null when `json` is no chat completion
 */
function wholeAsStream(json: string): Uint8Array | null {
  const completion = json.trimStart().startsWith('{') ? parseObject(json) : null;
  if (!completion || !Array.isArray(completion.choices)) return null;
  const head: JsonObject = { object: 'chat.completion.chunk' };
  for (const name of HEAD) if (name in completion) head[name] = completion[name];
  const chunks = completion.choices.filter(isJsonObject).flatMap(chunksOfChoice);
  const usage = completion.usage ? [{ choices: [], usage: completion.usage }] : [];
  return Buffer.concat([...[...chunks, ...usage].map((chunk) => sseData({ ...head, ...chunk })), SSE_DONE]);
}

function chunksOfChoice({ message, finish_reason, index = 0, ...rest }: JsonObject): JsonObject[] {
  const ended = { index, delta: {}, finish_reason: finish_reason ?? 'stop' };
  if (!isJsonObject(message)) return [{ choices: [ended] }];
  const { tool_calls: calls, ...delta } = message;
  // In a stream, the index says which call a later part continues.
  if (Array.isArray(calls))
    delta.tool_calls = calls.map((call, i) => (isJsonObject(call) ? { index: i, ...call } : call));
  return [{ choices: [{ index, delta, ...rest, finish_reason: null }] }, { choices: [ended] }];
}
