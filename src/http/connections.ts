import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../util/clock.ts';

/** libuv accepts one connection per turn of the event loop: after so many turns without one, none waits any more. */
const QUIET_TURNS = 5;
/** A request follows its connection at once; what has sent nothing by then was opened in advance, or is a probe. */
const UNUSED_AFTER_MS = 1000;

/** What Node's server does not tell of its connections, for a shutdown that loses no request. */
export class Connections {
  readonly #server: Server;
  readonly #clock: Clock;
  /** Connections on which no request has come, with the monotonic time at which they were opened. */
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
   * Resolves when the operating system's queue of connections is empty: those that are in it when the port closes are
   * reset, with the requests that their clients have sent already. @param limitMs it resolves then in any case
   */
  async acceptWaiting(limitMs: number): Promise<void> {
    const end = this.#clock.monotonic() + limitMs;
    for (let quiet = 0; quiet < QUIET_TURNS && this.#clock.monotonic() < end; quiet++) {
      const before = this.#accepted;
      await nextTurn();
      if (this.#accepted > before) quiet = -1;
    }
  }

  /** Closes those that no request is on its way over. Node's own does not know the ones that were never used. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
    const before = this.#clock.monotonic() - UNUSED_AFTER_MS;
    for (const [socket, openedAt] of this.#unused) if (openedAt < before && socket.bytesRead === 0) socket.destroy();
  }
}
