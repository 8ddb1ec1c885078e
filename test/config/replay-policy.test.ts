import { describe, expect, it } from 'vitest';
import { loadReplayPolicy, parseReplayPolicy } from '../../src/config/replay-policy.ts';

const parse = (text: string) => parseReplayPolicy(text, 'policy.yaml');

describe('a policy file', () => {
  it('contains only what should change, and may be empty', () => {
    const text = `
weight: 0.9
exploration: none
models: [gpt-5, org/small:latest]
priors:
  gpt-5: frontier
  org/small:latest: { quality: 0.7 }
  third: { like: gpt-5 }
`;
    expect(parse(text)).toEqual({
      weight: 0.9,
      exploration: 'none',
      models: ['gpt-5', 'org/small:latest'],
      priors: { 'gpt-5': 'frontier', 'org/small:latest': { quality: 0.7 }, third: { like: 'gpt-5' } },
    });
    expect(parse('')).toEqual({});
    expect(parse('# as it was\n')).toEqual({});
  });

  it.each([
    ['weight: 1.5', /^weight \(line 1\): found 1\.5; .*at most 1$/],
    ['\nexploration: greedy', /^exploration \(line 2\): found "greedy"; .*"thompson"\|"ucb"\|"none"/],
    ['weight: 0.8\ndefault_weight: 0.9', /^default_weight \(line 2\): .*expected nothing next to weight/],
    ['models: []', /^models \(line 1\): found \[\]; /],
    ['models: [a, b c]', /^models\[1\] \(line 1\): found "b c"; expected letters, digits/],
    ['quality: 1.5', /^quality \(line 1\): found 1\.5; expected off, a share or/],
    ['priors:\n  a: huge', /^priors\.a \(line 2\): found "huge"; expected small, mid, frontier/],
    [
      'wieght: 0.9',
      /^wieght \(line 1\): there is no such setting; known here: weight, default_weight, exploration, quality, models, priors$/,
    ],
    ['[1, 2]', /^the file: found a list; expected a mapping$/],
    ['weight: *x', /^(line 1: |an alias)/],
    ['a: [', /^line 1: /],
  ])('is rejected with the place and what is expected: %s', (text, expected) => {
    let message = '';
    try {
      parse(text);
    } catch (error) {
      message = (error as Error).message;
    }
    const [head, problem] = message.split('\n  - ');
    expect(head).toBe('policy.yaml cannot be used:');
    expect(problem).toMatch(expected);
  });

  it('is named in the error if it cannot be read', () => {
    expect(() => loadReplayPolicy('/nowhere/policy.yaml')).toThrow(
      /policy\.yaml cannot be used:.*cannot be read: ENOENT/s,
    );
  });
});
