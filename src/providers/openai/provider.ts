import { type ChatBody, isJsonObject } from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import type { Clock } from '../../util/clock.ts';
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
import { readCompletion } from './answer.ts';
import { meaningOf } from './error-meaning.ts';
import { isSet, refusalOf } from './refusal.ts';
import { toUpstreamRequest } from './request.ts';
import { StreamReader } from './stream.ts';
import { streamed } from './whole-as-stream.ts';

export interface OpenAIProviderOptions extends ProviderAccess {
  baseUrl: string | null;
  /** False for servers that refuse `stream_options`; their streams then report no usage. */
  streamUsage: boolean;
  /** URL of the proxy through which the provider is reached; absent or null: none. */
  proxy?: string | null;
  clock: Clock;
}

/** OpenAI itself, and every server that speaks its chat completions. Bodies and streams pass unchanged. */
export class OpenAIProvider implements Provider {
  readonly promptCache = 'automatic';
  readonly cachesUnmarked = true;
  readonly #http: UpstreamHttp;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #streamUsage: boolean;
  readonly #refused = new RefusedFields();
  /** Models whose server turned out to refuse the request for a stream's usage. */
  readonly #withoutUsage = new Set<string>();

  constructor(options: OpenAIProviderOptions) {
    this.#streamUsage = options.streamUsage;
    this.#url = urlOf(options.baseUrl ?? 'https://api.openai.com/v1', '/chat/completions');
    this.#http = new UpstreamHttp({
      url: this.#url,
      secrets: secretsOf(options, this.#url),
      proxy: options.proxy ?? null,
      clock: options.clock,
    });
    this.#headers = { ...JSON_HEADERS, ...providerHeaders(options, (key) => ({ authorization: `Bearer ${key}` })) };
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    try {
      const { answer, droppedParams } = await this.#send(call, (post) =>
        this.#http.postForWhole(post, call.onActivity),
      );
      const upstreamRequestId = this.#http.header(answer.headers, 'x-request-id');
      return { ...readCompletion(decodeText(answer.body)), body: answer.body, droppedParams, upstreamRequestId };
    } catch (error) {
      throw this.#translate(error, call);
    }
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    try {
      const { answer, droppedParams, usageAdded } = await this.#send(call, (post) => this.#http.post(post));
      call.onActivity?.();
      const upstreamRequestId = this.#http.header(answer.headers, 'x-request-id');
      return { pieces: this.#pieces(answer.body, usageAdded, call), droppedParams, upstreamRequestId };
    } catch (error) {
      throw this.#translate(error, call);
    }
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  /**
   * Posts the request. If it may be adapted, it is posted again without a field that the model turns out to refuse, or
   * with its messages rewritten. Regardless of that, it is posted again without anything that only the gateway added.
   * Nothing has been answered yet, so this is not a retry.
   */
  async #send<T>(call: ProviderCall, post: (request: UpstreamPost) => Promise<T>) {
    const { request, model, signal, connectTimeoutMs, adapt } = call;
    const refused = adapt ? this.#refused.of(model) : new Set<string>();
    const hasOptions = isSet(request.body, 'stream_options');
    const lasting: string[] = [];
    let usageRefused = this.#withoutUsage.has(model);
    for (;;) {
      if (usageRefused && adapt) refused.add('stream_options');
      const options = { model, askForUsage: this.#streamUsage && !usageRefused, refused };
      const { text: body, ...sent } = toUpstreamRequest(request, options);
      try {
        const answer = await post({ url: this.#url, headers: this.#headers, body, signal, connectTimeoutMs });
        // Only after a success: an error that quotes the client may merely mention a field, and would then recur
        // without the field.
        this.#refused.add(model, lasting);
        // Not when the client sent other options too, because the upstream may have refused those.
        if (usageRefused && asksForUsageAlone(request.body)) this.#withoutUsage.add(model);
        return { answer, ...sent };
      } catch (error) {
        if (!usageRefused && (sent.usageAdded || (adapt && hasOptions)) && refusesUsage(error)) {
          usageRefused = true;
          continue;
        }
        const refusal = adapt && isAboutRequest(error) ? refusalOf(error.body, request.body) : null;
        if (refusal === null || refused.has(refusal.field)) throw error;
        refused.add(refusal.field);
        if (refusal.lasting) lasting.push(refusal.field);
      }
    }
  }

  async *#pieces(body: AsyncIterable<Uint8Array>, hideUsage: boolean, call: ProviderCall): AsyncGenerator<StreamPiece> {
    const splitter = new SseSplitter(MAX_BYTES);
    const reader = new StreamReader(hideUsage);
    try {
      for await (const chunk of body) {
        call.onActivity?.();
        for (const event of splitter.push(chunk).flatMap(streamed)) yield reader.read(event);
      }
      const rest = splitter.flush();
      for (const event of rest ? streamed(rest) : []) yield reader.read(event);
    } catch (error) {
      throw this.#http.toUpstreamError(error, call.signal, 'interrupted');
    }
    if (!reader.finished) throw new UpstreamError('interrupted', "The upstream's stream ended before the answer did.");
  }

  #translate(error: unknown, { request, signal }: ProviderCall): unknown {
    if (!(error instanceof UpstreamStatusError) || signal.aborted) return this.#http.toUpstreamError(error, signal);
    const body = this.#http.redact(error.body);
    return new UpstreamError('status', error.message, {
      status: error.status,
      ...(body ? { body } : {}),
      contentType: (body && this.#http.header(error.headers, 'content-type')) || 'application/json; charset=utf-8',
      retryAdvice: this.#http.retryAdvice(error.headers),
      ...meaningOf(body, request.body.messages),
    });
  }
}

/**
 * True when `stream_options` is absent, so that only the gateway asks for the usage, or when it asks only for the
 * usage, as today's clients always do. A refusal is then not caused by a mistake of the client.
 */
function asksForUsageAlone(body: ChatBody): boolean {
  const { stream, stream_options: options } = body;
  if (!isSet(body, 'stream_options')) return true;
  return (
    stream === true && isJsonObject(options) && options.include_usage === true && Object.keys(options).length === 1
  );
}

/** Mistral and others name the field in their error. */
function refusesUsage(error: unknown): boolean {
  return isAboutRequest(error) && error.body.includes('stream_options');
}

function isAboutRequest(error: unknown): error is UpstreamStatusError {
  return error instanceof UpstreamStatusError && (error.status === 400 || error.status === 422);
}
