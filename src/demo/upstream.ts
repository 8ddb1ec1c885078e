import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type ChatMessage, contentText, isJsonObject, type JsonObject } from '../domain/chat.ts';
import type { ProviderType } from '../domain/provider-type.ts';
import { messageOf } from '../util/message-of.ts';
import { anthropicWire } from './wire/anthropic.ts';
import { openaiWire } from './wire/openai.ts';
import type { SimulatedAnswer, WireEvent, WireFormat } from './wire/wire.ts';

export type { SimulatedAnswer } from './wire/wire.ts';

/** What reached the upstream, as passed to the function that decides how to answer. */
export interface SimulatedRequest {
  format: ProviderType;
  headers: IncomingMessage['headers'];
  /** The body's text as received, and parsed. */
  text: string;
  body: JsonObject;
  model: string;
  stream: boolean;
  messages: ChatMessage[];
  /** Text of the last user message that has any; empty when there is none. */
  lastUserText: string;
  /** Aborted when the client leaves before the answer is complete. */
  signal: AbortSignal;
}

export interface SimulatedUpstreamOptions {
  format: ProviderType;
  /** Called once for each valid request. An error thrown here becomes a 500 in the provider's format. */
  answer: (request: SimulatedRequest) => SimulatedAnswer | Promise<SimulatedAnswer>;
}

export interface SimulatedUpstream {
  /** The base URL for the provider's client: with `/v1` for OpenAI's, without for Anthropic's. */
  readonly url: string;
  /** Requests received so far, including refused ones. */
  readonly requests: number;
  /** Requests whose client left before the answer was complete. */
  readonly aborted: number;
  /** Breaks off open connections and stops listening. */
  close(): Promise<void>;
}

const WIRES: Record<SimulatedUpstreamOptions['format'], WireFormat> = { openai: openaiWire, anthropic: anthropicWire };

/** Responses broken off on purpose, to distinguish them from those whose client left. */
const brokenByUs = new WeakSet<ServerResponse>();

/**
 * Starts an HTTP server on a free loopback port that speaks a provider's wire format and answers as `answer` says.
 */
export async function startSimulatedUpstream(options: SimulatedUpstreamOptions): Promise<SimulatedUpstream> {
  const wire = WIRES[options.format];
  const counts = { requests: 0, aborted: 0 };
  const server = createServer((request, response) => {
    counts.requests++;
    const gone = new AbortController();
    response.once('close', () => {
      if (response.writableFinished || brokenByUs.has(response)) return;
      counts.aborted++;
      gone.abort();
    });
    serve(wire, options, request, response, gone.signal).catch((error: unknown) => {
      if (!gone.signal.aborted) fail(wire, response, 500, messageOf(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${wire.basePath}`,
    get requests() {
      return counts.requests;
    },
    get aborted() {
      return counts.aborted;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(
  wire: WireFormat,
  options: SimulatedUpstreamOptions,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const text = await readBody(request);
  const path = (request.url ?? '/').split('?')[0];
  response.setHeader(wire.requestIdHeader, wire.newRequestId());
  if (request.method !== 'POST' || path !== wire.path) {
    return fail(wire, response, 404, wire.unknownPath(request.method ?? 'GET', path));
  }
  const refusal = wire.refuseHeaders(request.headers);
  if (refusal) return fail(wire, response, refusal.status, refusal.message);
  const body = parseObject(text);
  const problem = body ? wire.refuseBody(body) : wire.brokenJson;
  if (!body || problem) return fail(wire, response, 400, problem ?? wire.brokenJson);

  const asked = describeRequest(options.format, request.headers, text, body, signal);
  const answer = await options.answer(asked);
  await pause(answer.delayMs, signal);
  if ((answer.status ?? 200) >= 400) {
    if (answer.retryAfterS !== undefined) response.setHeader('retry-after', String(answer.retryAfterS));
    return fail(wire, response, answer.status ?? 500, answer.errorMessage ?? 'Simulated failure.');
  }
  if (asked.stream) return stream(wire, response, body, answer, signal);
  await pause(answer.streamMs ?? 0, signal);
  sendJson(response, 200, wire.completion(answer));
}

async function stream(
  wire: WireFormat,
  response: ServerResponse,
  body: JsonObject,
  answer: SimulatedAnswer,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  const events = wire.events(answer, body);
  const pieces = events.filter((event) => event.isContent).length;
  const started = performance.now();
  let sent = 0;
  for (const event of events) {
    if (event.isContent) {
      if (sent === answer.breakAfterPieces) {
        // Lets what has been written be sent first; otherwise a short stream would break before it has begun.
        await nextTurn();
        return breakOff(response);
      }
      // Paced against the clock, because otherwise a timer's rounding would add up over hundreds of pieces.
      const due = ((answer.streamMs ?? 0) * sent) / pieces - (performance.now() - started);
      await pause(due, signal);
      sent++;
    }
    if (!response.write(render(event))) await once(response, 'drain', { signal });
  }
  response.end();
}

function render(event: WireEvent): string {
  return `${event.name === null ? '' : `event: ${event.name}\n`}data: ${event.data}\n\n`;
}

function describeRequest(
  format: SimulatedRequest['format'],
  headers: IncomingMessage['headers'],
  text: string,
  body: JsonObject,
  signal: AbortSignal,
): SimulatedRequest {
  const messages = (Array.isArray(body.messages) ? body.messages : []).filter(
    (message): message is ChatMessage => isJsonObject(message) && typeof message.role === 'string',
  );
  const userTexts = messages
    .filter((message) => message.role === 'user')
    .map((message) => contentText(message.content));
  const lastUserText = userTexts.findLast((userText) => userText !== '') ?? '';
  return {
    format,
    headers,
    text,
    body,
    model: String(body.model),
    stream: body.stream === true,
    messages,
    lastUserText,
    signal,
  };
}

/** Waits, unless the time is less than a millisecond, because a timer cannot be that short. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds >= 1) await sleep(milliseconds, undefined, { signal });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

function fail(wire: WireFormat, response: ServerResponse, status: number, message: string): void {
  // Once the answer has begun, a broken connection is the only way left to signal a failure.
  if (response.headersSent) breakOff(response);
  else sendJson(response, status, wire.error(status, message, String(response.getHeader(wire.requestIdHeader) ?? '')));
}

function breakOff(response: ServerResponse): void {
  brokenByUs.add(response);
  response.destroy();
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
}
