import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { trainPriorsCommand } from '../../../src/cli/train-priors.ts';
import type { Tier } from '../../../src/domain/arm.ts';
import { fitTiers, type TierModelOutcomes } from '../../../src/offline/priors/fit-tiers.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { randomContext } from '../../bandit/support.ts';

const logit = (p: number) => Math.log(p / (1 - p));
const random = seededRandom(11);
const COUNT = 20_000;
const contexts = Array.from({ length: COUNT }, () => randomContext(3, random));

/** A model whose quality is its level plus `slope` times the first feature, without noise. */
function outcomes(file: string, tier: Tier, level: number, slope: number): TierModelOutcomes {
  return { file, model: `${file}/${tier}`, tier, contexts, qualities: contexts.map((x) => level + slope * x[1]) };
}

describe('fitTiers', () => {
  it('places levels by logits on common tasks, whatever the difficulty of the benchmarks', () => {
    const fits = fitTiers(
      [
        outcomes('hard', 'small', 0.2, 0),
        outcomes('hard', 'mid', 0.4, 0),
        outcomes('easy', 'mid', 0.8, 0),
        outcomes('easy', 'frontier', 0.9, 0),
        outcomes('alone', 'small', 0.99, 0),
      ],
      3,
    );
    expect(fits.mid.quality).toBeCloseTo(0.85, 12);
    expect(logit(fits.small.quality) - logit(0.85)).toBeCloseTo(logit(0.2) - logit(0.4), 1);
    expect(logit(fits.frontier.quality) - logit(0.85)).toBeCloseTo(logit(0.9) - logit(0.8), 1);
  });

  it("finds slopes scaled to the tier's level, averaged within files first", () => {
    const slope = 0.1;
    const fits = fitTiers(
      [
        outcomes('a', 'small', 0.5, slope),
        outcomes('a', 'mid', 0.5, 0),
        outcomes('a', 'frontier', 0.5, 0),
        outcomes('b', 'small', 0.5, 3 * slope),
        outcomes('b', 'small', 0.5, slope),
      ],
      3,
    );
    // Each tier is at 0.85 here: 0.85 · 0.15 / (0.5 · 0.5) of the slopes seen at 0.5.
    const ratio = (0.85 * 0.15) / 0.25;
    // With 20,000 queries the ridge of 160 shrinks them by 1 %.
    expect(fits.small.slopes[0] / (ratio * ((slope + 2 * slope) / 2))).toBeCloseTo(1, 1);
    expect(Math.abs(fits.small.slopes[1])).toBeLessThan(0.002);
    expect(Math.hypot(...fits.mid.slopes)).toBeLessThan(0.002);
  });

  it('rejects outcomes that do not link the tiers', () => {
    const lots = [outcomes('a', 'small', 0.5, 0), outcomes('b', 'mid', 0.5, 0), outcomes('b', 'frontier', 0.5, 0)];
    expect(() => fitTiers(lots, 3)).toThrow('No file has models of tier small alongside models of tier mid');
  });
});

describe('mixllm train priors', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mixllm-priors-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => void vi.restoreAllMocks());

  it('writes priors for the current feature map, and what they were learned from', async () => {
    const [data, out] = [join(folder, 'routellm_mmlu.jsonl'), join(folder, 'priors.json')];
    const rows = Array.from({ length: 40 }, (_, i) => ({
      id: `${i}`,
      prompt: `Question ${i}`,
      models: {
        'gemma-2-9b-it': { quality: i % 4 === 0 ? 1 : 0 },
        'mistralai/Mixtral-8x7B-Instruct-v0.1': { quality: i % 2 },
        'gpt-4-1106-preview': { quality: i % 4 === 0 ? 0 : 1 },
        'codegemma-7b': { quality: 0 },
      },
    }));
    writeFileSync(data, rows.map((row) => JSON.stringify(row)).join('\n'));
    vi.spyOn(console, 'log').mockImplementation(() => {});
    await trainPriorsCommand({ data: [data], out });
    const priors = JSON.parse(readFileSync(out, 'utf8'));
    expect(priors).toMatchObject({
      feature_map: expect.stringMatching(/^lexical-\w{8}\/structure-\d+$/),
      command: 'mixllm train priors --data (the 1 files below)',
      corpus: [{ name: 'routellm_mmlu.jsonl', queries: 40, source: { licence: 'Apache-2.0' } }],
    });
    expect(priors.models).toHaveLength(3);
    expect(logit(priors.tiers.small.quality) - logit(0.85)).toBeCloseTo(logit(0.25), 3);
    for (const tier of Object.values<{ slopes: number[] }>(priors.tiers)) {
      expect(tier.slopes).toHaveLength(priors.dimensions - 1);
    }
  });
});
