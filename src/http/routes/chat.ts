import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ChatReply } from '../../gateway/chat.ts';
import { chatInput } from '../chat-input.ts';
import type { ServerParts } from '../parts.ts';
import { renderDecision } from '../render-decision.ts';

export function chatRoutes(server: FastifyInstance, { chat, clock }: ServerParts): void {
  server.post('/v1/chat/completions', async (request, reply) => {
    const answer = await chat.complete(chatInput(request, reply, clock));
    void reply.code(answer.status).headers(answer.headers).type(answer.contentType);
    return reply.send(sendable(answer));
  });

  server.post('/v1/route', async (request, reply) =>
    renderDecision(await chat.route(chatInput(request, reply, clock))),
  );
}

function sendable({ body }: ChatReply): string | Buffer | Readable {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Readable.from(body, { objectMode: false });
}
