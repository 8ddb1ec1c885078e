import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../util/clock.ts';

/**
 * libuv accepts one connection per turn of the event loop: after this many turns without a new one, none is waiting.
 */
const QUIET_TURNS = 5;
/**
 * A request normally follows its connection at once. A connection that still has none after this time was opened early,
 * or is a probe.
 */
const UNUSED_AFTER_MS = 1000;

/** Tracks what Node's server does not reveal about its connections, so that a shutdown loses no request. */
export class Connections {
  readonly #server: Server;
  readonly #clock: Clock;
  /** Connections on which no request has arrived, with the monotonic time when each was opened. */
  readonly #unused = new Map<Socket, number>();
  #accepted = 0;

  constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    server.on('connection', (socket: Socket) => {
      this.#accepted++;
      this.#unused.set(socket, clock.monotonic());
      socket.once('close', () => this.#unused.delete(socket));
    });
    server.on('request', ({ socket }) => this.#unused.delete(socket));
  }

  /**
   * Resolves when the operating system's queue of connections is empty. Connections still in it when the port closes
   * are reset, and the requests that their clients have already sent are lost.
   * @param limitMs time after which it resolves in any case
   */
  async acceptWaiting(limitMs: number): Promise<void> {
    const end = this.#clock.monotonic() + limitMs;
    for (let quiet = 0; quiet < QUIET_TURNS && this.#clock.monotonic() < end; quiet++) {
      const before = this.#accepted;
      await nextTurn();
      if (this.#accepted > before) quiet = -1;
    }
  }

  /** Closes connections that carry no request. Node's own method misses those that were never used. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
    const before = this.#clock.monotonic() - UNUSED_AFTER_MS;
    for (const [socket, openedAt] of this.#unused) if (openedAt < before && socket.bytesRead === 0) socket.destroy();
  }
}
