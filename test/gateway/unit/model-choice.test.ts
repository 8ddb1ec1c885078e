import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowedArms, chooseModel } from '../../../src/gateway/model-choice.ts';
import type { Alias, KeyLimits, Runtime } from '../../../src/gateway/runtime.ts';
import { armOf } from '../../routing/support.ts';

const RUNTIME = {
  arms: [armOf('big'), armOf('small'), armOf('org/model:7b')],
  defaultWeight: 0.5,
  namedWeights: new Map([
    ['economy', 0.2],
    ['quality', 0.95],
    ['v2', 0.6],
  ]),
  aliases: new Map(),
} as unknown as Runtime;

const keyOf = (fields: Partial<KeyLimits> = {}): KeyLimits => ({
  name: 'team',
  role: 'user',
  weight: { min: 0, max: 1 },
  models: null,
  rpm: null,
  tpm: null,
  budget: null,
  ...fields,
});
const choose = (model: string, header: number | null = null, key: KeyLimits | null = null) =>
  chooseModel(model, header, key, RUNTIME);

describe('chooseModel', () => {
  it('takes the weight from the suffix, else the header, else the config', () => {
    expect(choose('auto')).toMatchObject({ requested: null, weight: 0.5, weightFrom: 'config' });
    expect(choose('auto', 0.3)).toMatchObject({ requested: null, weight: 0.3, weightFrom: 'header' });
    expect(choose('auto:0.7', 0.3)).toMatchObject({ requested: null, weight: 0.7, weightFrom: 'model' });
    expect(choose('auto:economy', 0.3)).toMatchObject({ requested: null, weight: 0.2, weightFrom: 'model' });
    expect(choose('auto:v2')).toMatchObject({ weight: 0.6 });
    expect(choose('auto', 0)).toMatchObject({ weight: 0, weightFrom: 'header' });
  });

  it.each(['0', '1', '0.25', '.5', '1.', '1.0', '+0.5', '1e-1'])('accepts auto:%s', (suffix) => {
    expect(choose(`auto:${suffix}`).weight).toBe(Number(suffix));
  });

  it.each(['1.5', '-0.1', '2', '-1', '1.0000001', '99999999999999999999'])('rejects auto:%s with 400', (suffix) => {
    expect(() => choose(`auto:${suffix}`)).toThrow(
      expect.objectContaining({ status: 400, code: 'invalid_weight', param: 'model' }),
    );
  });

  it.each([
    'auto:x',
    'auto:',
    'auto:0.5x',
    'auto: 0.5',
    'auto:0,5',
    'auto:NaN',
    'auto:1e',
    'auto:0x1',
    'auto:Infinity',
    'AUTO',
    'Big',
    '',
    'autos',
    'constructor',
  ])('rejects "%s" as an unknown model', (model) => {
    expect(() => choose(model)).toThrow(
      expect.objectContaining({ status: 404, code: 'model_not_found', message: expect.stringContaining(`"${model}"`) }),
    );
  });

  it('finds a registered model by its id, even with colons', () => {
    expect(choose('org/model:7b', 0.3)).toMatchObject({ requested: { id: 'org/model:7b' }, weight: 0.3 });
    expect(choose('big').requested?.id).toBe('big');
  });

  it('resolves an alias, but never an id or "auto"', () => {
    const aliases = new Map<string, Alias>([
      ['gpt-4o', { model: 'auto:quality', among: new Set(['big']) }],
      ['mini', { model: 'small', among: null }],
      ['big', { model: 'auto:0', among: new Set(['small']) }],
      ['*', { model: 'auto', among: null }],
    ]);
    const meant = (model: string, header: number | null = null, key: KeyLimits | null = null) =>
      chooseModel(model, header, key, { ...RUNTIME, aliases });
    expect(meant('gpt-4o', 0.1)).toEqual({
      requested: null,
      among: new Set(['big']),
      weight: 0.95,
      weightFrom: 'model',
    });
    expect(meant('anything', 0.1)).toMatchObject({
      requested: null,
      among: null,
      weight: 0.1,
      weightFrom: 'header',
    });
    expect(meant('mini').requested?.id).toBe('small');
    expect(meant('big')).toMatchObject({ requested: { id: 'big' }, among: null });
    const gone = new Map<string, Alias>([...aliases, ['group', { model: 'auto:0', among: new Set(['retired']) }]]);
    expect(chooseModel('group', 0.1, null, { ...RUNTIME, aliases: gone })).toMatchObject({ among: null, weight: 0.1 });
    // An alias of a model that an admin retired.
    const stale = new Map([...aliases, ['old', { model: 'retired', among: null }]]);
    expect(chooseModel('old', null, null, { ...RUNTIME, aliases: stale }).requested).toBeNull();
    stale.delete('*');
    expect(() => chooseModel('old', null, null, { ...RUNTIME, aliases: stale })).toThrow('"old" does not exist');
    for (const unknown of ['auto:x', 'auto:']) expect(() => meant(unknown)).toThrow(unknown);
    expect(() => meant('mini', null, keyOf({ models: new Set(['big']) }))).toThrow('"mini" does not exist');
  });

  it("clamps any weight to the key's bounds, and reports it", () => {
    const key = keyOf({ weight: { min: 0.3, max: 0.8 } });
    expect(choose('auto:0.9', null, key)).toMatchObject({ weight: 0.8, weightFrom: 'key' });
    expect(choose('auto', 0.1, key)).toMatchObject({ weight: 0.3, weightFrom: 'key' });
    expect(choose('auto:quality', null, key)).toMatchObject({ weight: 0.8, weightFrom: 'key' });
    expect(choose('auto', null, key)).toMatchObject({ weight: 0.5, weightFrom: 'config' });
    expect(choose('auto:0.8', null, key)).toMatchObject({ weight: 0.8, weightFrom: 'model' });
    expect(choose('auto:0.9', null, key)).not.toHaveProperty('budgetWeight');
    expect(chooseModel('auto', null, key, RUNTIME, 0.97)).toMatchObject({ weight: 0.8, budgetWeight: 0.97 });
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (header) => {
        const { weight } = choose('auto', header, key);
        expect(weight).toBe(Math.max(0.3, Math.min(0.8, header)));
      }),
    );
  });

  /** Every source of a weight, strongest first. */
  const SOURCES = ['suffix', 'name', 'header', 'budget', 'config'] as const;
  type Source = (typeof SOURCES)[number];
  const FROM = { suffix: 'model', name: 'model', header: 'header', budget: 'budget', config: 'config' } as const;
  const pairs = SOURCES.flatMap((stronger, i) =>
    SOURCES.slice(i + 1).map((weaker) => [stronger, weaker] as const),
  ).filter(
    // The model has only one name.
    ([stronger, weaker]) => !(stronger === 'suffix' && weaker === 'name'),
  );

  it.each(pairs)('prefers the weight of the %s to that of the %s, then clamps it', (stronger, weaker) => {
    const given = (weights: Partial<Record<Source, number>>, key: KeyLimits | null = null) =>
      chooseModel(
        weights.suffix !== undefined ? `auto:${weights.suffix}` : weights.name !== undefined ? 'auto:given' : 'auto',
        weights.header ?? null,
        key,
        {
          ...RUNTIME,
          defaultWeight: weights.config ?? 0.5,
          namedWeights: new Map([['given', weights.name ?? 0]]),
        },
        weights.budget ?? null,
      );
    const key = keyOf({ weight: { min: 0.3, max: 0.8 } });
    for (const [strong, weak, clamped] of [
      [0.1, 0.9, 0.3],
      [0.9, 0.1, 0.8],
      [0.4, 0.95, 0.4],
      [0.95, 0.4, 0.8],
      [0, 0.6, 0.3],
    ]) {
      const weights = { [stronger]: strong, [weaker]: weak };
      expect(given(weights)).toMatchObject({ weight: strong, weightFrom: FROM[stronger] });
      const weightFrom = clamped === strong ? FROM[stronger] : 'key';
      expect(given(weights, key)).toMatchObject({ weight: clamped, weightFrom });
      // The weaker source alone is clamped in the same way.
      const alone = Math.min(0.8, Math.max(0.3, weak));
      expect(given({ [weaker]: weak }, key)).toMatchObject({ weight: alone });
    }
  });

  it('hides the models that a key may not use', () => {
    const key = keyOf({ models: new Set(['small']) });
    expect(choose('small', null, key).requested?.id).toBe('small');
    expect(() => choose('big', null, key)).toThrow(expect.objectContaining({ status: 404, code: 'model_not_found' }));
    expect(choose('auto', null, key).requested).toBeNull();
  });
});

