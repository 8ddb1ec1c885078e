import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LruMap } from '../../src/util/lru-map.ts';

describe('LruMap', () => {
  it('behaves like a list of the most recently used', () => {
    const operation = fc.record({ key: fc.integer({ min: 0, max: 9 }), value: fc.option(fc.integer()) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(operation, { maxLength: 60 }), (capacity, operations) => {
        const map = new LruMap<number, number>(capacity);
        let model: [number, number][] = [];
        for (const { key, value } of operations) {
          const entry = model.find(([other]) => other === key);
          if (value === null) {
            expect(map.get(key)).toBe(entry?.[1]);
            if (entry) model = [...model.filter((other) => other !== entry), entry];
          } else {
            map.set(key, value);
            model = [...model.filter((other) => other !== entry), [key, value] as [number, number]].slice(-capacity);
          }
        }
        for (let key = 0; key < 10; key++) expect(map.get(key)).toBe(model.find(([other]) => other === key)?.[1]);
      }),
    );
  });
});
