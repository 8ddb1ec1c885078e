import { describe, expect, it } from 'vitest';
import { EMBEDDING_LENGTH } from '../../../src/features/lexical-map.ts';
import { measureSplit, splitOf } from '../../../src/offline/evaluate/measure-split.ts';
import type { OnlineData } from '../../../src/offline/online-data.ts';
import type { Figures } from '../../../src/offline/paper/experiment.ts';
import { EXPERIMENTS } from '../../../src/offline/paper/experiments.ts';
import { newModels } from '../../../src/offline/paper/new-models.ts';
import { offlineOnline } from '../../../src/offline/paper/offline-online.ts';
import { outOfDomain } from '../../../src/offline/paper/out-of-domain.ts';
import { PolicyDriver, streamThrough } from '../../../src/offline/paper/policy-driver.ts';
import { bestValue, figuresOf, gainOf, NU, perHundred, rowsOf, scaleOf } from '../../../src/offline/paper/scoring.ts';
import { refittedVariants, tags } from '../../../src/offline/paper/tags.ts';
import { QUALITY_AT_COST, tradeOff } from '../../../src/offline/paper/trade-off.ts';
import { DIMENSIONS, inventedData } from './support.ts';

const data = inventedData();

/** The figures of the first way whose name contains `part`. */
function way(figures: Figures | undefined, part: string): Record<string, number> {
  const found = Object.entries(figures ?? {}).find(([name]) => name.includes(part));
  if (!found) throw new Error(`no way of "${part}" in ${Object.keys(figures ?? {})}`);
  return found[1] as Record<string, number>;
}

describe('scoring', () => {
  const rows = [
    { context: Float64Array.of(1), task: '', quality: [1, 0], cost: [4, 1] },
    { context: Float64Array.of(1), task: '', quality: [0.6, 1], cost: [2, 1] },
  ];

  it('reports quality and cost relative to the best model, and utility as q − ν c', () => {
    const scale = scaleOf(rows);
    expect(scale).toEqual({ best: 0, quality: 0.8, cost: 3 });
    const gains = rows.map((row, i) => gainOf(row, i, scale));
    const { quality, cost, utility } = figuresOf([...gains, gains[1]], scale);
    expect(quality).toBeCloseTo(1 / 0.8, 12);
    expect(cost).toBeCloseTo((4 + 1 + 1) / 3 / 3, 12);
    expect(utility).toBeCloseTo((1 - (NU * 2) / 3) / 0.8, 12);
    expect(scaleOf(rows, [1])).toEqual({ best: 1, quality: 0.5, cost: 1 });
  });

  it('ranks models by value, and averages complete hundreds only', () => {
    expect(bestValue(rows, scaleOf(rows))).toEqual([0, 1]);
    expect(
      bestValue(
        rows.map((row) => ({ ...row, cost: [1000, 0] })),
        { best: 0, quality: 1, cost: 1 },
      ),
    ).toEqual([1, 0]);
    expect(perHundred(Array.from({ length: 250 }, (_, i) => i))).toEqual([49.5, 149.5]);
  });
});

describe('a stream through the production policy', () => {
  const rows = rowsOf(data);
  const scale = scaleOf(rows);
  const run = (stream: typeof rows) =>
    streamThrough(new PolicyDriver(data, 3, scale.best), stream, scale, { feedback: 'thumbs', seed: 3 }).models;

  it('does not look ahead: different later outcomes change no earlier choice', () => {
    const before = run(rows);
    const turned = rows.map((row, i) =>
      i < 300 ? row : { ...row, quality: row.quality.map((q) => 1 - q), cost: row.cost.map((c) => 3 * c) },
    );
    const after = run(turned);
    // The choice at position 300 is made before its own outcome is seen.
    expect(after.slice(0, 301)).toEqual(before.slice(0, 301));
    expect(after).not.toEqual(before);
  });

  it('learns nothing without feedback, except what it is taught beforehand', () => {
    const ignorant = new PolicyDriver(data, 3, scale.best, 'none');
    const taught = new PolicyDriver(data, 3, scale.best, 'none');
    taught.teach(rows.slice(0, 300));
    const utility = (driver: PolicyDriver) =>
      figuresOf(streamThrough(driver, rows.slice(300), scale, { feedback: 'none', seed: 3 }).gains, scale).utility;
    expect(utility(taught)).toBeGreaterThan(utility(ignorant) + 0.03);
    expect(ignorant.choose(rows[0].context)).toEqual(ignorant.choose(rows[0].context));
  });

  it('chooses only among the models available at the time', () => {
    const driver = new PolicyDriver(data, 3, scale.best);
    const { models } = streamThrough(driver, rows, scale, {
      feedback: 'grades',
      seed: 3,
      modelsAt: (position) => (position < 200 ? [0, 2] : [0, 1, 2, 3]),
    });
    expect(models.slice(0, 200).every((model) => model === 0 || model === 2)).toBe(true);
    expect(models.slice(200).some((model) => model === 1)).toBe(true);
  });
});