describe('allowedArms', () => {
  const allowed = (names: string[] | null, key: KeyLimits | null = null, among: string[] | null = null) => {
    const ids = allowedArms(names, among && new Set(among), key, RUNTIME);
    return ids && [...ids];
  };

  it('allows what the request names, within the models of the key', () => {
    const key = keyOf({ models: new Set(['small', 'org/model:7b']) });
    expect(allowed(null)).toBeNull();
    expect(allowed(['big', 'small'])).toEqual(['big', 'small']);
    expect(allowed(null, keyOf())).toBeNull();
    expect(allowed(null, key)).toEqual(['small', 'org/model:7b']);
    expect(allowed(['big', 'small'], key)).toEqual(['small']);
    expect(allowed(['big'], key)).toEqual([]);
    expect(allowed(['big'], keyOf())).toEqual(['big']);
  });

  it('allows what an alias stands for, within what the request names and the key may', () => {
    const key = keyOf({ models: new Set(['small', 'org/model:7b']) });
    expect(allowed(null, null, ['big', 'gone'])).toEqual(['big', 'gone']);
    expect(allowed(['small', 'big'], null, ['big', 'org/model:7b'])).toEqual(['big']);
    expect(allowed(null, key, ['big', 'small'])).toEqual(['small']);
    expect(allowed(['big'], key, ['big', 'small'])).toEqual([]);
  });

  it('rejects unregistered names and lists all of them', () => {
    expect(() => allowed(['big', 'nope', 'auto'])).toThrow(
      expect.objectContaining({ status: 400, message: expect.stringContaining('nope, auto') }),
    );
  });
});
