import { drawingLibrary, legendBeside, svgDocument } from '../drawing.ts';

export interface EvaluationPlot {
  title: string;
  /** The first one is the predictor being evaluated. A curve with a single point is drawn as a dot. */
  curves: { name: string; isBaseline: boolean; points: { cost: number; quality: number }[] }[];
}

/** Draws the quality-cost curves of all predictors as an SVG document. */
export async function drawEvaluation({ title, curves }: EvaluationPlot): Promise<string> {
  const { Plot, document } = await drawingLibrary();
  const rows = curves.flatMap(({ name, isBaseline, points }) =>
    points.map((point) => ({ name, isBaseline, ...point })),
  );
  const single = new Set(curves.filter(({ points }) => points.length === 1).map(({ name }) => name));
  const lines = rows.filter(({ name }) => !single.has(name));
  const dots = rows.filter(({ name }) => single.has(name));
  // Each name goes to the side of its dot that has room: the cheapest model is at one edge, the best at the other. Free
  // models have no place on the logarithmic axis, so they are ignored here.
  const costs = rows.map(({ cost }) => cost).filter((cost) => cost > 0);
  const middle = Math.sqrt(Math.min(...costs) * Math.max(...costs));
  const names = (textAnchor: 'start' | 'end') =>
    Plot.text(
      dots.filter(({ cost }) => (cost < middle ? 'start' : 'end') === textAnchor),
      { x: 'cost', y: 'quality', text: 'name', dy: -10, fill: '#555', textAnchor },
    );
  const legend = legendBeside(
    Plot,
    curves.map(({ name }) => name).filter((name) => !single.has(name)),
  );
  const figure = Plot.plot({
    document,
    width: 960,
    height: 480,
    marginTop: 40,
    marginLeft: 60,
    marginBottom: 44,
    marginRight: legend.marginRight,
    style: { background: 'white', color: '#222', fontSize: '12px' },
    title,
    x: { type: 'log', label: "cost, share of the best single model's →", tickFormat: '.1%', ticks: 6, grid: true },
    y: { label: "↑ quality, share of the best single model's", tickFormat: '.0%', grid: true },
    color: legend.color,
    marks: [
      ...legend.marks,
      Plot.line(
        lines.filter(({ isBaseline }) => isBaseline),
        { x: 'cost', y: 'quality', stroke: 'name', strokeWidth: 1.5, strokeDasharray: '5 3' },
      ),
      Plot.line(
        lines.filter(({ isBaseline }) => !isBaseline),
        { x: 'cost', y: 'quality', stroke: 'name', strokeWidth: 2 },
      ),
      Plot.dot(dots, { x: 'cost', y: 'quality', r: 4, fill: '#555' }),
      names('start'),
      names('end'),
    ],
  });
  return svgDocument(figure, title, document);
}
