import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import type { BodyMemory, HeldBody } from './body-memory.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What its body takes of the memory; null where it has none. */
    heldBody: HeldBody | null;
  }
}

/**
 * Has every request hold its body's bytes from before they are read, but after its key is known, until its answer has
 * ended or its client has left.
 */
export function registerBodyMemory(server: FastifyInstance, memory: BodyMemory, maxBodyBytes: number): void {
  server.decorateRequest('heldBody', null);
  server.addHook('preParsing', (request, reply, _payload, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    // Those that are too large in any case are answered 413, as nothing of them is read.
    if (encoding === undefined && !(Number(length) > 0 && Number(length) <= maxBodyBytes)) {
      done();
      return;
    }
    holdBody(request, reply, memory, done);
  });
}

function holdBody(
  request: FastifyRequest,
  reply: FastifyReply,
  memory: BodyMemory,
  done: HookHandlerDoneFunction,
): void {
  const held = memory.hold(request.gatewayKey?.name ?? null);
  // It comes once, after the last byte of the answer or with the end of the connection.
  reply.raw.once('close', held.release);
  request.heldBody = held;
  try {
    if (request.headers['transfer-encoding'] === undefined) held.resize(Number(request.headers['content-length']));
    else holdAsItComes(request, held);
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}

/** A body whose length is not told: it may be refused halfway. */
function holdAsItComes({ raw }: FastifyRequest, held: HeldBody): void {
  let received = 0;
  const count = (chunk: Buffer) => {
    received += chunk.length;
    try {
      held.resize(received);
    } catch (error) {
      raw.off('data', count);
      // Whoever reads it hears of it so; the connection lives on for the answer.
      raw.emit('error', error);
    }
  };
  raw.on('data', count);
}
