import { expect, it } from 'vitest';
import { SharedCache } from '../../src/util/shared-cache.ts';

it('evicts the oldest entry of the owner with the most, and none of the others', () => {
  const cache = new SharedCache<string>(4);
  cache.set('a1', 'x', 'a');
  for (let i = 0; i < 10; i++) cache.set(`b${i}`, String(i), 'b');
  expect(cache.get('a1', 'a')).toBe('x');
  expect(['b6', 'b7', 'b9'].map((key) => cache.get(key, 'b'))).toEqual([undefined, '7', '9']);
  // An entry that was read is not the oldest.
  cache.get('b7', 'b');
  cache.set('b10', '10', 'b');
  expect(['b7', 'b8'].map((key) => cache.get(key, 'b'))).toEqual(['7', undefined]);
});

it('lets a new owner have as much as the others, keeps owners apart, and replaces existing entries', () => {
  const cache = new SharedCache<string>(4);
  for (let i = 0; i < 4; i++) cache.set(`${i}`, 'first', null);
  for (let i = 0; i < 4; i++) cache.set(`${i}`, 'second', 'b');
  const of = (owner: string | null) => [0, 1, 2, 3].map((i) => cache.get(`${i}`, owner));
  expect(of(null)).toEqual([undefined, undefined, 'first', 'first']);
  expect(of('b')).toEqual([undefined, undefined, 'second', 'second']);
  cache.set('3', 'third', 'b');
  expect(of('b')).toEqual([undefined, undefined, 'second', 'third']);
  expect(of(null)).toEqual([undefined, undefined, 'first', 'first']);
});
