import { describe, expect, it } from 'vitest';
import { sharesByTag, topTags } from '../../src/recorded/tag-shares.ts';

const count = (tag: string, model: string, decisions: number) => ({ tag, model, decisions });

describe('sharesByTag', () => {
  it('gives the shares within each tag, most frequent tag first, with every model', () => {
    const shares = sharesByTag(
      ['big', 'small', 'idle'],
      [count('rare', 'big', 1), count('often', 'big', 1), count('often', 'small', 3), count('again', 'small', 1)],
    );
    expect(shares).toEqual({
      queries_by_tag: { often: 4, again: 1, rare: 1 },
      shares_by_tag: {
        often: { big: 0.25, small: 0.75, idle: 0 },
        again: { big: 0, small: 1, idle: 0 },
        rare: { big: 1, small: 0, idle: 0 },
      },
    });
    expect(Object.keys(shares.queries_by_tag)).toEqual(['often', 'again', 'rare']);
    expect(Object.keys(shares.shares_by_tag)).toEqual(['often', 'again', 'rare']);
  });

  it('is empty before any decision', () => {
    expect(sharesByTag(['big'], [])).toEqual({ queries_by_tag: {}, shares_by_tag: {} });
    expect(topTags(sharesByTag(['big'], []), 5)).toEqual({ queries_by_tag: {}, shares_by_tag: {} });
  });
});

describe('topTags', () => {
  const all = sharesByTag(
    ['big', 'small'],
    [count('a', 'big', 5), count('b', 'big', 4), count('c', 'big', 3), count('c', 'small', 1), count('d', 'small', 4)],
  );

  it('combines the remaining tags in a last row', () => {
    const top = topTags(all, 2);
    expect(top.queries_by_tag).toEqual({ a: 5, '3 other tags': 12 });
    expect(Object.keys(top.shares_by_tag)).toEqual(['a', '3 other tags']);
    expect(top.shares_by_tag['3 other tags'].big).toBeCloseTo(7 / 12, 12);
    expect(top.shares_by_tag['3 other tags'].small).toBeCloseTo(5 / 12, 12);
  });

  it('keeps everything if it fits', () => {
    expect(topTags(all, 4)).toEqual(all);
  });
});
