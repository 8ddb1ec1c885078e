import { describe, expect, it } from 'vitest';
import { measureSeed } from '../../../src/offline/online/measure-seed.ts';
import { alwaysBest, anyAtRandom, PLAIN, runStream } from '../../../src/offline/online/run-stream.ts';
import { streamOf, utility } from '../../../src/offline/online/stream.ts';
import { StreamLearner } from '../../../src/offline/online/stream-learner.ts';
import { reportOf, spread } from '../../../src/offline/online/summary.ts';
import type { OnlineData } from '../../../src/offline/online-data.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { mean } from '../../../src/util/statistics.ts';

/** An expensive all-rounder and two cheap models, on two kinds of queries that the first feature tells apart. */
function inventedData(count = 500): OnlineData {
  const random = seededRandom(7);
  const kinds = Array.from({ length: count }, () => (random.uniform() < 0.5 ? 1 : -1));
  return {
    file: 'invented.jsonl.gz',
    models: ['all-rounder', 'coder', 'writer'],
    queries: kinds.map((kind, i) => {
      const succeeds = (rate: number) => (random.uniform() < rate ? 1 : 0);
      return {
        id: String(i),
        task: '',
        text: String(i),
        quality: [succeeds(0.9), succeeds(kind > 0 ? 0.9 : 0.3), succeeds(kind > 0 ? 0.3 : 0.9)],
        cost: [0.01 * (0.5 + random.uniform()), 0.001, 0.0012],
      };
    }),
    contexts: kinds.map((kind) => Float64Array.of(1, kind, random.normal())),
    dimensions: 3,
  };
}

const data = inventedData();
const stream = streamOf(data, 1100);

describe('a stream', () => {
  it('is the first 80 % of a permutation, with ν log-uniform in [0.02, 0.5]', () => {
    expect(stream.queries).toHaveLength(400);
    const contexts = new Set(stream.queries.map(({ context }) => context));
    expect(contexts.size).toBe(400);
    const logs = stream.queries.map(({ nu }) => Math.log(nu / 0.02) / Math.log(25));
    expect(Math.min(...logs)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...logs)).toBeLessThanOrEqual(1);
    expect(Math.abs(mean(logs) - 0.5)).toBeLessThan(4 / Math.sqrt(12 * 400));
  });

  it('is compared with the model of the best mean quality', () => {
    const means = data.models.map((_, model) => mean(stream.queries.map(({ quality }) => quality[model])));
    expect(stream.bestQuality).toBe(Math.max(...means));
    expect(stream.reference).toBe(means.indexOf(stream.bestQuality));
    const query = { context: Float64Array.of(1), quality: [0, 0.6], cost: [0, 0.5], nu: 0.2 };
    expect(utility({ ...stream, bestQuality: 0.8, referenceCost: 2 }, query, 1)).toBeCloseTo(68.75, 12);
  });

  it('has list prices that scatter around mean costs by exp(0.3 N(0, 1)) from seed to seed', () => {
    const logs = Array.from({ length: 200 }, (_, seed) => streamOf(data, seed)).map(({ prices, queries }) =>
      Math.log((prices[0].output * 300) / 1e6 / mean(queries.map(({ cost }) => cost[0]))),
    );
    const { mean: centre, sd } = spread(logs);
    expect(Math.abs(centre)).toBeLessThan((4 * 0.3) / Math.sqrt(200));
    expect(Math.abs(sd - 0.3)).toBeLessThan((4 * 0.3) / Math.sqrt(400));
  });
});

describe('the production policy on a stream', () => {
  it('is reproducible, beats simple baselines, and is beaten if it sees all outcomes', () => {
    const cold = runStream(stream, PLAIN);
    expect(runStream(stream, PLAIN)).toEqual(cold);
    const full = runStream(stream, { ...PLAIN, seesAll: true });
    expect(mean(cold.utilities)).toBeGreaterThan(mean(alwaysBest(stream)) + 2);
    expect(mean(cold.utilities)).toBeGreaterThan(mean(anyAtRandom(stream)) + 5);
    expect(mean(full.utilities)).toBeGreaterThan(mean(cold.utilities));
  });

  it('does not score the labelled queries, but learns from them', () => {
    const warm = runStream(stream, { ...PLAIN, labelled: 50, ratings: { ...PLAIN.ratings, share: 0 } });
    expect(warm.models).toHaveLength(350);
    const ignorant = runStream(stream, { ...PLAIN, ratings: { ...PLAIN.ratings, share: 0 } });
    expect(mean(warm.utilities)).toBeGreaterThan(mean(ignorant.utilities.slice(50)) + 3);
  });

  it('is not influenced by ratings that have not arrived yet', () => {
    const never = runStream(stream, { ...PLAIN, ratings: { ...PLAIN.ratings, share: 0 } });
    const late = runStream(stream, { ...PLAIN, ratings: { ...PLAIN.ratings, delay: 300 } });
    expect(late.models.slice(0, 301)).toEqual(never.models.slice(0, 301));
    expect(late.models).not.toEqual(never.models);
  });

  it('explores less while ratings are pending, and as before once they arrive', () => {
    const learner = new StreamLearner(PLAIN, stream, seededRandom(8));
    const all = [...stream.models.keys()];
    const [query] = stream.queries;
    const spread = () => {
      const drawn = Array.from({ length: 200 }, () => learner.decide(query, 0.1, all).assessments[0]);
      return Math.max(
        ...drawn.map(({ exploredQuality, quality, qualitySd }) => (exploredQuality - quality) / qualitySd),
      );
    };
    const before = spread();
    for (let i = 0; i < 40; i++) learner.learnAnswer(query, 0, learner.decide(query, 0.1, all));
    expect(spread()).toBeLessThan(0.5 * before);
    learner.learnRating(query, 0, 0.8);
    expect(spread()).toBeCloseTo(before, 1);
  });
});

describe('the report', () => {
  it('rejects a stream that ends before it is scored, or before its half-way change', () => {
    const short = { ...stream, queries: stream.queries.slice(0, 99) };
    expect(() => measureSeed(short, ['degrade'])).toThrow('has 99 queries, but at least 100 are needed');
    expect(() => measureSeed({ ...short, queries: short.queries.slice(0, 50) }, [])).toThrow('51 are needed');
  });

  it('gives mean and sample standard deviation over the seeds, in the agreed format', () => {
    const measurements = [1100, 1101].map((seed) => measureSeed(streamOf(data, seed), ['flip20']));
    const report = reportOf('/some/where/invented.jsonl.gz', measurements);
    const [a, b] = measurements.map(({ u }) => u.cold);
    expect(report).toMatchObject({ name: 'invented', seeds: 2 });
    expect(Object.keys(report.u)).toEqual(['cold', 'warm50', 'full', 'flat', 'best_single', 'random']);
    expect(report.u.cold.mean).toBeCloseTo((a + b) / 2, 12);
    expect(report.u.cold.sd).toBeCloseTo(Math.abs(a - b) / Math.SQRT2, 12);
    expect(report.scenarios.flip20).toMatchObject(report.scenarios.flip20?.warm50 as object);
    expect(measurements[0].curves.cold).toHaveLength(4);
  });
});
