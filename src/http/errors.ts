import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ClientGoneError, GatewayError, openAIError } from '../domain/errors.ts';
import type { Metrics } from '../gateway/metrics.ts';
import type { Clock } from '../util/clock.ts';
import { OVERLOADED } from './body-memory.ts';
import type { RefusalLog } from './refusal-log.ts';

/** Names the header, because without it curl labels the body as a form. */
const MEDIA_TYPE = 'The body must be JSON, sent with "content-type: application/json".';

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'] as const;

/** Where refusals are counted and logged. */
export interface RefusalTellers {
  metrics: Metrics;
  refusals: RefusalLog;
}

/**
 * Gives every unsuccessful response OpenAI's shape: refusals by the gateway, errors from the parser, and internal
 * errors.
 */
export function registerErrorHandlers(server: FastifyInstance, tellers: RefusalTellers): void {
  server.setErrorHandler((error: FastifyError | Error, request, reply) => answerError(error, request, reply, tellers));
}

/** 404 for an unknown path, 405 for a known path that does not accept this method. */
export function notFound(server: FastifyInstance, { method, url }: FastifyRequest): GatewayError {
  const path = url.split('?')[0];
  // Fastify reads the path as a route pattern, in which stars, colons and brackets are special or invalid.
  const isPlain = /^[\w./-]+$/.test(path);
  const allowed = METHODS.filter((other) => isPlain && server.hasRoute({ url: path, method: other }));
  if (allowed.length === 0) {
    const isServed = (other: string) => isPlain && METHODS.some((way) => server.hasRoute({ url: other, method: way }));
    return new GatewayError(404, `Unknown request URL: ${method} ${path}.${wayOut(path, isServed)}`, {
      code: 'unknown_url',
    });
  }
  const message = `Not allowed to ${method} on ${path}, which accepts ${allowed.join(' and ')}.`;
  const responseHeaders = { allow: allowed.join(', ') };
  return new GatewayError(405, message, { code: 'method_not_allowed', responseHeaders });
}

/** Advice on the most common mistakes in a client's configuration. */
function wayOut(path: string, isServed: (path: string) => boolean): string {
  if (/\/responses(\/|$)/.test(path)) {
    return ' The gateway serves /v1/chat/completions: set the client to the Chat Completions API.';
  }
  if (/\/(messages|completions|embeddings)$/.test(path) && !path.endsWith('/chat/completions')) {
    return ' Of the APIs for models, the gateway serves /v1/chat/completions alone.';
  }
  if (isServed(`/v1${path}`)) return ` /v1${path} is served: the client's base URL must end in /v1.`;
  if (!path.startsWith('/v1/') || !isServed(path.slice('/v1'.length))) return '';
  const isDoubled = path.startsWith('/v1/v1/');
  return ` ${path.slice('/v1'.length)} is served${isDoubled ? ": the client's base URL must end in one /v1" : ''}.`;
}

export function answerError(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  { metrics, refusals }: RefusalTellers,
): void {
  const send = (refusal: GatewayError) => {
    metrics.refusedRequests.inc({ status: refusal.status, code: refusal.code ?? 'none' });
    refusals.tell(request, refusal);
    answerWith(refusal, reply);
  };
  if (error instanceof GatewayError) {
    if (error.code === OVERLOADED) afterUpload(request, reply, () => send(error));
    else send(error);
    return;
  }
  // The use case records the request as aborted. Nobody sees this status, which nginx also uses.
  if (error instanceof ClientGoneError) {
    void reply.code(499).send();
    return;
  }
  const status = ('statusCode' in error && error.statusCode) || 500;
  if (status < 500) {
    const code = codeOf(error);
    const message = code === 'unsupported_media_type' ? MEDIA_TYPE : error.message;
    const refusal = new GatewayError(status, message, { code });
    if (status === 413) afterUpload(request, reply, () => send(refusal));
    else send(refusal);
    return;
  }
  request.log.error({ err: error, requestId: request.id }, 'A request failed inside the gateway.');
  send(
    new GatewayError(500, `The gateway failed; its log has the reason under request id ${request.id}.`, {
      code: 'internal_error',
    }),
  );
}

/**
 * If the connection were closed while the client is still sending, the client would not see the answer. If the
 * connection may stay open, Node reads the rest of the body and drops it; if the client wants it closed, the answer
 * waits until the rest has been read. The upload timeout limits both.
 */
function afterUpload({ raw }: FastifyRequest, reply: FastifyReply, answer: () => void): void {
  void reply.removeHeader('connection');
  if (reply.raw.shouldKeepAlive) answer();
  else finished(raw.resume(), answer);
}

function answerWith(error: GatewayError, reply: FastifyReply): void {
  void reply
    .code(error.status)
    .headers(error.responseHeaders)
    .type('application/json; charset=utf-8')
    .send(error.toBody());
}

function codeOf(error: FastifyError | Error): string {
  if (!('code' in error)) return 'invalid_request';
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'request_too_large';
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return 'unsupported_media_type';
  return 'invalid_request';
}

/** Answers an `Expect` header other than 100-continue, because Node itself would answer without a body. */
export function answerExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const body = openAIError('The "expect" header asks for something that this server does not support.', {
    type: 'invalid_request_error',
    code: 'expectation_failed',
  });
  response.writeHead(417, { 'content-type': 'application/json; charset=utf-8', connection: 'close' });
  response.end(JSON.stringify(body));
}

/** Time for a client to read the answer and close the connection. */
const LINGER_MS = 2000;

/**
 * Answers requests that Node's HTTP parser refuses. They never reach a route, so they are answered on the bare socket.
 * Node no longer watches such a connection, so it must be closed here if the client does not close it.
 */
export function answerParserError(error: Error & { code?: string }, socket: Socket, clock: Clock): void {
  // Do not write a second answer into one that has already begun.
  const { _httpMessage: answering } = socket as Socket & { _httpMessage?: { headersSent: boolean } };
  if (error.code === 'ECONNRESET' || !socket.writable || answering?.headersSent) {
    socket.destroy();
    return;
  }
  const [status, reason, message] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large', 'The request headers are too large.']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout', 'The request did not arrive in time.']
        : [400, 'Bad Request', 'The request is not valid HTTP.'];
  const body = JSON.stringify(openAIError(message, { type: 'invalid_request_error', code: 'malformed_http' }));
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  const forget = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', forget);
}
