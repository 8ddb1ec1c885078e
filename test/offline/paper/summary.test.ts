import { describe, expect, it } from 'vitest';
import { outOfDomain } from '../../../src/offline/paper/out-of-domain.ts';
import { renderReport } from '../../../src/offline/paper/report.ts';
import { meanCurve, perHundredCurve, summaryOf } from '../../../src/offline/paper/summary.ts';

const measurement = (plain: number, ours: number | null, curve: (number | null)[]) => ({
  figures: { plain: { utility: plain }, ours: { utility: ours } },
  curves: { ours: curve },
});
const lead = { figure: 'utility', over: () => 'plain' };

describe('the report', () => {
  it('keeps its tables intact whatever tasks and files are called', () => {
    const measurements = [{ figures: { plain: { 'utility: a|b\nc': 0.5 } }, curves: {} }];
    const datasets = [{ dataset: 'x|y', queries: 9, models: 4, measurements }];
    const text = renderReport([{ experiment: outOfDomain, datasets, threadS: 1 }], {
      command: '',
      date: '',
      machine: '',
    });
    expect(text).toContain(
      '|  | utility: a\\|b c | lead in utility |\n| --- | ---: | ---: |\n| plain | 50.0 ± 0.0 |  |',
    );
  });
});

describe('the summary of an experiment', () => {
  it('compares seed by seed, which cancels what seeds have in common', () => {
    const { seeds, ways } = summaryOf({ lead }, [
      measurement(0.1, 0.2, []),
      measurement(0.5, 0.7, []),
      measurement(0.9, 1.2, []),
    ]);
    expect(seeds).toBe(3);
    expect(ways[0].lead).toBeNull();
    expect(ways[1].lead?.mean).toBeCloseTo(0.2, 12);
    expect(ways[1].lead?.standardError).toBeCloseTo(0.1 / Math.sqrt(3), 12);
    expect(ways[0].figures.utility.mean).toBeCloseTo(0.5, 12);
    expect(ways[0].figures.utility.sd).toBeCloseTo(0.4, 12);
  });

  it('summarises a figure that the first seed lacks', () => {
    const of = (figures: Record<string, number>) => ({ figures: { plain: figures }, curves: {} });
    const { ways } = summaryOf({ lead }, [of({ utility: 0.1 }), of({ utility: 0.2, APGR: 0.5 })]);
    expect(ways[0].figures.APGR).toEqual({ mean: 0.5, sd: 0, reached: 0.5 });
  });

  it('reports how many seeds have a figure, and compares only if all have', () => {
    const { ways } = summaryOf({ lead }, [measurement(0.1, null, []), measurement(0.5, 0.7, [])]);
    expect(ways[1].figures.utility).toEqual({ mean: 0.7, sd: 0, reached: 0.5 });
    expect(ways[1].lead).toBeNull();
  });

  it('draws a mean curve where every seed has a value', () => {
    const runs = [measurement(0, 0, [null, 1, 2, 3]), measurement(0, 0, [5, 3, 4])];
    expect(meanCurve(runs, 'ours')).toEqual([
      { place: 1, values: [1, 3] },
      { place: 2, values: [2, 4] },
    ]);
    expect(perHundredCurve(runs, 'ours', 100)).toEqual([
      { queries: 200, mean: 200, standardError: expect.closeTo(100, 9) },
      { queries: 300, mean: 300, standardError: expect.closeTo(100, 9) },
    ]);
  });
});
