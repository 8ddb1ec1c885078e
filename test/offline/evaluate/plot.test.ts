import { describe, expect, it } from 'vitest';
import { drawEvaluation } from '../../../src/offline/evaluate/plot.ts';

const curve = (name: string, ...points: [cost: number, quality: number][]) => ({
  name,
  isBaseline: false,
  points: points.map(([cost, quality]) => ({ cost, quality })),
});

describe('the plot of an evaluation', () => {
  it('places labels of dots inwards, so that the figure does not cut them off', async () => {
    const svg = await drawEvaluation({
      title: 'a',
      curves: [curve('swept', [0, 0], [0.01, 0.5], [1, 1]), curve('cheapest', [0.01, 0.4]), curve('best', [1, 1])],
    });
    expect(svg).toMatch(/text-anchor="start"[^>]*><text[^>]*>cheapest</);
    expect(svg).toMatch(/text-anchor="end"[^>]*><text[^>]*>best</);
  });

  it('can draw dots only', async () => {
    const svg = await drawEvaluation({ title: 'a', curves: [curve('cheapest', [0.01, 0.4]), curve('best', [1, 1])] });
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});
