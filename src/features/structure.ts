import type { RequestProfile } from '../domain/context.ts';
import { answerCues, CUE_DIMENSIONS } from './answer-cues.ts';
import { CODE_SYMBOL, classOf, DIGIT, SPACE } from './characters.ts';

const LINE_FEED = 10;

/** Counted in one pass over a text, in UTF-16 units. */
interface TextCounts {
  length: number;
  /** Number of runs of anything but white space. */
  words: number;
  /** Number of units in those runs. */
  inWords: number;
  lineFeeds: number;
  digits: number;
  /** Number of runs of digits. */
  numbers: number;
  codeSymbols: number;
}

interface TextFeature {
  measure(counts: TextCounts, text: string): number;
  /** Mean and standard deviation over the reference prompts. */
  mean: number;
  sd: number;
}

/**
 * Features that are counted in a text. Standardised on 21,989 public benchmark prompts (the first 8,000 rows each of
 * ulab_llmrouter9, routellm_mmlu and routerdc_7b), so that an ordinary query has features near ±1. The trained feature
 * maps take these numbers as input, so they must be trained again after a change here.
 */
const TEXT_FEATURES: readonly TextFeature[] = [
  { measure: ({ length }) => Math.log1p(length), mean: 5.0997, sd: 0.9002 },
  { measure: ({ words }) => Math.log1p(words), mean: 3.3061, sd: 0.9096 },
  { measure: ({ lineFeeds }) => lineFeeds / 50, mean: 0.0675, sd: 0.0721 },
  { measure: ({ digits, length }) => (digits / Math.max(1, length)) * 10, mean: 0.1824, sd: 0.4242 },
  { measure: ({ codeSymbols, length }) => (codeSymbols / Math.max(1, length)) * 10, mean: 0.0651, sd: 0.2464 },
  { measure: (_, text) => Number(text.includes('def ') || text.includes('```')), mean: 0.0075, sd: 0.086 },
  { measure: (_, text) => Number(/\\[a-z]|\$/.test(text)), mean: 0.0908, sd: 0.2874 },
  { measure: (_, text) => Number(text.includes('?')), mean: 0.5458, sd: 0.4979 },
  { measure: ({ inWords, words }) => inWords / Math.max(1, words) / 10, mean: 0.568, sd: 0.3023 },
  { measure: ({ numbers }) => numbers / 10, mean: 0.2386, sd: 0.7116 },
];

export const TEXT_DIMENSIONS = TEXT_FEATURES.length;

/**
 * Version of the structural features. Change it when one of them changes its meaning or position: stored features of
 * another version are then left out when the learner is refitted.
 */
export const STRUCTURE_VERSION = 'structure-2';

/** Standardised features are clipped to ± this, so that one unusual query cannot outweigh a hundred ordinary ones. */
const CLIP = 4;

/**
 * Mean and standard deviation of `answerCues` over the same prompts. The cues are not an input of the trained feature
 * maps.
 */
const CUE_SCALES = [
  { mean: 0.0296, sd: 0.1543 },
  { mean: 0.0471, sd: 0.2061 },
  { mean: 0.3627, sd: 0.5432 },
  { mean: 0.0681, sd: 0.2583 },
  { mean: 0.8717, sd: 0.8039 },
  { mean: 0.1599, sd: 0.3666 },
];

export interface RequestShape {
  profile: RequestProfile;
  /** Messages of the conversation, including the system prompt. */
  turns: number;
  hasSystemPrompt: boolean;
}

/**
 * Features of the whole request that are not visible in the text. Zero for the plainest request (of average length),
 * and on the scale of the other features. None of the reference prompts have them, so the scales are set by hand.
 */
const SHAPE_FEATURES: readonly ((shape: RequestShape) => number)[] = [
  ({ profile }) => Number(profile.needs.includes('tools')),
  ({ profile }) => Number(profile.needs.includes('vision')),
  ({ profile }) => Number(profile.needs.includes('json')),
  ({ hasSystemPrompt }) => Number(hasSystemPrompt),
  ({ turns, hasSystemPrompt }) => Math.log(Math.max(1, turns - Number(hasSystemPrompt))),
  ({ profile }) => (Math.log1p(profile.inputCharacters) - TEXT_FEATURES[0].mean) / (2 * TEXT_FEATURES[0].sd),
];

export const STRUCTURE_DIMENSIONS = TEXT_FEATURES.length + CUE_DIMENSIONS + SHAPE_FEATURES.length;

/**
 * @param text the query, already cut to the length that is embedded
 * @returns STRUCTURE_DIMENSIONS numbers within ±4
 */
export function structureFeatures(text: string, shape: RequestShape): number[] {
  const cues = answerCues(text).map((value, i) => clip((value - CUE_SCALES[i].mean) / CUE_SCALES[i].sd));
  return [...textFeatures(text), ...cues, ...SHAPE_FEATURES.map((measure) => clip(measure(shape)))];
}

/**
 * The features of the text alone.
 * @returns TEXT_DIMENSIONS numbers within ±4, standardised
 */
export function textFeatures(text: string): number[] {
  const counts = countText(text);
  return TEXT_FEATURES.map(({ measure, mean, sd }) => clip((measure(counts, text) - mean) / sd));
}

export function clip(value: number): number {
  return Math.min(CLIP, Math.max(-CLIP, value));
}

function countText(text: string): TextCounts {
  let [words, inWords, lineFeeds, digits, numbers, codeSymbols] = [0, 0, 0, 0, 0, 0];
  let before = SPACE;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const now = classOf(unit);
    if (unit === LINE_FEED) lineFeeds++;
    if (!(now & SPACE)) {
      inWords++;
      if (before & SPACE) words++;
    }
    if (now & DIGIT) {
      digits++;
      if (!(before & DIGIT)) numbers++;
    }
    if (now & CODE_SYMBOL) codeSymbols++;
    before = now;
  }
  return { length: text.length, words, inWords, lineFeeds, digits, numbers, codeSymbols };
}
