import { describe, expect, it } from 'vitest';
import { KIND_IDS } from '../../src/demo/kinds/kind-ids.ts';
import { generateQueries } from '../../src/demo/queries.ts';
import { QUERY_KINDS } from '../../src/demo/query-kinds.ts';
import { seededRandom } from '../../src/util/random.ts';

const queries = generateQueries(seededRandom(11), 800);
const lastTexts = queries.map((query) => query.messages[query.messages.length - 1].content);

describe('generateQueries', () => {
  it('gives equal queries for equal seeds, and different ones for another seed', () => {
    expect(generateQueries(seededRandom(11), 800)).toEqual(queries);
    expect(generateQueries(seededRandom(12), 800)).not.toEqual(queries);
    expect(generateQueries(seededRandom(11), 50)).toEqual(queries.slice(0, 50));
    expect(generateQueries(seededRandom(11), 0)).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5])('hardly ever repeats a query in 800 (seed %i)', (seed) => {
    const texts = generateQueries(seededRandom(seed), 800).map((query) => query.messages.at(-1)?.content);
    expect(new Set(texts).size).toBeGreaterThanOrEqual(0.95 * 800);
  });

  it('covers every kind, some more often than others, in random order', () => {
    const counts = KIND_IDS.map((kind) => queries.filter((query) => query.kind === kind).length);
    expect(counts.length).toBeGreaterThanOrEqual(10);
    expect(Math.min(...counts)).toBeGreaterThan(15);
    expect(Math.max(...counts)).toBeGreaterThan(2 * Math.min(...counts));
    expect(new Set(queries.slice(0, 24).map((query) => query.kind)).size).toBeGreaterThan(KIND_IDS.length / 3);
    expect(queries.some((query, index) => query.kind === queries[index + 1]?.kind)).toBe(true);
  });

  it('lists every kind once', () => {
    expect(QUERY_KINDS.map((kind) => kind.id).sort()).toEqual([...KIND_IDS].sort());
  });

  it('mixes lengths, system prompts and conversations, each ending with the user', () => {
    const lengths = lastTexts.map((text) => text.length);
    expect(Math.min(...lengths)).toBeLessThan(60);
    expect(Math.max(...lengths)).toBeGreaterThan(900);
    expect(queries.filter((query) => query.messages[0].role === 'system').length).toBeGreaterThan(60);
    expect(queries.filter((query) => query.messages.some((m) => m.role === 'assistant')).length).toBeGreaterThan(20);
    for (const query of queries) {
      expect(query.messages.at(-1)?.role).toBe('user');
      expect(query.difficulty).toBeGreaterThanOrEqual(0);
      expect(query.difficulty).toBeLessThanOrEqual(1);
      for (const { content } of query.messages) expect(content).not.toMatch(/undefined|\[object|NaN|\{\}$/);
    }
  });

  it("never puts a query's id into its text", () => {
    for (const [index, query] of queries.entries()) expect(lastTexts[index]).not.toContain(query.id);
  });
});
