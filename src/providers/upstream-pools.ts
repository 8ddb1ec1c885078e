import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { StaleConnections } from './stale-connections.ts';

/** `gateway/attempt` limits the wait for headers and between chunks, because it knows the model's own limits. */
const LIMITS = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 30_000 };

/**
 * Models rarely use more than a few different connect timeouts; beyond this number, the least recently used pool is
 * closed.
 */
const MOST = 64;

/** The keep-alive connections of one provider, either direct or through a proxy. */
export class UpstreamPools {
  /** By connect timeout in milliseconds. Models may set their own; usually all share one. */
  readonly #pools = new Map<number, Dispatcher>();
  readonly #proxy: string | null;
  readonly #stale: StaleConnections;

  /**
   * @param proxy URL of the proxy; null: none
   * @param stale watches every connection
   */
  constructor(proxy: string | null, stale: StaleConnections) {
    this.#proxy = proxy;
    this.#stale = stale;
  }

  /** @param connectTimeoutMs milliseconds that a new connection may take */
  of(connectTimeoutMs: number): Dispatcher {
    const known = this.#pools.get(connectTimeoutMs);
    // Keeps the map in the order of last use.
    if (known && this.#pools.size > 1) this.#pools.delete(connectTimeoutMs);
    const pool = known ?? this.#open(connectTimeoutMs);
    this.#pools.set(connectTimeoutMs, pool);
    if (this.#pools.size > MOST) this.#closeOldest();
    return pool;
  }

  #open(connectTimeoutMs: number): Dispatcher {
    if (this.#proxy) return this.#byWayOf(this.#proxy, connectTimeoutMs);
    return new Agent({ ...LIMITS, connect: this.#stale.connector(connectTimeoutMs) });
  }

  #closeOldest(): void {
    const [[timeout, pool]] = this.#pools;
    this.#pools.delete(timeout);
    // The pool closes after its running requests. If it does not close cleanly, that must not fail the current request.
    pool.close().catch(() => {});
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }

  #byWayOf(proxy: string, connectTimeoutMs: number): Dispatcher {
    return new ProxyAgent({
      ...LIMITS,
      uri: proxy,
      connectTimeout: connectTimeoutMs,
      factory: (origin, options: Pool.Options) => {
        const { connect } = options;
        return new Pool(origin, {
          ...options,
          connect: typeof connect === 'function' ? this.#stale.watched(connect) : connect,
        });
      },
      // The proxy's answer to CONNECT counts as part of connecting.
      clientFactory: (origin, options) => new Pool(origin, { ...options, headersTimeout: connectTimeoutMs }),
    });
  }
}
