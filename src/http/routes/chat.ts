import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ChatReply } from '../../gateway/chat.ts';
import type { Clock } from '../../util/clock.ts';
import { chatInput } from '../chat-request.ts';
import { hook } from '../hook.ts';
import type { ServerParts } from '../parts.ts';
import { renderDecision } from '../render-decision.ts';

/** Time for a client to read the final error event of a stream that exceeded its time limit. */
const LAST_WORDS_MS = 5000;

export function chatRoutes(server: FastifyInstance, { chat, keyLimiter, clock }: ServerParts): void {
  // Runs before the body is read, because a refused request should cost as little as possible.
  const onRequest = hook((request) => keyLimiter.takeRequest(request.gatewayKey));

  server.post('/v1/chat/completions', { onRequest }, async (request, reply) => {
    const answer = await chat.complete(chatInput(request, reply));
    void reply.code(answer.status).headers(answer.headers).type(answer.contentType);
    return reply.send(sendable(answer, clock));
  });

  server.post('/v1/route', { onRequest }, async (request, reply) =>
    renderDecision(await chat.route(chatInput(request, reply))),
  );
}

function sendable({ body, expired, closed }: ChatReply, clock: Clock): string | Buffer | Readable {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const stream = Readable.from(body, { objectMode: false });
  if (closed) stream.once('close', closed);
  expired?.addEventListener('abort', () => clock.after(LAST_WORDS_MS, () => stream.destroy()));
  return stream;
}
