import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { invalidRequest } from '../domain/errors.ts';
import { newId } from '../util/ids.ts';
import { authenticate, authenticateAdmin } from './auth.ts';
import { registerCors } from './cors.ts';
import { answerError, answerExpectation, answerParserError, notFound, registerErrorHandlers } from './errors.ts';
import { registerBodyMemory } from './hold-body.ts';
import { hook } from './hook.ts';
import { registerJsonBody } from './json-body.ts';
import type { ServerParts } from './parts.ts';
import { RefusalLog } from './refusal-log.ts';
import { adminRoutes } from './routes/admin.ts';
import { chatRoutes } from './routes/chat.ts';
import { feedbackRoutes } from './routes/feedback.ts';
import { healthRoutes } from './routes/health.ts';
import { modelRoutes } from './routes/models.ts';

/** A request must have arrived within this time; the answer may take as long as it needs. */
const UPLOAD_TIMEOUT_MS = 300_000;
/** Headers must have arrived within this time, so that connections that send them slowly do not pile up. */
const HEADERS_TIMEOUT_MS = 20_000;

/** Builds the gateway's HTTP server. It does not listen yet: tests may inject requests, and `app` listens. */
export function buildServer(parts: ServerParts): FastifyInstance {
  const tellers = { metrics: parts.metrics, refusals: new RefusalLog(parts.clock) };
  const server = Fastify({
    loggerInstance: parts.log,
    // Almost no request logs anything through Fastify, but Fastify would create a logger for each.
    childLoggerFactory: (logger) => logger,
    bodyLimit: parts.maxBodyBytes,
    // The use case logs each chat request once, with its outcome.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: (request) => requestId(request.headers['x-request-id']),
    clientErrorHandler: (error, socket) => answerParserError(error, socket, parts.clock),
    // At shutdown, idle connections close at once, and running streams get the time that `app` allows.
    forceCloseConnections: 'idle',
    // Requests on connections that were already open are served to the end.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => answerError(error, request, reply, tellers),
    requestTimeout: UPLOAD_TIMEOUT_MS,
    // A request without a Host header is refused below, because Node's own answer to it has no body.
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 5000, requireHostHeader: false },
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: true },
  });
  server.server.on('checkExpectation', answerExpectation);
  registerErrorHandlers(server, tellers);
  registerJsonBody(server, parts.clock);
  server.decorateRequest('gatewayKey', null);
  registerBodyMemory(server, parts.bodyMemory, parts.maxBodyBytes);
  const prepareRequest = hook((request, reply) => {
    void reply.header('x-request-id', request.id);
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      throw invalidRequest('The request has no Host header.', null, 'malformed_http');
    }
    // A client with a connection pool must not send its next request into a connection that is being closed.
    if (parts.notReady() !== null) void reply.header('connection', 'close');
    // Answer unknown paths before the body is read: Fastify would first load it into memory, although no key has been
    // checked for them.
    if (request.is404) throw notFound(server, request);
  });
  server.addHook('onRequest', prepareRequest);
  // The CORS plugin sends preflights here if no origin is allowed for them.
  server.setNotFoundHandler((request) => {
    throw notFound(server, request);
  });
  healthRoutes(server, parts);
  server.register(async (guarded) => {
    await registerCors(guarded, parts.corsOrigins);
    const authenticateClient = hook((request) => {
      request.gatewayKey = authenticate(request, parts.keys(), parts.corsOrigins);
    });
    guarded.addHook('onRequest', authenticateClient);
    chatRoutes(guarded, parts);
    feedbackRoutes(guarded, parts);
    modelRoutes(guarded, parts);
  });
  server.register(async (guarded) => {
    guarded.addHook(
      'onRequest',
      hook((request) => authenticateAdmin(request, parts.keys(), parts.exposed)),
    );
    adminRoutes(guarded, parts);
  });
  return server;
}

/** Returns the client's own id if it is safe for headers and logs, so that the client's traces match the gateway's. */
function requestId(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\x21-\x7e]{1,128}$/.test(header) ? header : newId('req');
}
