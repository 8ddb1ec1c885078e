import { Agent, fetch as undiciFetch } from 'undici';
import { GatewayError, messageOf, UpstreamError } from '../domain/errors.ts';

export interface UpstreamHttpOptions {
  /** Never to appear in anything that leaves the provider. */
  secrets: readonly string[];
}

const SHORTEST_SECRET = 8;

/** For the SDKs' own time limit, which would act behind the gateway's: the longest that a timer can hold. */
export const NO_TIMEOUT_MS = 2 ** 31 - 1;

/** Shape that the typed errors of both official SDKs share. */
interface SdkStatusError extends Error {
  status: number;
  headers: Headers;
}

/**
 * The HTTP client of one provider: a keep-alive pool, a `fetch` over it for the official SDK, and the translation of
 * the SDK's errors.
 */
export class UpstreamHttp {
  readonly fetch: typeof fetch;
  /** One keep-alive pool per connect timeout: models may have their own, as a rule all share one. */
  readonly #agents = new Map<number, Agent>();
  readonly #secrets: readonly string[];
  /**
   * Error bodies as received. The SDKs parse an error body and drop the rest of it, but hand on the very `Headers`
   * object of the response: by it the bytes are found again.
   */
  readonly #errorBodies = new WeakMap<object, string>();

  constructor(options: UpstreamHttpOptions) {
    // Shorter ones are dummies for servers that ask for none, and words of the language besides.
    // As they are and as a URL or a JSON string may have them.
    this.#secrets = options.secrets
      .filter((secret) => secret.length >= SHORTEST_SECRET)
      .flatMap((secret) => [secret, encodeURIComponent(secret), secret.replaceAll('/', '\\/')]);
    const send = async (input: Parameters<typeof undiciFetch>[0], init?: Parameters<typeof undiciFetch>[1]) => {
      const response = await undiciFetch(input, init);
      if (!response.ok) this.#errorBodies.set(response.headers, await response.clone().text());
      return response;
    };
    this.fetch = send as unknown as typeof fetch;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.close()));
  }

  /** What the SDK is to hand on to `fetch` with a call. @param connectTimeoutMs that a new connection may take */
  fetchOptions(connectTimeoutMs: number): { dispatcher: Agent } {
    let dispatcher = this.#agents.get(connectTimeoutMs);
    if (!dispatcher) {
      // Waiting for headers and between chunks is limited by gateway/attempt, which knows the model's own limits.
      dispatcher = new Agent({
        connect: { timeout: connectTimeoutMs },
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: 30_000,
      });
      this.#agents.set(connectTimeoutMs, dispatcher);
    }
    return { dispatcher };
  }

  /** The error body as received, secrets redacted; null when the error came without one. */
  errorBody(error: SdkStatusError): string | null {
    const body = this.#errorBodies.get(error.headers);
    return body === undefined ? null : this.redact(body);
  }

  /** A header of the upstream's answer; null when absent. */
  header(headers: Headers, name: string): string | null {
    const value = headers.get(name);
    return value === null ? null : this.redact(value);
  }

  redact(text: string): string {
    return this.#secrets.reduce((result, secret) => result.replaceAll(secret, '[redacted]'), text);
  }

  /** A failure that brought no HTTP answer, as an `UpstreamError`; our own errors and aborts pass, secrets redacted. */
  toUpstreamError(error: unknown, signal: AbortSignal, failure: 'connection' | 'interrupted' = 'connection'): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof GatewayError) return error;
    if (error instanceof UpstreamError) return this.#redacted(error);
    const message = this.redact(deepestMessage(error));
    return new UpstreamError(failure, `The upstream could not be reached or broke off: ${message}`);
  }

  /** An error event within a stream may repeat the key just like an error answer. */
  #redacted(error: UpstreamError): UpstreamError {
    const body = this.redact(error.body);
    return body === error.body
      ? error
      : new UpstreamError(error.failure, this.redact(error.message), { ...error, body });
  }
}

export function isStatusError(error: unknown): error is SdkStatusError {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' && 'headers' in error;
}

/** `fetch failed` says nothing; what its innermost cause says does. */
function deepestMessage(error: unknown): string {
  // The SDKs drop the cause here; with their own limit off, this can only be the connection's.
  if (error instanceof Error && error.constructor.name === 'APIConnectionTimeoutError') {
    return 'no connection in time (connect_s)';
  }
  let current = error;
  while (current instanceof Error && current.cause !== undefined) current = current.cause;
  return messageOf(current) || messageOf(error);
}
