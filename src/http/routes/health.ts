import type { FastifyInstance } from 'fastify';
import type { ServerParts } from '../parts.ts';

/** Probes and metrics: no key is asked for, and they tell no more than figures. */
export function healthRoutes(server: FastifyInstance, { metrics, notReady }: ServerParts): void {
  server.get('/health/live', async () => ({ status: 'ok' }));

  server.get('/health/ready', async (_, reply) => {
    const reason = notReady();
    return reason === null ? { status: 'ok' } : reply.code(503).send({ status: 'unavailable', reason });
  });

  server.get('/metrics', async (_, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}
