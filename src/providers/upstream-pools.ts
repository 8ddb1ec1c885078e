import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { StaleConnections } from './stale-connections.ts';

/** `gateway/attempt` limits the wait for headers and between chunks: it knows the model's own limits. */
const LIMITS = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 30_000 };

/** Models with limits of their own share few of them; beyond this, what was longest unused is closed. */
const MOST = 64;

/** The keep-alive connections of one provider, direct or by way of a proxy. */
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
    // In the order of their last use.
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
    // After its running requests; that it does not close cleanly is no fault of the request at hand.
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
      // The proxy's answer to CONNECT is part of connecting.
      clientFactory: (origin, options) => new Pool(origin, { ...options, headersTimeout: connectTimeoutMs }),
    });
  }
}
