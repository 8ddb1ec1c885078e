import { hasCacheMarks } from '../../domain/cache-marks.ts';
import { type ChatBody, isJsonObject } from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import type { Clock } from '../../util/clock.ts';
import { mayHoldLongIntegers, parseExactly } from '../../util/exact-json.ts';
import { SseSplitter } from '../../util/sse.ts';
import { MAX_BYTES } from '../answer-limit.ts';
import type { Provider, ProviderAnswer, ProviderCall, ProviderStream, StreamPiece } from '../provider.ts';
import { type ProviderAccess, providerHeaders, secretsOf } from '../provider-headers.ts';
import { RefusedFields } from '../refused-fields.ts';
import {
  decodeText,
  JSON_HEADERS,
  UpstreamHttp,
  type UpstreamPost,
  UpstreamStatusError,
  urlOf,
} from '../upstream-http.ts';
import { toCompletion } from './answer.ts';
import { ADDED_MARK, withCacheMark } from './cache-mark.ts';
import { meaningOf, toOpenAIErrorBody } from './error.ts';
import { refusalOf, roomForOutput, withoutQuotes } from './refusal.ts';
import { toMessagesRequest, usesSampling } from './request.ts';
import { StreamTranslator } from './stream.ts';

/** The current version of the Messages API, and the last version that still accepts temperature, top_p and top_k. */
const API_VERSION = '2026-10-21';
const SAMPLING_VERSION = '2023-06-01';

export interface AnthropicProviderOptions extends ProviderAccess {
  /** Marks conversations for the prompt cache where the client does not; absent: no. */
  cacheConversations?: boolean;
  baseUrl: string | null;
  /** URL of the proxy through which the provider is reached; absent or null: none. */
  proxy?: string | null;
  clock: Clock;
}

/**
 * Anthropic, and every server that speaks its Messages API. Translates requests and answers from and to OpenAI's
 * format.
 */
export class AnthropicProvider implements Provider {
  readonly promptCache = 'marked';
  readonly cachesUnmarked: boolean;
  readonly #http: UpstreamHttp;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #refused = new RefusedFields();
  readonly #clock: Clock;

  constructor(options: AnthropicProviderOptions) {
    this.#clock = options.clock;
    this.cachesUnmarked = options.cacheConversations ?? false;
    const base = (options.baseUrl ?? 'https://api.anthropic.com').replace(/\/v1\/?$/, '');
    this.#url = urlOf(base, '/v1/messages');
    this.#http = new UpstreamHttp({
      url: this.#url,
      secrets: secretsOf(options, this.#url),
      proxy: options.proxy ?? null,
      clock: options.clock,
    });
    // Recent servers expect the key as a bearer token, older ones as `x-api-key`.
    const keyHeaders = (key: string) => ({ authorization: `Bearer ${key}`, 'x-api-key': key });
    this.#headers = { ...JSON_HEADERS, ...providerHeaders(options, keyHeaders) };
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    try {
      const post = (request: UpstreamPost) => this.#http.postForWhole(request, call.onActivity);
      const { answer, droppedParams } = await this.#send(call, false, post);
      const { body, ...facts } = toCompletion(decodeText(answer.body), this.#now());
      const upstreamRequestId = this.#http.header(answer.headers, 'request-id');
      return { ...facts, body: new TextEncoder().encode(JSON.stringify(body)), droppedParams, upstreamRequestId };
    } catch (error) {
      throw this.#translate(error, call.signal);
    }
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    try {
      const { answer, droppedParams } = await this.#send(call, true, (request) => this.#http.post(request));
      call.onActivity?.();
      const upstreamRequestId = this.#http.header(answer.headers, 'request-id');
      return { pieces: this.#pieces(answer.body, call), droppedParams, upstreamRequestId };
    } catch (error) {
      throw this.#translate(error, call.signal);
    }
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  /**
   * Posts the request. If the model turns out to refuse a field (such as `temperature` on recent models), posts it
   * again without that field, or with a schema or a kind of thinking expressed differently. That is part of the
   * translation, not a retry, because nothing has been answered yet.
   */
  async #send<T>(
    call: ProviderCall,
    stream: boolean,
    post: (request: UpstreamPost) => Promise<T>,
  ): Promise<{ answer: T; droppedParams: string[] }> {
    const without = this.#refused.of(call.model);
    const { text, body: parsed } = call.request;
    const exact = mayHoldLongIntegers(text) ? (parseExactly(text) as ChatBody) : parsed;
    let { maxOutputTokens } = call;
    const mayMark = this.cachesUnmarked && !hasCacheMarks(parsed);
    const lasting: string[] = [];
    for (let isLowered = false; ; ) {
      const { model, signal, connectTimeoutMs } = call;
      const { params: translated, droppedParams } = toMessagesRequest(exact, { model, maxOutputTokens, without });
      const params = mayMark && !without.has(ADDED_MARK) ? withCacheMark(translated) : translated;
      const version = usesSampling(params) ? SAMPLING_VERSION : API_VERSION;
      const headers = { ...this.#headers, 'anthropic-version': version };
      const body = JSON.stringify(stream ? { ...params, stream } : params);
      try {
        const answer = await post({ url: this.#url, headers, body, signal, connectTimeoutMs });
        // Only after a success: an error may quote the client, or name a field of its own, and would then recur.
        this.#refused.add(model, lasting);
        return { answer, droppedParams };
      } catch (error) {
        if (!(error instanceof UpstreamStatusError) || error.status !== 400) throw error;
        if (params !== translated && /\bcache_control\b/.test(withoutQuotes(error.body))) {
          without.add(ADDED_MARK);
          lasting.push(ADDED_MARK);
          continue;
        }
        const room = isLowered ? null : roomForOutput(error.body, parsed, params.max_tokens);
        if (room !== null) {
          maxOutputTokens = room;
          isLowered = true;
          continue;
        }
        const refusal = refusalOf(this.#http.redact(error.body), parsed, without);
        if (refusal.fields.length === 0) throw error;
        for (const name of refusal.fields) without.add(name);
        lasting.push(...refusal.lasting);
      }
    }
  }

  async *#pieces(body: AsyncIterable<Uint8Array>, call: ProviderCall): AsyncGenerator<StreamPiece> {
    const options = call.request.body.stream_options;
    const includeUsage = isJsonObject(options) && options.include_usage === true;
    const translator = new StreamTranslator({ created: this.#now(), includeUsage });
    const splitter = new SseSplitter(MAX_BYTES);
    try {
      for await (const chunk of body) {
        call.onActivity?.();
        for (const event of splitter.push(chunk)) yield* translator.push(event);
      }
      const rest = splitter.flush();
      if (rest) yield* translator.push(rest);
      yield* translator.end();
    } catch (error) {
      throw this.#http.toUpstreamError(error, call.signal, 'interrupted');
    }
  }

  #translate(error: unknown, signal: AbortSignal): unknown {
    if (!(error instanceof UpstreamStatusError) || signal.aborted) return this.#http.toUpstreamError(error, signal);
    const body = this.#http.redact(error.body);
    return new UpstreamError('status', error.message, {
      status: error.status,
      body: JSON.stringify(toOpenAIErrorBody(body || null, error.status)),
      retryAdvice: this.#http.retryAdvice(error.headers),
      ...meaningOf(body),
    });
  }

  /** Seconds since the epoch, for a completion's `created`. */
  #now(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}
