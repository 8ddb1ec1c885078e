import type { FastifyBaseLogger } from 'fastify';
import type { Chat } from '../gateway/chat.ts';
import type { Feedback } from '../gateway/feedback.ts';
import type { KeyLimiter } from '../gateway/key-limiter.ts';
import type { Metrics } from '../gateway/metrics.ts';
import type { ModelAdmin } from '../gateway/model-admin.ts';
import type { KeyLimits, Runtime } from '../gateway/runtime.ts';
import type { Clock } from '../util/clock.ts';
import type { HashedKey } from './auth.ts';
import type { BodyMemory } from './body-memory.ts';

/** What the routes depend on. */
export interface ServerParts {
  chat: Chat;
  feedback: Feedback;
  metrics: Metrics;
  keyLimiter: KeyLimiter;
  models: ModelAdmin;
  /** Return the current runtime and the current keys. */
  runtime(): Runtime;
  keys(): readonly HashedKey[];
  /** Why the gateway is not ready for traffic; null when it is. */
  notReady(): string | null;
  /** Whether other machines can reach the gateway. */
  exposed: boolean;
  clock: Clock;
  log: FastifyBaseLogger;
  maxBodyBytes: number;
  bodyMemory: BodyMemory;
  /** Origins whose web pages may use the gateway from a browser; `*` for all. */
  corsOrigins: readonly string[];
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The gateway key that the request came with; null where none is required. */
    gatewayKey: KeyLimits | null;
  }
}
