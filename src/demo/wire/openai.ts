import type { IncomingHttpHeaders } from 'node:http';
import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { jsonPieces, pieces, type SimulatedAnswer, type WireEvent, type WireFormat, wireId } from './wire.ts';

/** OpenAI's chat completions (`POST /v1/chat/completions`), as of 2025/26. */
export const openaiWire: WireFormat = {
  basePath: '/v1',
  path: '/v1/chat/completions',
  requestIdHeader: 'x-request-id',
  newRequestId: () => wireId('req_'),
  brokenJson:
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
  unknownPath: (method, path) => `Invalid URL (${method} ${path})`,
  refuseHeaders,
  refuseBody,
  error: (status, message) => ({ error: { message, ...errorKind(status), param: null } }),
  completion,
  events,
};

function refuseHeaders(headers: IncomingHttpHeaders): { status: number; message: string } | null {
  if (/^Bearer \S/.test(headers.authorization ?? '')) return null;
  return {
    status: 401,
    message:
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
  };
}

function refuseBody(body: JsonObject): string | null {
  if (typeof body.model !== 'string' || body.model === '') return 'you must provide a model parameter';
  if (body.messages === undefined) return "Missing required parameter: 'messages'.";
  if (!Array.isArray(body.messages)) return "Invalid type for 'messages': expected an array of objects.";
  if (body.messages.length === 0)
    return "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
  if (!body.messages.every((message) => isJsonObject(message) && typeof message.role === 'string')) {
    return "Invalid value in 'messages': expected objects with a role.";
  }
  return null;
}

function errorKind(status: number): { type: string; code: string | null } {
  if (status === 429) return { type: 'requests', code: 'rate_limit_exceeded' };
  if (status >= 500) return { type: 'server_error', code: null };
  return { type: 'invalid_request_error', code: null };
}

function finishReason(answer: SimulatedAnswer): string {
  return answer.finish ?? (answer.toolCalls?.length ? 'tool_calls' : 'stop');
}

function usage(answer: SimulatedAnswer): JsonObject {
  return {
    prompt_tokens: answer.inputTokens,
    completion_tokens: answer.outputTokens,
    total_tokens: answer.inputTokens + answer.outputTokens,
    prompt_tokens_details: { cached_tokens: answer.cachedInputTokens ?? 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function completion(answer: SimulatedAnswer): JsonObject {
  const calls = (answer.toolCalls ?? []).map((call) => ({
    id: wireId('call_'),
    type: 'function',
    function: { name: call.name, arguments: call.arguments },
  }));
  const message = {
    role: 'assistant',
    content: answer.text === '' && calls.length > 0 ? null : answer.text,
    ...(answer.thinking === undefined ? {} : { reasoning_content: answer.thinking }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    refusal: null,
    annotations: [],
  };
  return {
    ...frame('chat.completion', answer),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(answer) }],
    usage: usage(answer),
  };
}

function frame(object: string, answer: SimulatedAnswer): JsonObject {
  return {
    id: wireId('chatcmpl-'),
    object,
    created: Math.floor(Date.now() / 1000),
    model: answer.model,
    service_tier: 'default',
    system_fingerprint: 'fp_simulated',
  };
}

function events(answer: SimulatedAnswer, body: JsonObject): WireEvent[] {
  const options = isJsonObject(body.stream_options) ? body.stream_options : {};
  const withUsage = options.include_usage === true;
  const shared = { ...frame('chat.completion.chunk', answer), ...(withUsage ? { usage: null } : {}) };
  const event = (delta: JsonObject, isContent: boolean, finish: string | null = null): WireEvent => ({
    name: null,
    data: JSON.stringify({ ...shared, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] }),
    isContent,
  });
  const onlyTools = answer.text === '' && (answer.toolCalls?.length ?? 0) > 0;
  return [
    event({ role: 'assistant', content: onlyTools ? null : '', refusal: null }, false),
    ...deltas(answer).map((delta) => event(delta, true)),
    event({}, false, finishReason(answer)),
    ...(withUsage
      ? [{ name: null, data: JSON.stringify({ ...shared, choices: [], usage: usage(answer) }), isContent: false }]
      : []),
    { name: null, data: '[DONE]', isContent: false },
  ];
}

function deltas(answer: SimulatedAnswer): JsonObject[] {
  const tools = (answer.toolCalls ?? []).flatMap((call, index) => [
    { index, id: wireId('call_'), type: 'function', function: { name: call.name, arguments: '' } },
    ...jsonPieces(call.arguments).map((piece) => ({ index, function: { arguments: piece } })),
  ]);
  return [
    ...pieces(answer.thinking ?? '').map((piece) => ({ reasoning_content: piece })),
    ...pieces(answer.text).map((piece) => ({ content: piece })),
    ...tools.map((call) => ({ tool_calls: [call] })),
  ];
}
