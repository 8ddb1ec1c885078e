import { describe, expect, it } from 'vitest';
import { LexicalEmbedder } from '../../src/features/lexical-embedder.ts';
import { loadLexicalMap } from '../../src/features/lexical-map.ts';
import { Tagger } from '../../src/features/tagger.ts';

const PLACES = {
  centroids: Float32Array.of(0, 0, 4, 0),
  precisions: Float32Array.of(1, 1),
  tagNames: ['here', 'there'],
};

describe('Tagger', () => {
  it('names the nearest tag', () => {
    const tagger = new Tagger(PLACES);
    expect(tagger.tag(Float32Array.of(1, 9))).toEqual({ id: 0, name: 'here' });
    expect(tagger.tag(Float32Array.of(3, -9))).toEqual({ id: 1, name: 'there' });
  });

  it('weights the dimensions', () => {
    const places = { ...PLACES, centroids: Float32Array.of(0, 0, 4, 3), precisions: Float32Array.of(0.1, 10) };
    expect(new Tagger(places).tag(Float32Array.of(4, 1)).name).toBe('here');
  });

  it('rejects vectors of another embedder', () => {
    expect(() => new Tagger(PLACES).tag(new Float32Array(3))).toThrow(/2 numbers/);
  });
});

describe('the tags that ship with the project', () => {
  const map = loadLexicalMap();
  const tagger = new Tagger(map);
  const embedder = new LexicalEmbedder(map);

  it('have unique names, short enough for a table; unclear kinds share one name', () => {
    const names = map.tagNames;
    const own = names.filter((name) => name !== 'anything else');
    expect(new Set(own).size).toBe(own.length);
    expect(own.length).toBeGreaterThanOrEqual(0.8 * names.length);
    for (const name of names) expect(name.length).toBeLessThanOrEqual(32);
  });

  it.each([
    ['Tom has 12 apples and gives 5 to each of his 2 friends. How many apples does he have left?', /maths/],
    ['Write a python function to find the second largest number in a list.', /Python/],
    ['下列选项中，说法正确的是\nA. 一\nB. 二\nC. 三\nD. 四\n答案：', /Chinese/],
    ['How does an increase in the supply of a good change its price when demand stays the same?', /economics/i],
  ])('describe the kind of %j', (text, name) => {
    expect(tagger.tag(embedder.embedNow(text)).name).toMatch(name);
  });
});
