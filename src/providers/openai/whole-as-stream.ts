import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { type RawSseEvent, SSE_DONE, SseSplitter, sseData } from '../../util/sse.ts';
import { jsonInStream } from '../json-in-stream.ts';
import { errorInSuccess, failureIn } from './answer.ts';

/** Fields of a whole answer that each of its chunks repeats. */
const HEAD = ['id', 'created', 'model', 'system_fingerprint', 'service_tier'];

/**
 * Returns the events that OpenAI would have sent instead of a whole completion; any other event is returned unchanged.
 * @throws UpstreamError `interrupted` for an error sent instead of the stream
 */
export function streamed(event: RawSseEvent): RawSseEvent[] {
  const whole = jsonInStream(event);
  if (!whole) return [event];
  const failure = failureIn(whole);
  if (failure) throw errorInSuccess(failure, 'interrupted');
  return Array.isArray(whole.choices) ? new SseSplitter().push(wholeAsStream(whole, whole.choices)) : [event];
}

/** Converts a whole chat completion to the form of a stream: each choice, then its finish reason, then the usage. */
function wholeAsStream(completion: JsonObject, choices: readonly unknown[]): Uint8Array {
  const head: JsonObject = { object: 'chat.completion.chunk' };
  for (const name of HEAD) if (name in completion) head[name] = completion[name];
  const chunks = choices.filter(isJsonObject).flatMap(chunksOfChoice);
  const usage = completion.usage ? [{ choices: [], usage: completion.usage }] : [];
  return Buffer.concat([...[...chunks, ...usage].map((chunk) => sseData({ ...head, ...chunk })), SSE_DONE]);
}

function chunksOfChoice({ message, finish_reason, index: told, ...rest }: JsonObject, position: number): JsonObject[] {
  const index = told ?? position;
  const ended = { index, delta: {}, finish_reason: finish_reason ?? null };
  if (!isJsonObject(message)) return [{ choices: [ended] }];
  const { tool_calls: calls, ...delta } = message;
  // In a stream, the index says which call a later part continues.
  if (Array.isArray(calls))
    delta.tool_calls = calls.map((call, i) => (isJsonObject(call) ? { index: i, ...call } : call));
  return [{ choices: [{ index, delta, ...rest, finish_reason: null }] }, { choices: [ended] }];
}