describe('the experiments', () => {
  it('take the main trade-off from mixllm evaluate', () => {
    const figures = tradeOff.measure(data, 2)?.figures;
    const { mixllm } = measureSplit(splitOf(data, 2, 0.8), ['mixllm']);
    expect(way(figures, 'MixLLM Gateway')[QUALITY_AT_COST]).toBe(mixllm.qualityAtCost);
    expect(way(figures, 'nearest neighbours')[QUALITY_AT_COST]).toBeGreaterThan(0.9);
  });

  it('lose quality without an informative embedding, but none without uninformative structure', () => {
    // Too few texts to fit a separate map to.
    const figures = tags.measure(inventedData(240), 0)?.figures;
    const quality = (part: string) => way(figures, part)[QUALITY_AT_COST];
    expect(quality('structure alone')).toBeLessThan(quality('as shipped') - 0.05);
    expect(quality('latent directions alone')).toBeCloseTo(quality('as shipped'), 10);
    expect(Object.keys(figures ?? {})).toHaveLength(3);
  });

  it('fit maps with and without tags that differ only in the embedding', () => {
    const letters = data.queries.slice(0, 60).map((query, i) => {
      return { ...query, text: i % 2 ? `def f${i}(x): return x * ${i}` : `A letter to aunt ${i} about the rain` };
    });
    const few = { ...data, queries: letters, contexts: data.contexts.slice(0, 60) };
    const fitted = Object.values(refittedVariants(few, { latent: 4, tags: 4 }));
    expect(fitted).toHaveLength(2);
    for (const { contexts } of fitted) {
      expect(contexts.map((x) => [x[0], ...x.slice(3)])).toEqual(few.contexts.map((x) => [x[0], ...x.slice(3)]));
      for (const x of contexts) expect(Math.hypot(x[1], x[2])).toBeCloseTo(EMBEDDING_LENGTH, 6);
    }
    expect(fitted[0].contexts[0]).not.toEqual(fitted[1].contexts[0]);
  });

  it('judge on a task left out of training; online ratings recover what was lost', () => {
    // The other task's cheap specialist is bad at this one, so the all-rounder is worth its price.
    const figures = outOfDomain.measure(inventedData(1200, 0.99), 0)?.figures;
    const [offline, online] = ['offline only', 'learning online'].map((part) => way(figures, part));
    const inDomain = way(figures, 'in domain');
    expect(online['utility, last third']).toBeGreaterThan(offline['utility, last third'] + 0.02);
    expect(inDomain.utility).toBeGreaterThan(offline.utility + 0.05);
    expect(way(figures, 'hindsight').quality).toBeCloseTo(1, 12);
    for (const task of ['code', 'prose']) expect(inDomain[`utility: ${task}`]).toBeGreaterThan(0.8);
  });

  it('split offline and online parts as named, and beat the best fixed model', () => {
    const figures = offlineOnline.measure(data, 0)?.figures;
    expect(Object.keys(figures ?? {})).toHaveLength(12);
    for (const split of ['80 : 20', '50 : 50', '30 : 70']) {
      const fixed = way(figures, `${split}, always`).utility;
      for (const then of ['offline only', 'then online, graded', 'then online, thumbs']) {
        expect(way(figures, `${split}, ${then}`).utility, `${split} ${then}`).toBeGreaterThan(fixed + 0.02);
      }
    }
  });

  it('give newcomers traffic only in the second half of the stream', () => {
    const result = newModels.measure(inventedData(1000), 0);
    const share = (part: string) => way(result?.figures, part)["the two models' share of the queries"];
    expect(share('never')).toBe(0);
    expect(share('join')).toBeGreaterThan(0);
    expect(share('from the start')).toBeGreaterThan(0.3);
    expect(result?.curves['join halfway'].slice(0, 5)).toEqual(result?.curves['never present'].slice(0, 5));
    expect(result?.curves['join halfway']).toHaveLength(10);
  });

  it('skip unsuitable data', () => {
    const two: OnlineData = {
      ...data,
      models: data.models.slice(0, 2),
      queries: data.queries.map((q) => ({ ...q, quality: q.quality.slice(0, 2), cost: q.cost.slice(0, 2) })),
    };
    const suited = EXPERIMENTS.filter((experiment) => experiment.measure(two, 0) !== null);
    expect(suited.map(({ name }) => name)).toEqual(['trade-off']);
    const oneTask = { ...data, queries: data.queries.map((query) => ({ ...query, task: 'all' })) };
    expect(outOfDomain.measure(oneTask, 0)).toBeNull();
    const noEmbedding = { ...data, dimensions: DIMENSIONS - 2, contexts: data.contexts.map((c) => c.slice(2)) };
    expect(tags.measure(noEmbedding, 0)).toBeNull();
  });
});
