import { describe, expect, it } from 'vitest';
import { changedBy, type ModelChanges, mergeModel, mergePatch } from '../../src/domain/model-changes.ts';
import { modelEvent } from '../gateway/unit/support.ts';

describe('mergePatch', () => {
  // The examples of RFC 7396, appendix A, that have an object as patch.
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ])('%s with %s is %s', (target, patch, result) => {
    expect(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch)))).toBe(result);
  });

  it('treats __proto__ as an ordinary name', () => {
    const merged = mergePatch(
      {},
      JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    );
    expect(JSON.stringify(merged)).toBe('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    expect('polluted' in {}).toBe(false);
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });
});

describe('mergeModel', () => {
  it.each([
    ['{"prior":{"like":"a"}}', '{"prior":{"quality":0.8}}', '{"prior":{"quality":0.8}}'],
    ['{"prior":{"like":"a"}}', '{"prior":{"like":null,"quality":0.8}}', '{"prior":{"quality":0.8}}'],
    ['{"prior":{"quality":0.7}}', '{"prior":"mid"}', '{"prior":"mid"}'],
    ['{"prior":"mid"}', '{"prior":null}', '{}'],
    ['{"prior":"mid","price":{"input":1}}', '{"price":{"output":2}}', '{"prior":"mid","price":{"input":1,"output":2}}'],
  ])('%s with %s is %s', (target, patch, result) => {
    expect(mergeModel(JSON.parse(target), JSON.parse(patch))).toEqual(JSON.parse(result));
  });
});

describe('changedBy', () => {
  const changesOf = (...events: Parameters<typeof changedBy>[1][]) =>
    Object.fromEntries(events.reduce<ModelChanges>(changedBy, new Map()));
  const set = (settings: object, added = false) => modelEvent('m', 'model_set', settings, added);

  it('merges changes, removes them by null, and starts afresh when a model is added', () => {
    expect(changesOf(set({ price: { input: 1 } }), set({ price: { output: 2 }, prior: 'mid' }))).toEqual({
      m: { retired: false, settings: { price: { input: 1, output: 2 }, prior: 'mid' } },
    });
    expect(changesOf(set({ prior: 'mid', price: { input: 1 } }), set({ prior: null }))).toEqual({
      m: { retired: false, settings: { price: { input: 1 } } },
    });
    expect(changesOf(set({ prior: 'mid' }), set({ prior: null }))).toEqual({});
    expect(changesOf(set({ price: { output: 8 } }), set({ price: { output: null } }))).toEqual({});
    expect(
      changesOf(set({ prior: 'mid' }), modelEvent('m', 'model_retired'), set({ price: { input: 1 } }, true)),
    ).toEqual({
      m: { retired: false, settings: { price: { input: 1 } } },
    });
    expect(changesOf(modelEvent('m', 'model_reset'))).toEqual({});
    expect(changesOf(modelEvent('m', 'model_retired'))).toEqual({ m: { retired: true, settings: {} } });
  });
});
