import { describe, expect, it } from 'vitest';
import { parseUpstreamJson } from '../../src/providers/answer-limit.ts';
import { toCompletion } from '../../src/providers/anthropic/answer.ts';
import { readCompletion } from '../../src/providers/openai/answer.ts';

describe('parseUpstreamJson', () => {
  it.each([
    ['nested', `${'['.repeat(600_000)}${']'.repeat(600_000)}`],
    ['full of values', `[${'0,'.repeat(5_000_000)}0]`],
  ])('does not parse what is %s beyond measure', (_, json) => {
    expect(() => parseUpstreamJson(json)).toThrow(SyntaxError);
    expect(() => readCompletion(`{"choices":[{}],"x":${json}}`)).toThrow('not a chat completion');
    expect(() => toCompletion(`{"type":"message","content":[],"x":${json}}`, 0)).toThrow('not an Anthropic message');
  });

  it('parses long texts of few values', () => {
    expect(parseUpstreamJson(JSON.stringify(['['.repeat(1_500_000)]))).toHaveLength(1);
  });
});
