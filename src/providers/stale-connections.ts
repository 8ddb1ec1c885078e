import { buildConnector } from 'undici';
import type { Clock } from '../util/clock.ts';

/** An idle connection's end shows within a round trip; whatever breaks later may have been read, and worked on. */
const SHOWS_WITHIN_MS = 1000;
/** Other connections of the pool may be just as stale. */
const MAX_STALE_IN_A_ROW = 2;

/**
 * Servers close connections that idle (uvicorn, and with it vLLM, after five seconds), and some say nothing of it before: a
 * request that is on its way at that moment is lost, unread, by an upstream that is well. It is sent again at once, as
 * browsers do, and is no failed call: bursts of requests would else open the breaker of a model that nothing is wrong with.
 */
export class StaleConnections {
  /** Errors of connections that had been in use before. */
  readonly #failures = new WeakSet<Error>();
  /**
   * The server speaks HTTP/2: it says which requests it did not take when it closes, and undici sends those again. What breaks
   * without a word had been in use, perhaps by this very request: the server's settings come before the first.
   */
  #isHttp2 = false;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For a pool. @param timeout milliseconds that a new connection may take */
  connector(timeout: number): buildConnector.connector {
    const connect = buildConnector({ timeout });
    return (options, callback) =>
      connect(options, (...[error, socket]: Parameters<buildConnector.Callback>) => {
        if (error) return callback(error, null);
        this.#isHttp2 ||= 'alpnProtocol' in socket && socket.alpnProtocol === 'h2';
        socket.on('error', (failure) => {
          if (socket.bytesRead > 0) this.#failures.add(failure);
        });
        callback(null, socket);
      });
  }

  /** @param ask sends a request; what it throws must not come of an answer that has begun */
  async pastThem<T>(ask: () => Promise<T>): Promise<T> {
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
    if (this.#isHttp2 || !(error instanceof Error)) return false;
    return this.#failures.has(error) || isClosedAfterUse(error);
  }
}

/** As undici tells of a connection that the server closed; of one that was reset, the system does. */
function isClosedAfterUse(error: Error & { socket?: { bytesRead?: number } | null }): boolean {
  return /^(other side )?closed$/.test(error.message) && (error.socket?.bytesRead ?? 0) > 0;
}
