import type { RequestProfile } from '../domain/context.ts';

interface TextFeature {
  measure(text: string, words: string[]): number;
  /** Mean and standard deviation over the reference prompts. */
  mean: number;
  sd: number;
}

/**
 * What can be counted in a text. Standardised on 21,989 public benchmark prompts (the first 8,000 rows each of
 * ulab_llmrouter9, routellm_mmlu and routerdc_7b), so that an ordinary query has features near ±1.
 */
const TEXT_FEATURES: readonly TextFeature[] = [
  { measure: (text) => Math.log1p(text.length), mean: 5.0997, sd: 0.9002 },
  { measure: (_, words) => Math.log1p(words.length), mean: 3.3061, sd: 0.9096 },
  { measure: (text) => count(text, /\n/g) / 50, mean: 0.0675, sd: 0.0721 },
  { measure: (text) => (count(text, /\d/g) / Math.max(1, text.length)) * 10, mean: 0.1824, sd: 0.4242 },
  { measure: (text) => (count(text, /[{}();=<>]/g) / Math.max(1, text.length)) * 10, mean: 0.0651, sd: 0.2464 },
  { measure: (text) => Number(text.includes('def ') || text.includes('```')), mean: 0.0075, sd: 0.086 },
  { measure: (text) => Number(/\\[a-z]+|\$/.test(text)), mean: 0.0908, sd: 0.2874 },
  { measure: (text) => Number(text.includes('?')), mean: 0.5458, sd: 0.4979 },
  { measure: (_, words) => meanLength(words) / 10, mean: 0.568, sd: 0.3023 },
  { measure: (text) => count(text, /\d+/g) / 10, mean: 0.2386, sd: 0.7116 },
];

/** Standardised features are clipped to ± this, so that no odd query outweighs a hundred ordinary ones. */
const CLIP = 4;

export interface RequestShape {
  profile: RequestProfile;
  /** Messages of the conversation, system prompt included. */
  turns: number;
  hasSystemPrompt: boolean;
}

/**
 * Features of the whole request that no text tells. Zero for the plainest request; on the scale of the others.
 * The prompts above have none of this, so the scales are set by hand.
 */
const SHAPE_FEATURES: readonly ((shape: RequestShape) => number)[] = [
  ({ profile }) => Number(profile.needs.includes('tools')),
  ({ profile }) => Number(profile.needs.includes('vision')),
  ({ profile }) => Number(profile.needs.includes('json')),
  ({ hasSystemPrompt }) => Number(hasSystemPrompt),
  ({ turns, hasSystemPrompt }) => Math.log(Math.max(1, turns - Number(hasSystemPrompt))),
  ({ profile }) => (Math.log1p(profile.inputCharacters) - TEXT_FEATURES[0].mean) / (2 * TEXT_FEATURES[0].sd),
];

export const STRUCTURE_DIMENSIONS = TEXT_FEATURES.length + SHAPE_FEATURES.length;

/** @param text the query, already cut to its embedding length @returns STRUCTURE_DIMENSIONS numbers within ±4 */
export function structureFeatures(text: string, shape: RequestShape): number[] {
  const words = text.match(/\S+/g) ?? [];
  const textual = TEXT_FEATURES.map(({ measure, mean, sd }) => (measure(text, words) - mean) / sd);
  return [...textual, ...SHAPE_FEATURES.map((measure) => measure(shape))].map(clip);
}

export function clip(value: number): number {
  return Math.min(CLIP, Math.max(-CLIP, value));
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

function meanLength(words: string[]): number {
  return words.length === 0 ? 0 : words.reduce((sum, word) => sum + word.length, 0) / words.length;
}
