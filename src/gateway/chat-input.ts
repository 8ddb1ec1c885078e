import type { ChatRequest } from '../domain/chat.ts';
import type { KeyLimits } from './runtime.ts';

/** A chat request as it came in, validated as far as the gateway reads it. */
export interface ChatInput {
  request: ChatRequest;
  requestId: string;
  key: KeyLimits | null;
  /** `x-mixllm-weight`, `x-mixllm-models`, `x-mixllm-no-fallback` */
  weightHeader: number | null;
  models: readonly string[] | null;
  noFallback: boolean;
  /** `x-session-id`, which names the conversation. */
  sessionId: string | null;
  /** Monotonic milliseconds. */
  arrivedAt: number;
  /** Aborted when the client has left. */
  clientGone: AbortSignal;
}
