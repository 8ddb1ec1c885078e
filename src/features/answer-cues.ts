import { classOf, LETTER } from './characters.ts';

/**
 * Words that show what kind of answer is asked for. The length of an answer, and so its cost, depends on them more than
 * on the subject: compare "Answer with the correct option" and "Explain your reasoning". English only; a query in
 * another language has the features of an ordinary query without any of these words.
 */
const CUE_WORDS = {
  explain: 'explain explanation reason reasoning why justify prove derive step steps',
  compose:
    'write essay story poem article letter email describe discuss list summarize summary translate rewrite generate create draft compose detailed',
  choose: 'which choose select following true false yes no correct option options choices choice classify label',
  brief: 'word words sentence brief briefly short concise only just single',
};

const CUES = Object.values(CUE_WORDS);

/**
 * Words are looked up by a rolling hash of their letters, because slicing every word out of the text would take five
 * times as long. No two cue words share a hash, and another word collides with one of them about once in fifty million.
 */
const CUE_OF = new Map(CUES.flatMap((words, cue) => words.split(' ').map((word) => [hashOf(word), cue] as const)));

/** Labels of answers to choose from: (A) or (1) anywhere, and A. A) - * at the beginning of a line. */
const OPTION = /\([A-J1-9]\)|^[ \t]*(?:[A-J][.)]|[-*] )/gm;

export const CUE_DIMENSIONS = CUES.length + 2;

/**
 * Unscaled cues: ln(1 + occurrences) per kind of cue word, then ln(1 + options offered), then 1 if the text ends in a
 * question mark. Linear in the text's length.
 */
export function answerCues(text: string): number[] {
  const counts = countCueWords(text);
  const options = text.match(OPTION)?.length ?? 0;
  return [...counts, options].map((count) => Math.log1p(count)).concat(Number(/\?\s*$/.test(text.slice(-64))));
}

function countCueWords(text: string): number[] {
  const counts = new Array<number>(CUES.length).fill(0);
  let hash = 0;
  for (let i = 0; i <= text.length; i++) {
    const unit = i < text.length ? text.charCodeAt(i) : 0;
    if (classOf(unit) & LETTER) {
      hash = nextHash(hash, unit);
      continue;
    }
    const cue = hash === 0 ? undefined : CUE_OF.get(hash);
    if (cue !== undefined) counts[cue]++;
    hash = 0;
  }
  return counts;
}

function hashOf(word: string): number {
  let hash = 0;
  for (let i = 0; i < word.length; i++) hash = nextHash(hash, word.charCodeAt(i));
  return hash;
}

/** Folds ASCII capitals into small letters, which differ in the bit with value 32. */
function nextHash(hash: number, unit: number): number {
  return (Math.imul(hash, 0x01000193) + (unit | 32) + 1) | 0;
}
