import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import type { Clock } from '../util/clock.ts';

/**
 * That an idle connection was closed shows within a round trip. A request that fails later may have been read and
 * processed.
 */
const SHOWS_WITHIN_MS = 300;
/** Other connections of the pool may be just as stale. */
const MAX_STALE_IN_A_ROW = 2;

/**
 * Sends a request again when its connection turns out to be stale. Servers close idle connections (uvicorn, and so
 * vLLM, after five seconds), some without notice: a request that is on its way at that moment is lost unread, although
 * the upstream is healthy. It is sent again at once, as browsers do, and does not count as a failed call. Otherwise
 * bursts of requests would open the breaker of a healthy model.
 */
export class StaleConnections {
  /** Errors of connections that had been in use before, and on which nothing arrived after their last request. */
  readonly #failures = new WeakSet<Error>();
  /**
   * True when the server speaks HTTP/2. When such a server closes a connection, it says which requests it did not
   * process, and undici sends those again. A connection that breaks without that notice may have been in use by this
   * very request: the server's settings arrive before the first request, so received bytes prove nothing.
   */
  #isHttp2 = false;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Builds the connector of a pool.
   * @param timeout milliseconds that a new connection may take
   */
  connector(timeout: number): buildConnector.connector {
    return this.watched(buildConnector({ timeout }));
  }

  /** Watches the connections that another connector makes. */
  watched(connect: buildConnector.connector): buildConnector.connector {
    return (options, callback) =>
      connect(options, (...[error, socket]: Parameters<buildConnector.Callback>) => {
        if (error) return callback(error, null);
        this.#isHttp2 ||= 'alpnProtocol' in socket && socket.alpnProtocol === 'h2';
        const isUnanswered = watchWrites(socket);
        socket.on('error', (failure) => {
          if (isUnanswered()) this.#failures.add(failure);
        });
        callback(null, socket);
      });
  }

  /**
   * Calls `ask`, and calls it again if it met a stale connection.
   * @param ask sends a request; a connection error that it throws must not come from an answer that has begun
   */
  async retryOnStale<T>(ask: () => Promise<T>): Promise<T> {
    for (let stale = 1; ; stale++) {
      const startedAt = this.#clock.monotonic();
      try {
        return await ask();
      } catch (error) {
        const elapsed = this.#clock.monotonic() - startedAt;
        if (stale > MAX_STALE_IN_A_ROW || elapsed > SHOWS_WITHIN_MS || !this.#isStale(error)) throw error;
      }
    }
  }

  #isStale(error: unknown): boolean {
    return !this.#isHttp2 && error instanceof Error && this.#failures.has(error);
  }
}

/**
 * Returns a function that tells whether the connection had been in use before its latest request and nothing has
 * arrived since. A request is written in one go, so an answer to it cannot arrive between its parts. What the server
 * sends on its own before the first request does not count.
 */
function watchWrites(socket: Pick<Socket, 'bytesRead' | 'write'>): () => boolean {
  let [readAtFirst, readAtLatest] = [-1, -1];
  const { write } = socket;
  socket.write = (...args: unknown[]) => {
    readAtLatest = socket.bytesRead;
    if (readAtFirst < 0) readAtFirst = readAtLatest;
    return Reflect.apply(write, socket, args);
  };
  return () => readAtLatest > readAtFirst && socket.bytesRead === readAtLatest;
}
