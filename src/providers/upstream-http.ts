import type { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import { GatewayError, RETRY_HEADERS, type RetryAdvice, UpstreamError } from '../domain/errors.ts';
import type { Clock } from '../util/clock.ts';
import { EventTooLong } from '../util/sse.ts';
import { gathered } from './answer-limit.ts';
import { connectionFailure } from './connection-failure.ts';
import { decoded, isDecodingError, wholeOf } from './content-encoding.ts';
import { Secrets, secretsOfProxy } from './secrets.ts';
import { StaleConnections } from './stale-connections.ts';
import { UpstreamPools } from './upstream-pools.ts';
import { askForWhole, ERROR_TEXT_MS } from './whole-answer.ts';

export interface UpstreamHttpOptions {
  /** The provider's URL, as configured. */
  url: URL;
  /** URL of the proxy, with user name and password if it requires them; null: no proxy. */
  proxy: string | null;
  /** Must not appear in anything that leaves the provider. */
  secrets: readonly string[];
  clock: Clock;
}

export interface UpstreamPost {
  url: URL;
  headers: Record<string, string>;
  body: string;
  signal: AbortSignal;
  /** Milliseconds that a new connection may take. */
  connectTimeoutMs: number;
}

/** An answer with a success status, whose body has not been read yet. */
export interface UpstreamAnswer {
  headers: UpstreamHeaders;
  body: Readable;
}

export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A provider that has moved redirects once or twice. */
const MAX_REDIRECTIONS = 5;
/** 303 is not included, because it asks for a GET. */
const REDIRECTIONS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/**
 * Real ids and content types are shorter. Clients and proxies would refuse a reply with a longer header, and thereby
 * lose an answer that is already paid for.
 */
const MAX_HEADER_CHARACTERS = 256;

/** An answer without a success status, with its body as received. */
export class UpstreamStatusError extends Error {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly body: string;

  constructor(status: number, headers: UpstreamHeaders, body: string) {
    super(`The upstream answered ${status}.`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/** HTTP client of one provider: keep-alive pools of undici, without the layers of `fetch` (src/README.md says why). */
export class UpstreamHttp {
  readonly #pools: UpstreamPools;
  readonly #stale: StaleConnections;
  readonly #clock: Clock;
  readonly #url: URL;
  readonly #secrets: Secrets;

  constructor(options: UpstreamHttpOptions) {
    this.#url = options.url;
    this.#clock = options.clock;
    this.#stale = new StaleConnections(options.clock);
    this.#pools = new UpstreamPools(options.proxy, this.#stale);
    this.#secrets = new Secrets([...options.secrets, ...(options.proxy ? secretsOfProxy(new URL(options.proxy)) : [])]);
  }

  close(): Promise<void> {
    return this.#pools.close();
  }

  /**
   * Like `post`, but resolves with the whole body, decompressed.
   * @param onActivity called for the headers and for each chunk
   */
  async postForWhole(post: UpstreamPost, onActivity?: () => void): Promise<{ headers: UpstreamHeaders; body: Buffer }> {
    const { headers, body, signal } = post;
    const answer = await this.#followed(post, (dispatcher, { origin, pathname, search }) => {
      const request = { origin, path: pathname + search, method: 'POST', headers, body };
      return askForWhole(dispatcher, request, signal, this.#clock, onActivity);
    });
    const whole = () => wholeOf(answer.body, answer.headers['content-encoding']);
    if (!isSuccess(answer.status))
      await this.#refuse(answer.status, answer.headers, async () => decodeText(await whole()));
    return { headers: answer.headers, body: await whole() };
  }

  /**
   * Sends the request. Resolves with the headers and a body that has not been read yet.
   * @throws UpstreamStatusError for a status that is not a success
   * @throws undici's error when there is no answer
   */
  async post(post: UpstreamPost): Promise<UpstreamAnswer> {
    const { headers: sent, body, signal } = post;
    const { status, headers, content } = await this.#followed(post, async (dispatcher, url) => {
      const asked = request(url, { method: 'POST', headers: sent, body, signal, dispatcher });
      const { statusCode: status, headers, body: received } = await untilAborted(asked, signal);
      const content = decoded(received, headers['content-encoding']);
      // The reader sees how the body ended. An error in a body that nobody reads, or no longer reads, must not end the
      // process.
      content.on('error', () => {});
      if (!isSuccess(status) && !isError(status)) content.destroy();
      return { status, headers, content };
    });
    if (!isSuccess(status)) await this.#refuse(status, headers, () => this.#errorText(content));
    return { headers, body: content };
  }

  /**
   * Throws for a status that is not a success.
   * @throws UpstreamStatusError for an error status
   * @throws UpstreamError for a status that cannot be passed on: an unfollowed redirection, or 600 and more
   */
  async #refuse(status: number, headers: UpstreamHeaders, text: () => Promise<string>): Promise<never> {
    if (!isError(status))
      throw new UpstreamError(
        'unreadable',
        `The upstream answered ${status}, which is neither a success nor an error.`,
      );
    // The status counts, even if the body cannot be read.
    throw new UpstreamStatusError(status, headers, await text().catch(() => ''));
  }

  async #errorText(content: Readable): Promise<string> {
    const stopWaiting = this.#clock.after(ERROR_TEXT_MS, () => content.destroy());
    try {
      return await readText(content);
    } finally {
      stopWaiting();
    }
  }

  /**
   * Returns a header of the upstream's answer with secrets redacted, truncated if it is long; null when absent.
   * @param name in lower case
   */
  header(headers: UpstreamHeaders, name: string): string | null {
    const value = headers[name];
    return value === undefined ? null : this.redact(String(value)).slice(0, MAX_HEADER_CHARACTERS);
  }

  /** Picks the headers of an error that say whether and when to try again. */
  retryAdvice(headers: UpstreamHeaders): RetryAdvice {
    return Object.fromEntries(
      RETRY_HEADERS.flatMap((name) => {
        const value = this.header(headers, name);
        return value === null ? [] : [[name, value]];
      }),
    );
  }

  redact(text: string): string {
    return this.#secrets.redact(text);
  }

  /**
   * Turns a failure without an HTTP answer into an `UpstreamError`, secrets redacted. Abort reasons and the gateway's
   * own errors pass unchanged.
   */
  toUpstreamError(error: unknown, signal: AbortSignal, failure: 'connection' | 'interrupted' = 'connection'): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof GatewayError) return error;
    if (error instanceof UpstreamError) return this.#redacted(error);
    if (error instanceof EventTooLong) return new UpstreamError('unreadable', error.message);
    if (isDecodingError(error)) {
      const told = `The upstream's answer is not encoded as its content-encoding says: ${error.message}.`;
      return new UpstreamError('unreadable', told);
    }
    const { message, code } = connectionFailure(error);
    const told = `The upstream could not be reached or broke off: ${this.redact(message)}`;
    return new UpstreamError(failure, told, { code });
  }

  /**
   * Follows redirections, keeping the method and the body. Browsers, and undici too, turn a POST that a 301 or 302
   * redirects into a GET without a body, but most servers use those very statuses to move clients to TLS.
   * @throws UpstreamError `unreadable` for a redirection to another server, or when there are too many
   */
  async #followed<T extends { status: number; headers: UpstreamHeaders }>(
    { url: first, connectTimeoutMs }: UpstreamPost,
    ask: (dispatcher: Dispatcher, url: URL) => Promise<T>,
  ): Promise<T> {
    const pool = this.#pools.of(connectTimeoutMs);
    let url = first;
    for (let redirections = 0; redirections <= MAX_REDIRECTIONS; redirections++) {
      const answer = await this.#stale.retryOnStale(() => ask(pool, url));
      if (!REDIRECTIONS.has(answer.status)) return answer;
      url = this.#locationOf(answer.headers, url);
    }
    throw new UpstreamError(
      'unreadable',
      `The upstream redirects endlessly: ${MAX_REDIRECTIONS} redirects were followed.`,
    );
  }

  /**
   * Lets an upstream redirect within its origin, or to TLS on the same host, which already has the key. Otherwise it
   * could make the gateway send what clients write to any server that this machine can reach, including the gateway's
   * own /admin, and return the error.
   */
  #locationOf({ location }: UpstreamHeaders, from: URL): URL {
    const to = typeof location === 'string' ? URL.parse(location, from) : null;
    if (!to) throw new UpstreamError('unreadable', 'The upstream redirects without saying where to.');
    const isSame = to.origin === this.#url.origin || (to.protocol === 'https:' && to.hostname === this.#url.hostname);
    if (isSame) return to;
    throw new UpstreamError(
      'unreadable',
      `The upstream redirects to another server, ${to.origin}, which the gateway does not follow.`,
    );
  }

  /** Redacts the key in an error event within a stream, which may repeat it just like an error response. */
  #redacted(error: UpstreamError): UpstreamError {
    const body = this.redact(error.body);
    return body === error.body
      ? error
      : new UpstreamError(error.failure, this.redact(error.message), { ...error, body });
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function isError(status: number): boolean {
  return status >= 400 && status < 600;
}

/** Headers of every request, to any provider. */
export const JSON_HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'user-agent': 'mixllm-gateway',
} as const;

/**
 * @param base URL of the provider, with or without a trailing slash; its query is kept
 * @param path path below the base
 */
export function urlOf(base: string, path: string): URL {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/\/+$/, '') + path;
  return url;
}

/** Reads the whole body as text, without a byte order mark. */
async function readText(body: Readable): Promise<string> {
  return decodeText(await gathered(body));
}

const decoder = new TextDecoder();

/** Decodes UTF-8 without the byte order mark, which `Buffer.toString` would keep. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Rejects at the moment of the abort, because undici notices an abort only once there is a connection. */
function untilAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave);
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
