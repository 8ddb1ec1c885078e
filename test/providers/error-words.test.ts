import { describe, expect, it } from 'vitest';
import { meaningOf as meaningOfAnthropic } from '../../src/providers/anthropic/error.ts';
import { refusedFields } from '../../src/providers/anthropic/refusal.ts';
import { ownWords } from '../../src/providers/error-words.ts';
import { meaningOf } from '../../src/providers/openai/error-meaning.ts';
import { refusalOf } from '../../src/providers/openai/refusal.ts';

describe("an error's own words", () => {
  it.each([
    ["Tool 'a' is 'b' here", 'Tool  here'],
    ['Tool "a" is "b" here', 'Tool  here'],
    [`Tool "a" is 'b' here`, 'Tool  is  here'],
    [`Tool "it's 'a" is 'b' here`, 'Tool  is  here'],
    [`Tool 'a "b' is "c" here`, 'Tool  is  here'],
    ["The model's tools aren't 'a'", "The model's tools aren't "],
    ["An 'open quote", "An 'open quote"],
    ['An "open quote', 'An "open quote'],
    ["Over 'several\nlines' too", 'Over  too'],
    ['', ''],
  ])('exclude what is quoted: %j', (message, told) => {
    expect(ownWords(message)).toBe(told);
    expect(ownWords(message.replaceAll('"', '\\"'), '\\"')).toBe(told.replaceAll('"', '\\"'));
  });

  it('end at the first quote if the message is too long to look for the last one', () => {
    expect(ownWords(`Name 'does not support tools ${'x'.repeat(10_000)}' is unknown`)).toBe('Name ');
    expect(ownWords(`Name "does not support tools ${'x'.repeat(10_000)}" is unknown`)).toBe('Name ');
    expect(ownWords('x'.repeat(1_000_000)).length).toBeLessThan(10_000);
  });
});

/** A quarter of a megabyte each. An old expression took 40 s for 200 kB, during which nothing else was answered. */
// Long enough that anything quadratic in the length would never end.
describe('an error of a quarter of a megabyte is read in time', () => {
  const LENGTH = 250_000;
  const PIECES = [`" 'a`, "'a", ' \'"', '\\"', "property '", 'tools.1', 'max_tokens: 1 > ', '{', '[', '\n', ' '];
  const BEGINNINGS = ['', 'Input length ', "'messages.1' : ", '{"a":"'];
  const body = { model: 'm', messages: [], temperature: 0.2, reasoning_effort: 'high' };

  it.each(PIECES)('%j repeated', (piece) => {
    for (const beginning of BEGINNINGS) {
      const message = beginning + piece.repeat(LENGTH / piece.length);
      for (const answer of [JSON.stringify({ error: { message } }), message]) {
        expect(meaningOf(answer, [])).toEqual({ modelSpecific: false, tooLong: false, unusable: false });
        expect(refusalOf(answer, body)).toBe(null);
        expect(meaningOfAnthropic(answer)).toEqual({ modelSpecific: false, tooLong: false, unusable: false });
        expect(refusedFields(answer, { ...body, top_k: 1 }, new Set())).toEqual([]);
      }
    }
  });
});
