import type { ChatRequest, Usage } from '../domain/chat.ts';

/** One call to one upstream model. */
export interface ProviderCall {
  request: ChatRequest;
  /** The upstream's name for the model. */
  model: string;
  /** The model's output limit in tokens, for upstreams that require one; null when the config gives none. */
  maxOutputTokens: number | null;
  /**
   * True when the gateway chose the model, so that the client cannot know which fields the model accepts. A field that
   * the upstream refuses may then be left out (and is named in `droppedParams`) or replaced by an equivalent one. When
   * false, the client gets the refusal. Providers that translate requests may ignore this, because they always name
   * what they leave out.
   */
  adapt: boolean;
  /** Aborts the call and closes its connection. The signal's owner enforces all other time limits. */
  signal: AbortSignal;
  /** Milliseconds that a new connection may take. Only the provider can enforce this limit. */
  connectTimeoutMs: number;
  /** Called at every sign of life: for the headers, and for each chunk of the answer. */
  onActivity?(): void;
}

/** Facts about an answer, gathered from its body or along the stream. */
export interface AnswerFacts {
  /** The completion's own `id`. Clients may rate the answer by it. */
  completionId: string | null;
  /** The upstream's name for the model that answered. */
  servedModel: string | null;
  finishReason: string | null;
  usage: Usage | null;
}

export interface ProviderAnswer extends AnswerFacts {
  /** UTF-8 bytes of generated text, reasoning, refusal and tool calls. */
  generatedBytes: number;
  /** A chat completion in OpenAI's form, as sent to the client. */
  body: Uint8Array;
  /** Names of request fields that this upstream cannot accept. */
  droppedParams: string[];
  /** The upstream's own request id, for support tickets. */
  upstreamRequestId: string | null;
  /** Ids of the answer's tool calls; absent: none. */
  toolCallIds?: readonly string[];
}

/** One server-sent event for the client, and the facts that it carries. */
export interface StreamPiece extends Partial<AnswerFacts> {
  /** The event in OpenAI's format, with its terminator; empty when nothing of it is passed on to the client. */
  bytes: Uint8Array;
  /** True when the event carries part of the answer itself: text, reasoning, refusal or a part of a tool call. */
  content: boolean;
  /** UTF-8 bytes of the answer that the event carries; absent: 0. */
  generatedBytes?: number;
  /** True for the final `[DONE]`. */
  done?: boolean;
  /** Ids of the tool calls that begin with the event; absent: none. */
  toolCallIds?: readonly string[];
}

export interface ProviderStream {
  /**
   * The events in order. Ends after the upstream's clean end; throws `UpstreamError` when the stream breaks off,
   * carries an error event, or ends before the answer is finished. Leaving the iteration early closes the upstream
   * connection.
   */
  pieces: AsyncIterable<StreamPiece>;
  droppedParams: string[];
  upstreamRequestId: string | null;
}

/**
 * A service that answers chat requests. It takes and returns OpenAI's chat format, and uses its own wire format
 * upstream. Both methods throw `UpstreamError` for any upstream failure, the signal's reason after an abort, and
 * `GatewayError` 400 for a request that the upstream's format cannot express. Neither retries: `gateway/attempt` does.
 */
export interface Provider {
  /**
   * What the upstream caches: any long prompt by itself (`automatic`), or only what the request marks and the usage
   * then reports (`marked`).
   */
  readonly promptCache: 'automatic' | 'marked';
  /** Whether conversations are cached that the client has not marked. */
  readonly cachesUnmarked: boolean;
  /** Resolves with the whole answer. */
  complete(call: ProviderCall): Promise<ProviderAnswer>;
  /** Resolves once the upstream has accepted the request and its stream begins. */
  stream(call: ProviderCall): Promise<ProviderStream>;
  /** Waits for running calls to end, then closes the connections. */
  close(): Promise<void>;
}
