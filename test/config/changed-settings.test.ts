import { describe, expect, it } from 'vitest';
import { changedSettings, firstOf } from '../../src/config/changed-settings.ts';

describe('changedSettings', () => {
  const before = {
    models: [
      { id: 'a', price: { input: 1, output: 2 }, capabilities: ['tools'] },
      { id: 'b', price: { input: 1, output: 2 }, capabilities: [] },
    ],
    providers: { p: { api_key: 'secret-1' } },
    auth: { keys: [{ name: 'shop', models: ['*'] }] },
    routing: { weight: 0.5, targets: {} },
  };

  it('names settings that were changed, added or removed, but no values', () => {
    expect(changedSettings(before, structuredClone(before))).toEqual([]);
    const after = structuredClone(before) as typeof before & { routing: { targets: { quality?: number } } };
    after.models[0].price.input = 100;
    after.models[0].capabilities.push('vision');
    after.models[1] = { ...after.models[1], id: 'c' };
    after.providers.p.api_key = 'secret-2';
    after.auth.keys = [];
    after.routing.targets.quality = 0.9;
    expect(changedSettings(before, after)).toEqual([
      'models.a.price.input',
      'models.a.capabilities',
      'models.b',
      'models.c',
      'providers.p.api_key',
      'auth.keys.shop',
      'routing.targets.quality',
    ]);
  });

  it('ignores the order of entries, and names at most twenty', () => {
    expect(changedSettings(before, { ...before, models: [...before.models].reverse() })).toEqual([]);
    const many = Array.from({ length: 25 }, (_, i) => ({ id: `m${i}` }));
    const named = firstOf(changedSettings({ models: [] }, { models: many }));
    expect([named.length, named.at(-1)]).toEqual([21, '5 more']);
  });
});
