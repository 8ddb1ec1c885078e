import type { IncomingHttpHeaders } from 'node:http';
import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { jsonPieces, pieces, type SimulatedAnswer, type WireEvent, type WireFormat, wireId } from './wire.ts';

/** Anthropic's messages (`POST /v1/messages`, version 2023-06-01). */
export const anthropicWire: WireFormat = {
  basePath: '',
  path: '/v1/messages',
  requestIdHeader: 'request-id',
  newRequestId: () => wireId('req_'),
  brokenJson: 'The request body is not valid JSON.',
  unknownPath: () => 'Not found',
  refuseHeaders,
  refuseBody,
  error: (status, message, requestId) => ({
    type: 'error',
    error: { type: ERROR_TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error'), message },
    request_id: requestId,
  }),
  completion: (answer) => ({
    ...frame(answer),
    content: blocks(answer).map((block) => block.whole),
    stop_reason: stopReason(answer),
    stop_sequence: null,
    usage: usage(answer, answer.outputTokens),
  }),
  events,
};

const ERROR_TYPES: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const STOP_REASONS = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
} as const;

function refuseHeaders(headers: IncomingHttpHeaders): { status: number; message: string } | null {
  if (!headers['x-api-key'] && !/^Bearer \S/.test(headers.authorization ?? '')) {
    return { status: 401, message: 'x-api-key header is required' };
  }
  if (!headers['anthropic-version']) return { status: 400, message: 'anthropic-version: header is required' };
  return null;
}

function refuseBody(body: JsonObject): string | null {
  if (typeof body.model !== 'string' || body.model === '') return 'model: Field required';
  if (body.max_tokens === undefined) return 'max_tokens: Field required';
  if (typeof body.max_tokens !== 'number' || !Number.isInteger(body.max_tokens))
    return 'max_tokens: Input should be a valid integer';
  if (body.max_tokens < 1) return 'max_tokens: Input should be greater than or equal to 1';
  if (body.messages === undefined) return 'messages: Field required';
  if (!Array.isArray(body.messages)) return 'messages: Input should be a valid list';
  if (body.messages.length === 0) return 'messages: at least one message is required';
  return body.messages.map(refuseMessage).find((problem) => problem !== null) ?? null;
}

function refuseMessage(message: unknown, index: number): string | null {
  if (!isJsonObject(message)) return `messages.${index}: Input should be a valid dictionary`;
  if (message.role !== 'user' && message.role !== 'assistant') {
    return `messages: Unexpected role "${String(message.role)}". The Messages API accepts a top-level \`system\` parameter, not "system" as an input message role.`;
  }
  if (message.content === undefined) return `messages.${index}.content: Field required`;
  if (message.content === '') return `messages.${index}: user messages must have non-empty content`;
  return null;
}

function stopReason(answer: SimulatedAnswer): string {
  return STOP_REASONS[answer.finish ?? (answer.toolCalls?.length ? 'tool_calls' : 'stop')];
}

function frame(answer: SimulatedAnswer): JsonObject {
  return { id: wireId('msg_'), type: 'message', role: 'assistant', model: answer.model };
}

/** Anthropic counts cached and cache-written tokens separately from the other input tokens. */
function usage(answer: SimulatedAnswer, outputTokens: number): JsonObject {
  const read = answer.cachedInputTokens ?? 0;
  const written = answer.cacheWriteTokens ?? 0;
  return {
    input_tokens: answer.inputTokens - read - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    output_tokens: outputTokens,
    service_tier: 'standard',
  };
}

/** A content block: the complete block, its announcement in a stream, and the deltas that fill it. */
interface Block {
  whole: JsonObject;
  start: JsonObject;
  deltas: JsonObject[];
}

function blocks(answer: SimulatedAnswer): Block[] {
  const tools = answer.toolCalls ?? [];
  return [
    ...(answer.thinking === undefined ? [] : [thinkingBlock(answer.thinking)]),
    ...(answer.text === '' && tools.length > 0 ? [] : [textBlock(answer.text)]),
    ...tools.map(toolBlock),
  ];
}

function textBlock(text: string): Block {
  return {
    whole: { type: 'text', text },
    start: { type: 'text', text: '' },
    deltas: pieces(text).map((piece) => ({ type: 'text_delta', text: piece })),
  };
}

function thinkingBlock(thinking: string): Block {
  const signature = wireId('sig_');
  return {
    whole: { type: 'thinking', thinking, signature },
    start: { type: 'thinking', thinking: '', signature: '' },
    deltas: [
      ...pieces(thinking).map((piece) => ({ type: 'thinking_delta', thinking: piece })),
      { type: 'signature_delta', signature },
    ],
  };
}

function toolBlock(call: { name: string; arguments: string }): Block {
  const head = { type: 'tool_use', id: wireId('toolu_'), name: call.name };
  return {
    whole: { ...head, input: JSON.parse(call.arguments) as JsonObject },
    start: { ...head, input: {} },
    deltas: ['', ...jsonPieces(call.arguments)].map((piece) => ({ type: 'input_json_delta', partial_json: piece })),
  };
}

function events(answer: SimulatedAnswer): WireEvent[] {
  const message = { ...frame(answer), content: [], stop_reason: null, stop_sequence: null, usage: usage(answer, 1) };
  const body = blocks(answer).flatMap(({ start, deltas }, index) => [
    event('content_block_start', { index, content_block: start }),
    ...(index === 0 ? [event('ping', {})] : []),
    ...deltas.map((delta) => event('content_block_delta', { index, delta }, true)),
    event('content_block_stop', { index }),
  ]);
  return [
    event('message_start', { message }),
    ...body,
    event('message_delta', {
      delta: { stop_reason: stopReason(answer), stop_sequence: null },
      usage: { output_tokens: answer.outputTokens },
    }),
    event('message_stop', {}),
  ];
}

function event(name: string, fields: JsonObject, isContent = false): WireEvent {
  return { name, data: JSON.stringify({ type: name, ...fields }), isContent };
}
