import type { ChatRequest, Usage } from '../domain/chat.ts';

/** One call to one upstream model. */
export interface ProviderCall {
  request: ChatRequest;
  /** The upstream's name of the model. */
  model: string;
  /** The model's output limit in tokens, for upstreams that demand one; null where the config gives none. */
  maxOutputTokens: number | null;
  /**
   * True when the gateway chose the model, so that the client cannot know which fields it takes: a field that the
   * upstream refuses may be left out, and is named in `droppedParams`; what means the same may be put otherwise. When
   * false, the client gets the refusal.
   * Providers that translate requests may ignore this: they name what they leave out in any case.
   */
  adapt: boolean;
  /** Aborts the call and closes its connection. All other time limits are its owner's. */
  signal: AbortSignal;
  /** Milliseconds that a new connection may take. It is the one limit that only the provider can keep. */
  connectTimeoutMs: number;
  /** Told of every sign of life: the headers, and each chunk of a stream. */
  onActivity?(): void;
}

/** What an answer tells about itself, gathered from the body or along the stream. */
export interface AnswerFacts {
  /** The completion's own `id`, by which clients may rate it. */
  completionId: string | null;
  /** The upstream's word for the model that answered. */
  servedModel: string | null;
  finishReason: string | null;
  usage: Usage | null;
}

export interface ProviderAnswer extends AnswerFacts {
  /** UTF-8 bytes of what was generated: text, reasoning, refusal, tool calls. */
  generatedBytes: number;
  /** A chat completion in OpenAI's form, as sent to the client. */
  body: Uint8Array;
  /** Names of request fields that this upstream cannot be given. */
  droppedParams: string[];
  /** The upstream's own request id, for support tickets. */
  upstreamRequestId: string | null;
  /** Of the tools that the answer calls; none when absent. */
  toolCallIds?: readonly string[];
}

/** One server-sent event for the client, and what it tells. */
export interface StreamPiece extends Partial<AnswerFacts> {
  /** The event in OpenAI's form, terminator included; empty when the client is to see nothing of it. */
  bytes: Uint8Array;
  /** True when the event carries the answer itself: text, reasoning, refusal or a part of a tool call. */
  content: boolean;
  /** UTF-8 bytes of what the event carries of the answer; 0 when absent. */
  generatedBytes?: number;
  /** True for the closing `[DONE]`. */
  done?: boolean;
  /** Of the tool calls that begin with the event; none when absent. */
  toolCallIds?: readonly string[];
}

export interface ProviderStream {
  /**
   * The events in order. Ends after the upstream's clean end; throws `UpstreamError` when the stream breaks off,
   * carries an error event, or ends without a finish. Leaving the iteration early closes the upstream connection.
   */
  pieces: AsyncIterable<StreamPiece>;
  droppedParams: string[];
  upstreamRequestId: string | null;
}

/**
 * A service that answers chat requests. Speaks OpenAI's chat form on this side and its own wire format on the other.
 * Both methods throw `UpstreamError` for whatever goes wrong upstream, the signal's reason when it was aborted, and
 * `GatewayError` 400 for a request that cannot be said in the upstream's format.
 * Neither retries: that is for `gateway/attempt`.
 */
export interface Provider {
  /** What its upstream keeps of a prompt: all of a long one by itself, or what the request marks and the usage then tells. */
  readonly promptCache: 'automatic' | 'marked';
  /** Resolves with the whole answer. */
  complete(call: ProviderCall): Promise<ProviderAnswer>;
  /** Resolves when the upstream has accepted the request and its stream begins. */
  stream(call: ProviderCall): Promise<ProviderStream>;
  /** Lets running calls end, then closes the connections. */
  close(): Promise<void>;
}
