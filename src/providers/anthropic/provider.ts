import Anthropic from '@anthropic-ai/sdk';
import { isJsonObject } from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import { SseSplitter } from '../../util/sse.ts';
import type { Provider, ProviderAnswer, ProviderCall, ProviderStream, StreamPiece } from '../provider.ts';
import { isStatusError, NO_TIMEOUT_MS, UpstreamHttp } from '../upstream-http.ts';
import { toCompletion } from './answer.ts';
import { toOpenAIErrorBody } from './error.ts';
import { isLastingRefusal, refusedFields } from './refusal.ts';
import { toMessagesRequest, usesSampling } from './request.ts';
import { StreamTranslator } from './stream.ts';

export interface AnthropicProviderOptions {
  name: string;
  apiKey: string;
  baseUrl: string | null;
}

interface Accepted {
  response: Response;
  droppedParams: string[];
}

/** Anthropic and every server that speaks its Messages API. Requests and answers are translated from and to OpenAI's. */
export class AnthropicProvider implements Provider {
  readonly name: string;
  readonly #http: UpstreamHttp;
  readonly #client: Anthropic;
  /** By model: fields that it was found to refuse. */
  readonly #refused = new Map<string, Set<string>>();

  constructor(options: AnthropicProviderOptions) {
    this.name = options.name;
    this.#http = new UpstreamHttp({ secrets: [options.apiKey] });
    // The SDK refuses an empty key; servers without authentication ignore this one.
    const apiKey = options.apiKey || 'none';
    this.#client = new Anthropic({
      apiKey,
      // Set here, or the SDK would read ANTHROPIC_AUTH_TOKEN and ANTHROPIC_BASE_URL behind the config's back.
      authToken: null,
      baseURL: (options.baseUrl ?? 'https://api.anthropic.com').replace(/\/v1\/?$/, ''),
      // The SDK sends the key as a bearer token; servers older than that know this header only.
      defaultHeaders: { 'x-api-key': apiKey },
      fetch: this.#http.fetch,
      maxRetries: 0,
      timeout: NO_TIMEOUT_MS,
      logLevel: 'off',
    });
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    try {
      const { response, droppedParams } = await this.#send(call, false);
      const { body, ...facts } = toCompletion(await response.text(), now());
      const upstreamRequestId = this.#http.header(response.headers, 'request-id');
      return { ...facts, body: new TextEncoder().encode(JSON.stringify(body)), droppedParams, upstreamRequestId };
    } catch (error) {
      throw this.#translate(error, call.signal);
    }
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    try {
      const { response, droppedParams } = await this.#send(call, true);
      if (!response.body) throw new UpstreamError('unreadable', 'The upstream answered a stream request with no body.');
      const pieces = this.#pieces(response.body, call);
      return { pieces, droppedParams, upstreamRequestId: this.#http.header(response.headers, 'request-id') };
    } catch (error) {
      throw this.#translate(error, call.signal);
    }
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  /**
   * Posts the request; again without a field that the model turns out to refuse, e.g. `temperature` on recent ones.
   * That is part of the translation, not a retry: nothing has been answered yet.
   */
  async #send(call: ProviderCall, stream: boolean): Promise<Accepted> {
    const without = new Set(this.#refused.get(call.model));
    for (;;) {
      const { model, maxOutputTokens, signal } = call;
      const fetchOptions = this.#http.fetchOptions(call.connectTimeoutMs);
      const { params, droppedParams } = toMessagesRequest(call.request.body, { model, maxOutputTokens, without });
      // The only version of the API that still takes temperature, top_p and top_k; else the SDK's own.
      const headers = usesSampling(params) ? { 'anthropic-version': '2023-06-01' } : {};
      const body = stream ? { ...params, stream } : params;
      try {
        // The method below `messages.create`, which adds a time limit by guess and warnings on the console.
        const response = await this.#client.post('/v1/messages', { body, headers, signal, fetchOptions }).asResponse();
        call.onActivity?.();
        return { response, droppedParams };
      } catch (error) {
        const refused = this.#learnRefusal(error, call, without);
        if (refused.length === 0) throw error;
        for (const name of refused) without.add(name);
      }
    }
  }

  #learnRefusal(error: unknown, call: ProviderCall, without: ReadonlySet<string>): string[] {
    if (!isStatusError(error) || error.status !== 400) return [];
    const answer = this.#http.errorBody(error) ?? '';
    const refused = refusedFields(answer, call.request.body, without);
    if (refused.length > 0 && isLastingRefusal(answer)) {
      this.#refused.set(call.model, new Set([...(this.#refused.get(call.model) ?? []), ...refused]));
    }
    return refused;
  }

  async *#pieces(body: ReadableStream<Uint8Array>, call: ProviderCall): AsyncGenerator<StreamPiece> {
    const options = call.request.body.stream_options;
    const includeUsage = isJsonObject(options) && options.include_usage === true;
    const translator = new StreamTranslator({ created: now(), includeUsage });
    const splitter = new SseSplitter();
    try {
      for await (const chunk of body) {
        call.onActivity?.();
        for (const event of splitter.push(chunk)) yield* translator.push(event);
      }
      const rest = splitter.flush();
      if (rest) yield* translator.push(rest);
    } catch (error) {
      throw this.#http.toUpstreamError(error, call.signal, 'interrupted');
    }
    if (!translator.finished) {
      throw new UpstreamError('interrupted', "The upstream's stream ended before the answer did.");
    }
  }

  #translate(error: unknown, signal: AbortSignal): unknown {
    if (!isStatusError(error) || signal.aborted) return this.#http.toUpstreamError(error, signal);
    return new UpstreamError('status', `The upstream answered ${error.status}.`, {
      status: error.status,
      body: JSON.stringify(toOpenAIErrorBody(this.#http.errorBody(error), error.status)),
      retryAfter: this.#http.header(error.headers, 'retry-after'),
    });
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
