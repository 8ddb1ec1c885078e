import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BodyMemory, HeldBody } from './body-memory.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The memory that the request's body takes; null if it has none. */
    heldBody: HeldBody | null;
  }
}

/** For other methods no body is read. */
const METHODS_WITH_BODIES = ['POST', 'PATCH', 'DELETE'];

/**
 * Makes every request reserve memory for its body. The memory is reserved after the request's key is known but before
 * its body is read, and is held until its answer has ended or its client has left.
 */
export function registerBodyMemory(server: FastifyInstance, memory: BodyMemory, maxBodyBytes: number): void {
  server.decorateRequest('heldBody', null);
  server.addHook('preParsing', (request, reply, _payload, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    // A body that is too large anyway gets a 413 and takes no memory, because none of it is read.
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
  // Emitted once, after the last byte of the answer or when the connection ends.
  reply.raw.once('close', held.release);
  request.heldBody = held;
  if (request.headers['transfer-encoding'] === undefined) held.resize(Number(request.headers['content-length']));
  else holdAsItComes(request, held, maxBodyBytes);
}

/** Reserves memory for a body of unknown length as it arrives; it may be refused halfway. */
function holdAsItComes({ raw }: FastifyRequest, held: HeldBody, maxBodyBytes: number): void {
  let received = 0;
  const count = (chunk: Buffer) => {
    received += chunk.length;
    // The body is too large: the request gets a 413, and the rest of the body is dropped.
    if (received > maxBodyBytes) {
      raw.off('data', count);
      held.release();
      return;
    }
    try {
      held.resize(received);
    } catch (error) {
      raw.off('data', count);
      // The error event tells whoever reads the body, and the connection stays open for the answer. If nobody reads the
      // body, as with an unsupported content type, an error event would end the process.
      if (raw.listenerCount('error') > 0) raw.emit('error', error);
    }
  };
  raw.on('data', count);
}
