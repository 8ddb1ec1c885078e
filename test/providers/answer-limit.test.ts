import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_BYTES, parseUpstreamJson, WholeBody } from '../../src/providers/answer-limit.ts';
import { toCompletion } from '../../src/providers/anthropic/answer.ts';
import { readCompletion } from '../../src/providers/openai/answer.ts';

describe('parseUpstreamJson', () => {
  const nested = `${'['.repeat(600_000)}${']'.repeat(600_000)}`;

  it('does not parse JSON that is excessively nested or full of values', () => {
    expect(() => parseUpstreamJson(nested)).toThrow(SyntaxError);
    expect(() => parseUpstreamJson(`[${'0,'.repeat(5_000_000)}0]`)).toThrow(SyntaxError);
  });

  it('guards the answers of both formats', () => {
    expect(() => readCompletion(`{"choices":[{}],"x":${nested}}`)).toThrow('not a chat completion');
    expect(() => toCompletion(`{"type":"message","content":[],"x":${nested}}`, 0)).toThrow('not an Anthropic message');
  });

  it('parses long text with few values', () => {
    expect(parseUpstreamJson(JSON.stringify(['['.repeat(1_500_000)]))).toHaveLength(1);
  });
});

describe('WholeBody', () => {
  it('joins the chunks in order, however they are split', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 }), (chunks) => {
        const body = new WholeBody();
        for (const chunk of chunks) body.push(Buffer.from(chunk));
        expect(body.bytes()).toEqual(Buffer.concat(chunks));
      }),
    );
  });

  it('keeps neither the chunks nor the buffers they were read into', () => {
    const body = new WholeBody();
    for (let i = 0; i < 1000; i++) body.push(Buffer.alloc(65_536, i).subarray(0, 1));
    expect(body.bytes()).toHaveLength(1000);
    expect(body.bytes().buffer.byteLength).toBeLessThan(5000);
  });

  it('rejects more than the limit', () => {
    const body = new WholeBody();
    const half = Buffer.alloc(MAX_BYTES / 2);
    body.push(half);
    body.push(half);
    expect(() => body.push(half.subarray(0, 1))).toThrow('longer than 64 MB');
  });
});
