import type { ProviderType } from '../domain/provider-type.ts';
import type { KindId } from './kinds/kind-ids.ts';

/** A simulated model: no neural network, only numbers for how well, how fast and how verbosely it answers. */
export interface SimulatedModel {
  /** Id in the gateway's config; all simulated models' ids begin with `sim-`. */
  id: string;
  /** Wire format of its simulated upstream. */
  format: ProviderType;
  /** Name that the upstream expects and reports. */
  upstreamModel: string;
  /** USD per million tokens. */
  price: { input: number; cached_input: number; output: number };
  /** Mean quality by kind at difficulty 0.5, in 0..1. */
  quality: Record<KindId, number>;
  /** Quality lost between difficulty 0 and 1, 0 or more. */
  falloff: number;
  /**
   * Length of its answers relative to the usual length of each kind, above 0; `usual` applies to kinds that are not
   * named.
   */
  length: { usual: number } & Partial<Record<KindId, number>>;
  speed: { firstTokenMs: number; msPerToken: number };
}

/**
 * The simulated models. One expensive model is strong everywhere. Two specialists and a thinker match it in their own
 * fields at a quarter of its price or less, and are weak elsewhere. A tiny one is good enough for easy things. Only the
 * expensive one can do legal work. So no single model is a good choice for everything, and a router that knows the
 * kinds reaches the expensive one's quality at a fifth to a quarter of its cost. Prices are of the usual size in
 * 2025/26; speeds are about a hundred times the real ones, which keeps the demo short.
 */
export const SIMULATED_MODELS: readonly SimulatedModel[] = [
  {
    id: 'sim-frontier',
    format: 'anthropic',
    upstreamModel: 'sim-frontier-1',
    price: { input: 3, cached_input: 0.3, output: 15 },
    quality: {
      maths: 0.91,
      python: 0.92,
      sql: 0.91,
      shell: 0.91,
      translation: 0.93,
      summary: 0.92,
      creative: 0.92,
      legal: 0.91,
      logic: 0.9,
      extraction: 0.94,
      chat: 0.94,
      letters: 0.93,
    },
    falloff: 0.12,
    length: { usual: 1.1 },
    speed: { firstTokenMs: 9, msPerToken: 0.03 },
  },
  {
    id: 'sim-coder',
    format: 'openai',
    upstreamModel: 'sim-coder-1',
    price: { input: 0.5, cached_input: 0.125, output: 2.2 },
    quality: {
      maths: 0.7,
      python: 0.93,
      sql: 0.93,
      shell: 0.92,
      translation: 0.58,
      summary: 0.62,
      creative: 0.48,
      legal: 0.4,
      logic: 0.62,
      extraction: 0.93,
      chat: 0.78,
      letters: 0.6,
    },
    falloff: 0.2,
    length: { usual: 1, creative: 0.7, letters: 0.8 },
    speed: { firstTokenMs: 4, msPerToken: 0.012 },
  },
  {
    id: 'sim-writer',
    format: 'anthropic',
    upstreamModel: 'sim-writer-1',
    price: { input: 0.8, cached_input: 0.08, output: 4 },
    quality: {
      maths: 0.56,
      python: 0.54,
      sql: 0.54,
      shell: 0.5,
      translation: 0.93,
      summary: 0.94,
      creative: 0.95,
      legal: 0.52,
      logic: 0.48,
      extraction: 0.78,
      chat: 0.93,
      letters: 0.95,
    },
    falloff: 0.2,
    length: { usual: 1, python: 0.8, sql: 0.8, shell: 0.8 },
    speed: { firstTokenMs: 5, msPerToken: 0.015 },
  },
  {
    id: 'sim-thinker',
    format: 'openai',
    upstreamModel: 'sim-thinker-1',
    price: { input: 0.4, cached_input: 0.1, output: 1.6 },
    quality: {
      maths: 0.94,
      python: 0.8,
      sql: 0.76,
      shell: 0.7,
      translation: 0.58,
      summary: 0.64,
      creative: 0.48,
      legal: 0.54,
      logic: 0.93,
      extraction: 0.8,
      chat: 0.78,
      letters: 0.6,
    },
    falloff: 0.15,
    // It thinks before it answers, and thinking is billed.
    length: { usual: 2.2, chat: 3, translation: 2.6 },
    speed: { firstTokenMs: 4, msPerToken: 0.015 },
  },
  {
    id: 'sim-small',
    format: 'openai',
    upstreamModel: 'sim-small-1',
    price: { input: 0.05, cached_input: 0.01, output: 0.2 },
    quality: {
      maths: 0.42,
      python: 0.5,
      sql: 0.48,
      shell: 0.5,
      translation: 0.66,
      summary: 0.7,
      creative: 0.55,
      legal: 0.34,
      logic: 0.3,
      extraction: 0.74,
      chat: 0.82,
      letters: 0.72,
    },
    falloff: 0.4,
    length: { usual: 0.9 },
    speed: { firstTokenMs: 2, msPerToken: 0.006 },
  },
];

/** Usual answer length by kind, in tokens. */
export const USUAL_TOKENS: Record<KindId, number> = {
  maths: 320,
  python: 520,
  sql: 280,
  shell: 220,
  translation: 180,
  summary: 230,
  creative: 560,
  legal: 480,
  logic: 420,
  extraction: 260,
  chat: 110,
  letters: 260,
};
