import type { FastifyInstance } from 'fastify';
import { authenticateAdmin, isFromThisMachine } from '../auth.ts';
import type { ServerParts } from '../parts.ts';

/**
 * Health probes, which need no key and reveal nothing else, and metrics, which beyond loopback only admins may read.
 */
export function healthRoutes(server: FastifyInstance, { metrics, chat, notReady, keys, exposed }: ServerParts): void {
  server.get('/health/live', async () => ({ status: 'ok' }));

  server.get('/health/ready', async (_, reply) => {
    const reason = notReady();
    return reason === null ? { status: 'ok' } : reply.code(503).send({ status: 'unavailable', reason });
  });

  server.get('/metrics', async (request, reply) => {
    if (exposed || !isFromThisMachine(request)) authenticateAdmin(request, keys(), exposed);
    chat.tellGauges();
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
