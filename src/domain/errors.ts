/** The body of an error as OpenAI's clients expect it. */
export interface OpenAIErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export interface ErrorDetails {
  type?: string;
  param?: string | null;
  code?: string | null;
  /** Headers for the response, e.g. `retry-after`. */
  responseHeaders?: Record<string, string>;
}

/** A refusal by the gateway itself. Its message is written for the client and says what to do about it. */
export class GatewayError extends Error {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
  readonly responseHeaders: Record<string, string>;

  constructor(status: number, message: string, details: ErrorDetails = {}) {
    super(message);
    this.name = 'GatewayError';
    this.status = status;
    this.type = details.type ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
    this.param = details.param ?? null;
    this.code = details.code ?? null;
    this.responseHeaders = details.responseHeaders ?? {};
  }

  toBody(): OpenAIErrorBody {
    return openAIError(this.message, { type: this.type, param: this.param, code: this.code });
  }
}

export function openAIError(message: string, details: ErrorDetails & { type: string }): OpenAIErrorBody {
  return {
    error: { message, type: details.type, param: details.param ?? null, code: details.code ?? null },
  };
}

export function invalidRequest(message: string, param: string | null = null, code: string | null = null): GatewayError {
  return new GatewayError(400, message, { param, code });
}

/**
 * Headers of a refusal that lasts until the budget is renewed.
 * @param milliseconds time until then
 */
export function untilRenewed(milliseconds: number): Record<string, string> {
  return {
    'retry-after': String(Math.max(1, Math.ceil(milliseconds / 1000))),
    // Tells OpenAI's own clients that an immediate retry is pointless.
    'x-should-retry': 'false',
  };
}

/** The client closed its connection before its answer was complete: nobody is left to report to. */
export class ClientGoneError extends Error {
  constructor() {
    super('The client has left.');
    this.name = 'ClientGoneError';
  }
}

/** Headers by which an upstream says whether and when to retry. OpenAI's clients obey all of them. */
export const RETRY_HEADERS = ['retry-after', 'retry-after-ms', 'x-should-retry'] as const;

/** Those headers that the upstream sent, unchanged. */
export type RetryAdvice = Readonly<Partial<Record<(typeof RETRY_HEADERS)[number], string>>>;

/**
 * How an upstream call failed.
 * - `status`: it answered with an error status.
 * - `connection`: no answer could be obtained.
 * - `timeout`: the answer did not arrive in time.
 * - `unreadable`: it answered with something that is not a chat completion.
 * - `interrupted`: the stream broke off or carried an error event.
 */
export type UpstreamFailure = 'status' | 'connection' | 'timeout' | 'unreadable' | 'interrupted';

/**
 * A failed upstream call. `body` is what the client gets if no fallback succeeds: an error in OpenAI's format, or the
 * own body of an OpenAI-compatible upstream, whatever it is (`contentType`). It contains no provider key.
 */
export class UpstreamError extends Error {
  readonly failure: UpstreamFailure;
  /** HTTP status for the client: the upstream's own, or 502 or 504 when it gave none. */
  readonly status: number;
  readonly body: string;
  /**
   * True when the message was not written by the gateway: it may quote the client's request, so only the client may see
   * it.
   */
  readonly isQuoted: boolean;
  readonly contentType: string;
  readonly retryAdvice: RetryAdvice;
  /**
   * The request is valid, but this model does not accept one of its fields or values, or a request of this size at this
   * time: another model may. Whatever its status, it says nothing about other requests.
   */
  readonly modelSpecific: boolean;
  /** The request is valid, but longer than this model's context: a model with a larger one may accept it. */
  readonly tooLong: boolean;
  /** Every request would fail: the account or key is refused, or the model does not exist. Another arm may answer. */
  readonly unusable: boolean;
  /** Error code of the system or the HTTP client, e.g. `ECONNREFUSED`; null when there is none. */
  readonly code: string | null;

  constructor(
    failure: UpstreamFailure,
    message: string,
    answer: {
      status?: number;
      body?: string;
      contentType?: string;
      retryAdvice?: RetryAdvice;
      modelSpecific?: boolean;
      tooLong?: boolean;
      unusable?: boolean;
      code?: string | null;
    } = {},
  ) {
    super(message);
    this.name = 'UpstreamError';
    this.failure = failure;
    this.status = answer.status ?? (failure === 'timeout' ? 504 : 502);
    this.isQuoted = answer.body !== undefined;
    this.body =
      answer.body ?? JSON.stringify(openAIError(message, { type: 'upstream_error', code: `upstream_${failure}` }));
    this.contentType = answer.contentType ?? 'application/json; charset=utf-8';
    this.retryAdvice = answer.retryAdvice ?? {};
    this.modelSpecific = answer.modelSpecific ?? false;
    this.tooLong = answer.tooLong ?? false;
    this.unusable = answer.unusable ?? false;
    this.code = answer.code ?? null;
  }
}
