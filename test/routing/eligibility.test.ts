import { describe, expect, it } from 'vitest';
import { estimatedInputTokens, exclusionReason } from '../../src/routing/eligibility.ts';
import { armOf, profileOf } from './support.ts';

describe('estimatedInputTokens', () => {
  it('is bytes times the ratio, rounded up, plus 800 per image', () => {
    expect(estimatedInputTokens(profileOf({ inputBytes: 0 }), 0.25)).toBe(0);
    expect(estimatedInputTokens(profileOf({ inputBytes: 401 }), 0.25)).toBe(101);
    expect(estimatedInputTokens(profileOf({ inputBytes: 400, images: 3 }), 0.25)).toBe(100 + 2400);
  });

  it('includes the likely tokens of attachments', () => {
    const attached = { likely: 500, most: 900 };
    expect(estimatedInputTokens(profileOf({ inputBytes: 400, attached }), 0.25)).toBe(600);
  });

  it('adds what is new to what the upstream counted of the earlier request', () => {
    const before = { tokens: 900, size: { inputCharacters: 2000, inputBytes: 2000, images: 1 } };
    expect(estimatedInputTokens(profileOf({ inputBytes: 2400, images: 2 }), 0.25, before)).toBe(900 + 100 + 800);
    // Less than before: its tools were taken away.
    expect(estimatedInputTokens(profileOf({ inputBytes: 400 }), 0.25, before)).toBe(100);
  });
});

describe('exclusionReason', () => {
  const arm = armOf('a', { contextWindow: 1000, maxOutputTokens: 300, capabilities: ['tools', 'json'] });

  it('is null for an arm that can serve, right up to its limits', () => {
    expect(exclusionReason(arm, profileOf({ needs: ['json', 'tools'] }), 1000, null)).toBeNull();
    expect(exclusionReason(arm, profileOf({ maxOutputTokens: 300 }), 700, new Set(['a']))).toBeNull();
    const unlimited = armOf('u');
    expect(exclusionReason(unlimited, profileOf({ maxOutputTokens: 1e9 }), 1e9, null)).toBeNull();
  });

  it('names everything that the request needs and the model lacks', () => {
    const reason = exclusionReason(arm, profileOf({ needs: ['vision', 'tools', 'audio'] }), 10, null);
    expect(reason).toContain('vision, audio');
    expect(reason).not.toContain('tools');
  });

  it('names the tokens that do not fit, and the context window', () => {
    expect(exclusionReason(arm, profileOf(), 1001, null)).toMatch(/1001 tokens.*1000/);
    expect(exclusionReason(arm, profileOf({ maxOutputTokens: 300 }), 701, null)).toMatch(/1001 tokens.*1000/);
  });

  it('does not count attachments, whose tokens can only be guessed', () => {
    expect(exclusionReason(arm, profileOf({ attached: { likely: 500, most: 900 } }), 1500, null)).toBeNull();
  });

  it('names an output limit that max_tokens exceeds', () => {
    expect(exclusionReason(arm, profileOf({ maxOutputTokens: 301 }), 10, null)).toMatch(/301.*300/);
  });

  it('says first that the model is not allowed for the request', () => {
    const reason = exclusionReason(arm, profileOf({ needs: ['vision'] }), 1e9, new Set(['b']));
    expect(reason).toMatch(/not among the models/);
    expect(exclusionReason(arm, profileOf(), 10, new Set())).toMatch(/not among the models/);
  });
});
