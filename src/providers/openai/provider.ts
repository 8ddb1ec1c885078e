import OpenAI from 'openai';
import { UpstreamError } from '../../domain/errors.ts';
import { SseSplitter } from '../../util/sse.ts';
import type { Provider, ProviderAnswer, ProviderCall, ProviderStream, StreamPiece } from '../provider.ts';
import { isStatusError, NO_TIMEOUT_MS, UpstreamHttp } from '../upstream-http.ts';
import { readCompletion, readStreamEvent } from './answer.ts';
import { toUpstreamRequest } from './request.ts';

export interface OpenAIProviderOptions {
  name: string;
  /** Empty for servers that ask for none. */
  apiKey: string;
  baseUrl: string | null;
  /** False for servers that refuse `stream_options`; their streams then tell no usage. */
  streamUsage: boolean;
}

/** OpenAI itself and every server that speaks its chat completions. Bodies and streams pass unchanged. */
export class OpenAIProvider implements Provider {
  readonly name: string;
  readonly #http: UpstreamHttp;
  readonly #client: OpenAI;
  readonly #streamUsage: boolean;

  constructor(options: OpenAIProviderOptions) {
    this.name = options.name;
    this.#streamUsage = options.streamUsage;
    this.#http = new UpstreamHttp({ secrets: [options.apiKey] });
    this.#client = new OpenAI({
      // The SDK refuses an empty key; servers without authentication ignore this one.
      apiKey: options.apiKey || 'none',
      // Set here, or the SDK would read OPENAI_BASE_URL, OPENAI_ORG_ID and OPENAI_PROJECT_ID behind the config's back.
      baseURL: options.baseUrl ?? 'https://api.openai.com/v1',
      organization: null,
      project: null,
      fetch: this.#http.fetch,
      maxRetries: 0,
      timeout: NO_TIMEOUT_MS,
      logLevel: 'off',
    });
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    try {
      const { response } = await this.#post(call);
      const body = new Uint8Array(await response.arrayBuffer());
      const facts = readCompletion(new TextDecoder().decode(body));
      return {
        ...facts,
        body,
        droppedParams: [],
        upstreamRequestId: this.#http.header(response.headers, 'x-request-id'),
      };
    } catch (error) {
      throw this.#translate(error, call.signal);
    }
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    try {
      const { response, usageAdded } = await this.#post(call);
      if (!response.body) throw new UpstreamError('unreadable', 'The upstream answered a stream request with no body.');
      return {
        pieces: this.#pieces(response.body, usageAdded, call),
        droppedParams: [],
        upstreamRequestId: this.#http.header(response.headers, 'x-request-id'),
      };
    } catch (error) {
      throw this.#translate(error, call.signal);
    }
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  async #post(call: ProviderCall): Promise<{ response: Response; usageAdded: boolean }> {
    const { text, usageAdded } = toUpstreamRequest(call.request, call.model, this.#streamUsage);
    const response = await this.#client
      .post('/chat/completions', {
        body: text,
        headers: { 'content-type': 'application/json' },
        signal: call.signal,
        fetchOptions: this.#http.fetchOptions(call.connectTimeoutMs),
      })
      .asResponse();
    call.onActivity?.();
    return { response, usageAdded };
  }

  async *#pieces(
    body: ReadableStream<Uint8Array>,
    hideUsage: boolean,
    call: ProviderCall,
  ): AsyncGenerator<StreamPiece> {
    const splitter = new SseSplitter();
    let finished = false;
    const read = (event: Parameters<typeof readStreamEvent>[0]) => {
      const piece = readStreamEvent(event, hideUsage);
      finished ||= piece.done === true || typeof piece.finishReason === 'string';
      return piece;
    };
    try {
      for await (const chunk of body) {
        call.onActivity?.();
        for (const event of splitter.push(chunk)) yield read(event);
      }
      const rest = splitter.flush();
      if (rest) yield read(rest);
    } catch (error) {
      throw this.#http.toUpstreamError(error, call.signal, 'interrupted');
    }
    if (!finished) throw new UpstreamError('interrupted', "The upstream's stream ended before the answer did.");
  }

  #translate(error: unknown, signal: AbortSignal): unknown {
    if (!isStatusError(error) || signal.aborted) return this.#http.toUpstreamError(error, signal);
    const body = this.#http.errorBody(error);
    const modelSpecific = /"code":\s*"unsupported_(parameter|value)"/.test(body ?? '');
    return new UpstreamError('status', `The upstream answered ${error.status}.`, {
      status: error.status,
      ...(body ? { body } : {}),
      contentType: this.#http.header(error.headers, 'content-type') ?? 'application/json; charset=utf-8',
      retryAfter: this.#http.header(error.headers, 'retry-after'),
      modelSpecific,
    });
  }
}
