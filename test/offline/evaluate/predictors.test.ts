import { describe, expect, it } from 'vitest';
import { measureSplit, splitOf } from '../../../src/offline/evaluate/measure-split.ts';
import { PREDICTORS } from '../../../src/offline/evaluate/predictors.ts';
import { Ridge, truthOf } from '../../../src/offline/evaluate/ridge.ts';
import { columnMeans } from '../../../src/offline/evaluate/trade-off.ts';
import { seededRandom } from '../../../src/util/random.ts';

const MODELS = ['cheap', 'dear', 'odd'];
const D = 4;

/** `cheap` is good where feature 1 is positive, `odd` where feature 2 is; `dear` is good everywhere. */
function data(count: number, seed: number) {
  const random = seededRandom(seed);
  const contexts = Array.from({ length: count }, () =>
    Float64Array.from({ length: D }, (_, k) => (k === 0 ? 1 : random.normal())),
  );
  const chance = (p: number) => Number(random.uniform() < p);
  return {
    file: 'made-up',
    models: MODELS,
    dimensions: D,
    contexts,
    queries: contexts.map((x, i) => ({
      id: String(i),
      text: '',
      task: x[1] > 0 ? 'easy' : 'hard',
      quality: [chance(x[1] > 0 ? 0.95 : 0.1), chance(0.95), chance(x[2] > 0 ? 0.9 : 0.2)],
      cost: [0.001, 0.01 * Math.exp(0.5 * x[3]), 0.004],
    })),
  };
}

describe('the predictors', () => {
  const split = () => splitOf(data(1500, 1), 0, 0.8);

  it('split the data at random into training and test queries', () => {
    const { train, test } = split();
    expect([train.length, test.length]).toEqual([1200, 300]);
    expect(new Set([...train, ...test]).size).toBe(1500);
  });

  it('reject a share that leaves nothing to learn from or to judge', () => {
    expect(() => splitOf(data(30, 1), 0, 1)).toThrow('leaves 30 to learn from and 0 to judge');
    expect(() => splitOf(data(4, 1), 0, 0.2)).toThrow('leaves 0 to learn from');
  });

  it('learn what helps to choose: they beat random mixing, and the gateway beats its shuffled choices', () => {
    const names = [...PREDICTORS.map(({ name }) => name), 'best-single', 'cheapest', 'random'];
    const halves = split();
    const measured = measureSplit(halves, names);
    const quality = (name: string) => measured[name].qualityAtCost ?? 0;
    for (const name of ['mixllm', 'coupled', 'ridge-1000', 'rank-2', 'knn', 'task-label']) {
      expect(quality(name), name).toBeGreaterThan(quality('static-mix') + 0.05);
      expect(quality(name), name).toBeLessThan(quality('oracle'));
    }
    expect(Math.abs(quality('shuffled') - quality('static-mix'))).toBeLessThan(0.1);
    expect(measured['best-single'].point).toEqual({ cost: 1, quality: 1 });
    const truth = truthOf(halves.test);
    const [[, best], [cost, dearest]] = [columnMeans(truth.quality), columnMeans(truth.cost)];
    expect(measured.cheapest.point?.cost).toBeCloseTo(cost / dearest, 12);
    expect(measured.cheapest.point?.quality).toBeCloseTo(columnMeans(truth.quality)[0] / best, 12);
    expect(measured.random.qualityAtCost).toBeNull();
    expect(measured.mixllm.curve.filter((value) => value !== null).length).toBeGreaterThan(10);
  });

  it("predict costs: the gateway's predictions are right on average, and follow the features", () => {
    const { test, ...rest } = split();
    const predicted = PREDICTORS[0].predict({ ...rest, test });
    const truth = truthOf(test);
    columnMeans(predicted.cost).forEach((mean, k) => {
      expect(mean / columnMeans(truth.cost)[k]).toBeGreaterThan(0.9);
      expect(mean / columnMeans(truth.cost)[k]).toBeLessThan(1.1);
    });
    const dear = (sign: number) =>
      test.flatMap(({ context }, row) => (Math.sign(context[3]) === sign ? [predicted.cost.values[3 * row + 1]] : []));
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(dear(1)) / mean(dear(-1))).toBeGreaterThan(1.6);
  });

  it('give a task never seen before the means of all tasks', () => {
    const known = splitOf(data(200, 2), 0, 0.8);
    const strange = { ...known, test: known.test.map((row) => ({ ...row, task: 'new' })) };
    const label = PREDICTORS.find(({ name }) => name === 'task-label');
    const mix = PREDICTORS.find(({ name }) => name === 'static-mix');
    expect(label?.predict(strange)).toEqual(mix?.predict(strange));
  });
});

describe('Ridge', () => {
  it('is least squares without a penalty, and the mean with a huge one', () => {
    const x = [-1, 0, 1, 2].map((value) => Float64Array.of(1, value));
    const y = [1, 3, 5, 7].map((value) => [value]);
    expect(new Ridge(x, y, 1e-9).predict(Float64Array.of(1, 5))[0]).toBeCloseTo(13, 5);
    expect(new Ridge(x, y, 1e12).predict(Float64Array.of(1, 5))[0]).toBeCloseTo(4, 5);
    // (Xᵀ X + α)⁻¹ Xᵀ y on centred numbers: 10 / (5 + 5) = 1.
    expect(new Ridge(x, y, 5).predict(Float64Array.of(1, 1.5))[0]).toBeCloseTo(5, 9);
  });
});
