import { describe, expect, it } from 'vitest';
import type { Tier } from '../../../src/domain/arm.ts';
import { measurePrior, type PriorWay } from '../../../src/offline/online/measure-priors.ts';
import { streamOf } from '../../../src/offline/online/stream.ts';
import type { OnlineData } from '../../../src/offline/online-data.ts';
import { seededRandom } from '../../../src/util/random.ts';

const POOR = ['poor', 'poorer', 'poorest', 'meagre', 'scanty'];

/**
 * The cheap model is as good as the dear one on queries whose first feature is positive, and fails at the others. Five
 * are poor, which is found out at once where it is not known.
 */
function inventedData(): OnlineData {
  const random = seededRandom(5);
  const kinds = Array.from({ length: 1000 }, () => (random.uniform() < 0.5 ? 1 : -1));
  return {
    file: 'invented.jsonl.gz',
    models: ['cheap', 'dear', ...POOR],
    queries: kinds.map((kind, i) => ({
      id: String(i),
      task: '',
      text: String(i),
      quality: [kind > 0 ? 0.9 : 0.3, 0.9, ...POOR.map(() => 0.2)],
      cost: [0.001, 0.02, ...POOR.map(() => 0.0005)],
    })),
    contexts: kinds.map((kind) => Float64Array.of(1, kind, random.normal())),
    dimensions: 3,
  };
}

const stream = streamOf(inventedData(), 1100);
const known = {
  tiers: Object.fromEntries([['cheap', 'small'], ['dear', 'frontier'], ...POOR.map((id) => [id, 'small'])]) as Record<
    string,
    Tier
  >,
  // The true slopes of the cheap model.
  slopes: new Map<Tier, Float64Array>([['small', Float64Array.of(0, 0.3, 0)]]),
};
const measured = (way: PriorWay) => measurePrior(stream, way, known);

describe('measurePrior', () => {
  it('values true knowledge more than none, and more of it more', () => {
    expect(measured('slopes100')).toBeGreaterThan(measured('tiers') + 0.5);
    expect(measured('quality')).toBeGreaterThan(measured('flat') + 0.5);
    expect(measured('warm300')).toBeGreaterThan(measured('price') + 0.5);
    expect(measured('warm300')).toBeGreaterThanOrEqual(measured('warm50'));
  });

  it('gives equal results for equal streams', () => {
    expect(measured('slopes50')).toBe(measured('slopes50'));
  });

  it('rejects a stream too short for its recorded queries, and a model without a tier', () => {
    const short = { ...stream, queries: stream.queries.slice(0, 799) };
    expect(() => measurePrior(short, 'flat', known)).toThrow('too short');
    expect(() => measurePrior(stream, 'tiers', { ...known, tiers: {} })).toThrow('cheap has no tier');
  });
});
