import type { Usage } from './chat.ts';
import type { AnswerForm, Capability } from './context.ts';

/** USD per million tokens. */
export interface Price {
  input: number;
  cachedInput: number;
  cacheWrite: number;
  output: number;
}

/** A registered model. */
export interface Arm {
  id: string;
  /** Name of its provider in the config. */
  provider: string;
  /** The upstream's name of the model. */
  upstreamModel: string;
  price: Price;
  /** Tokens that input and output may take together; null: unknown, never a reason to leave the arm out. */
  contextWindow: number | null;
  maxOutputTokens: number | null;
  capabilities: readonly Capability[];
  /** Forms of an answer that its provider's API does not support. */
  unsupportedForms: readonly AnswerForm[];
  /** Requests that the upstream serves at a time; further ones wait. */
  maxConcurrency: number;
  /** What is assumed of its quality before any rating; null: what its price suggests. */
  prior: Prior | null;
  timeouts: Timeouts;
}

/** What stands behind an arm: the same for arms that differ in name, price or limits alone. */
export function upstreamOf({ provider, upstreamModel }: Pick<Arm, 'provider' | 'upstreamModel'>): string {
  return JSON.stringify([provider, upstreamModel]);
}

export const TIERS = ['small', 'mid', 'frontier'] as const;
export type Tier = (typeof TIERS)[number];

/** A tier, a mean quality on [0, 1], or the arm that it is taken to be like. */
export type Prior = Tier | { quality: number } | { like: string };

/** Milliseconds. */
export interface Timeouts {
  /** For a new connection. */
  connectMs: number;
  /** Until the first byte of a whole answer, or the first content of a stream. */
  firstByteMs: number;
  idleMs: number;
  totalMs: number;
}

const MILLION = 1e6;
/** What a cache write for an hour costs on top of one for five minutes: Anthropic asks 2 and 1.25 input prices. */
export const HOUR_SURCHARGE = 2 / 1.25 - 1;

/** USD for what an answer used. */
export function costOf(price: Price, usage: Usage): number {
  const plain = Math.max(0, usage.inputTokens - usage.cachedInputTokens - usage.cacheWriteTokens);
  return (
    (plain * price.input +
      usage.cachedInputTokens * price.cachedInput +
      (usage.cacheWriteTokens + (usage.hourCacheWriteTokens ?? 0) * HOUR_SURCHARGE) * price.cacheWrite +
      usage.outputTokens * price.output) /
    MILLION
  );
}

/** One figure for how dear a model is: three parts input to one part output, the usual blend of a chat. */
export function blendedPrice(price: Price): number {
  return (3 * price.input + price.output) / 4;
}
