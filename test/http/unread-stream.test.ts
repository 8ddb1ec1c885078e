import { Readable } from 'node:stream';
import fastify from 'fastify';
import { expect, it } from 'vitest';
import type { ServerParts } from '../../src/http/parts.ts';
import { chatRoutes } from '../../src/http/routes/chat.ts';
import { systemClock } from '../../src/util/clock.ts';
import { until } from '../support/until.ts';

it('reports a stream that is closed before it is read, although its generator never ran', async () => {
  const told: string[] = [];
  async function* body() {
    try {
      yield Buffer.from('data: [DONE]\n\n');
    } finally {
      told.push('generator');
    }
  }
  const complete = async () => ({
    status: 200,
    headers: {},
    contentType: 'text/event-stream',
    body: body(),
    closed: () => void told.push('closed'),
  });
  const server = fastify();
  // As Fastify itself does, for example when a plugin's hook fails.
  server.addHook('onSend', async (_request, _reply, payload) => {
    if (payload instanceof Readable) payload.destroy();
    return payload;
  });
  server.addHook('preHandler', async (request) => {
    const text = '{"model":"auto","messages":[{"role":"user","content":"x"}]}';
    request.body = { text, value: JSON.parse(text), receivedAt: 0 };
  });
  const parts = { chat: { complete }, keyLimiter: { takeRequest: () => {} }, clock: systemClock };
  chatRoutes(server, parts as unknown as ServerParts);
  const url = await server.listen({ port: 0, host: '127.0.0.1' });
  await fetch(`${url}/v1/chat/completions`, { method: 'POST' })
    .then((answer) => answer.text())
    .catch(() => {});
  await until(() => told.length > 0);
  expect(told).toEqual(['closed']);
  await server.close();
});
