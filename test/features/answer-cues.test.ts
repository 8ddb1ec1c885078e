import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerCues, CUE_DIMENSIONS } from '../../src/features/answer-cues.ts';

/** What the scan replaces: counting with a regular expression. */
function counted(text: string, pattern: RegExp): number {
  return Math.log1p(text.match(pattern)?.length ?? 0);
}

describe('answerCues', () => {
  it('counts the words that ask for an explanation, a composition, a choice or brevity', () => {
    const text = 'WRITE a story. Explain why, step by step! Answer with the correct option, in one word only?';
    const [explain, compose, choose, brief, options, question] = answerCues(text);
    expect(explain).toBeCloseTo(Math.log1p(4));
    expect(compose).toBeCloseTo(Math.log1p(2));
    expect(choose).toBeCloseTo(Math.log1p(2));
    expect(brief).toBeCloseTo(Math.log1p(2));
    expect(options).toBe(0);
    expect(question).toBe(1);
  });

  it.each([
    ['Choices: (A) red, (B) green, (1) blue', 3],
    ['A. red\n  B) green\nC: blue', 2],
    ['- yes\n* no\n a - b', 2],
    ['(Z) and A.B', 0],
  ])('counts the options offered in %j', (text, options) => {
    expect(answerCues(text)[4]).toBeCloseTo(Math.log1p(options));
  });

  it('does not count parts of words', () => {
    expect(answerCues('rewritten unlisted whyever worded nowhere stepson').slice(0, 4)).toEqual([0, 0, 0, 0]);
  });

  it('agrees with regular expressions on any text, and is finite', () => {
    const words = fc.constantFrom('why', 'Explain', 'WRITE', 'which', 'word', 'x', 'é', '_why', 'steps', '\n', '?');
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string())), fc.constantFrom(' ', ',', '-', ''), (parts, joint) => {
        const text = parts.join(joint);
        const cues = answerCues(text);
        expect(cues).toHaveLength(CUE_DIMENSIONS);
        expect(cues.every(Number.isFinite)).toBe(true);
        const whole = (list: string) => new RegExp(`(?<![\\p{L}\\p{N}_])(?:${list})(?![\\p{L}\\p{N}_])`, 'giv');
        if (/[\ud800-\udfff\u017f\u212a]/.test(text)) return;
        expect(cues[0]).toBeCloseTo(
          counted(text, whole('explain|explanation|reason|reasoning|why|justify|prove|derive|steps?')),
        );
      }),
    );
  });
});
