import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { RETRY_HEADERS } from '../domain/errors.ts';

/** Response headers that a web page may read. */
const EXPOSED_HEADERS = [
  'x-request-id',
  // The last of these tells OpenAI's client when a retry is pointless.
  ...RETRY_HEADERS,
  ...['limit', 'remaining', 'reset'].flatMap((kind) => [`x-ratelimit-${kind}-requests`, `x-ratelimit-${kind}-tokens`]),
  ...[
    'decision-id',
    'model',
    'provider',
    'attempts',
    'overhead-ms',
    'cost-usd',
    'ask-feedback',
    'dropped-params',
    'upstream-request-id',
  ].map((name) => `x-mixllm-${name}`),
];
/** Browsers repeat the preflight after this time. */
const REMEMBERED_S = 600;
const CLIENT_ROUTES = /^\/(v1|feedback)(\/|\?|$)/;

/**
 * Lets web pages of these origins use the client routes, but never the admin routes. Must be registered before keys are
 * checked, because a browser's preflight request carries none.
 * @param origins as browsers send them, or `*`
 */
export async function registerCors(server: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  const options = {
    origin: [...origins],
    methods: ['GET', 'POST', 'DELETE'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: REMEMBERED_S,
    strictPreflight: false,
  };
  await server.register(cors, {
    delegator: (request, done) => done(null, CLIENT_ROUTES.test(request.url ?? '') ? options : { origin: false }),
  });
}
