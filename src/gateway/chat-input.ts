import type { ChatRequest } from '../domain/chat.ts';
import type { KeyLimits } from './runtime.ts';

/** An incoming chat request, validated as far as the gateway itself reads it. */
export interface ChatInput {
  request: ChatRequest;
  requestId: string;
  key: KeyLimits | null;
  /** From `x-mixllm-weight`, `x-mixllm-models` and `x-mixllm-no-fallback`. */
  weightHeader: number | null;
  models: readonly string[] | null;
  noFallback: boolean;
  /** From `x-session-id`, which names the conversation. */
  sessionId: string | null;
  /** Monotonic milliseconds. */
  arrivedAt: number;
  /** Aborted when the client has left. */
  clientGone: AbortSignal;
}
