import type { Usage } from './chat.ts';
import type { Capability, RequestForm } from './context.ts';

/** USD per million tokens. */
export interface Rates {
  input: number;
  cachedInput: number;
  cacheWrite: number;
  output: number;
}

/** The rates of a model, and those that apply instead to requests with more than so many input tokens. */
export interface Price extends Rates {
  longPrompt?: Rates & { above: number };
}

/** @param inputTokens of one request, cached and cache-written ones included */
export function ratesFor<Some extends Partial<Rates>>(
  price: Some & Pick<Price, 'longPrompt'>,
  inputTokens: number,
): Some | Rates {
  return price.longPrompt && inputTokens > price.longPrompt.above ? price.longPrompt : price;
}

/** A registered model. */
export interface Arm {
  id: string;
  /** Name of its provider in the config. */
  provider: string;
  /** The upstream's name for the model. */
  upstreamModel: string;
  price: Price;
  /** Tokens that input and output may take together; null: unknown, which never excludes the arm. */
  contextWindow: number | null;
  maxOutputTokens: number | null;
  capabilities: readonly Capability[];
  /** What its provider's API does not support. */
  unsupportedForms: readonly RequestForm[];
  /** Number of requests that the upstream serves at a time; further ones wait. */
  maxConcurrency: number;
  /** Quality assumed before any rating; null: what its price suggests. */
  prior: Prior | null;
  timeouts: Timeouts;
}

/** Identifies an arm's upstream model. Arms that differ only in name, price or limits have the same one. */
export function upstreamOf({ provider, upstreamModel }: Pick<Arm, 'provider' | 'upstreamModel'>): string {
  return JSON.stringify([provider, upstreamModel]);
}

export const TIERS = ['small', 'mid', 'frontier'] as const;
export type Tier = (typeof TIERS)[number];

/** A tier, a mean quality on [0, 1], or another arm that it is assumed to resemble. */
export type Prior = Tier | { quality: number } | { like: string };

/** In milliseconds. */
export interface Timeouts {
  /** For a new connection. */
  connectMs: number;
  /** Until the first byte of a whole answer, or the first content of a stream. */
  firstByteMs: number;
  idleMs: number;
  totalMs: number;
}

const MILLION = 1e6;
/**
 * The surcharge of a cache write for an hour, relative to one for five minutes: Anthropic charges 2 and 1.25 input
 * prices.
 */
export const HOUR_SURCHARGE = 2 / 1.25 - 1;

/** USD that an answer costs. */
export function costOf(price: Price, usage: Usage): number {
  const rates = ratesFor(price, usage.inputTokens);
  const plain = Math.max(0, usage.inputTokens - usage.cachedInputTokens - usage.cacheWriteTokens);
  return (
    (plain * rates.input +
      usage.cachedInputTokens * rates.cachedInput +
      (usage.cacheWriteTokens + (usage.hourCacheWriteTokens ?? 0) * HOUR_SURCHARGE) * rates.cacheWrite +
      usage.outputTokens * rates.output) /
    MILLION
  );
}

/** A single figure for how expensive a model is: three parts input to one part output, the usual blend of a chat. */
export function blendedPrice(price: Price): number {
  return (3 * price.input + price.output) / 4;
}
