import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BodyMemory, HeldBody } from './body-memory.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What its body takes of the memory; null where it has none. */
    heldBody: HeldBody | null;
  }
}

/** Of other requests no body is read. */
const METHODS_WITH_BODIES = ['POST', 'PATCH', 'DELETE'];

/**
 * Has every request hold its body's bytes from before they are read, but after its key is known, until its answer has
 * ended or its client has left.
 */
export function registerBodyMemory(server: FastifyInstance, memory: BodyMemory, maxBodyBytes: number): void {
  server.decorateRequest('heldBody', null);
  server.addHook('preParsing', (request, reply, _payload, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    // Those that are too large in any case are answered 413, as nothing of them is read.
    const isKept = encoding !== undefined || (Number(length) > 0 && Number(length) <= maxBodyBytes);
    if (!METHODS_WITH_BODIES.includes(request.method) || !isKept) {
      done();
      return;
    }
    try {
      holdBody(request, reply, memory, maxBodyBytes);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  });
}

/** @throws GatewayError 503 when there is no room */
function holdBody(request: FastifyRequest, reply: FastifyReply, memory: BodyMemory, maxBodyBytes: number): void {
  const held = memory.hold(request.gatewayKey?.name ?? null);
  // It comes once, after the last byte of the answer or with the end of the connection.
  reply.raw.once('close', held.release);
  request.heldBody = held;
  if (request.headers['transfer-encoding'] === undefined) held.resize(Number(request.headers['content-length']));
  else holdAsItComes(request, held, maxBodyBytes);
}

/** A body whose length is not told: it may be refused halfway. */
function holdAsItComes({ raw }: FastifyRequest, held: HeldBody, maxBodyBytes: number): void {
  let received = 0;
  const count = (chunk: Buffer) => {
    received += chunk.length;
    // Answered 413; what comes further is dropped.
    if (received > maxBodyBytes) {
      raw.off('data', count);
      held.release();
      return;
    }
    try {
      held.resize(received);
    } catch (error) {
      raw.off('data', count);
      // Whoever reads the body hears of it so, and the connection lives on for the answer. Where nobody does, as of a type
      // that is not taken, an error would end the process.
      if (raw.listenerCount('error') > 0) raw.emit('error', error);
    }
  };
  raw.on('data', count);
}
