import { drawingLibrary, svgDocument } from './drawing.ts';

/** A point in the plane in which routing is judged: cost and quality as shares of the best single model's. */
export interface PlottedPoint {
  cost: number;
  quality: number;
  label?: string;
}

export interface QualityCostPlot {
  title: string;
  /** What is being judged: a curve through its points, in order of cost. */
  curves: { name: string; points: PlottedPoint[] }[];
  /** What it is compared with: single points. */
  references: PlottedPoint[];
}

/**
 * Draws quality over cost as an SVG document.
 * @throws Error that says what to install when the optional drawing library is absent
 */
export async function drawQualityCost({ title, curves, references }: QualityCostPlot): Promise<string> {
  const { Plot, document } = await drawingLibrary();
  const points = curves.flatMap(({ name, points }) => points.map((point) => ({ ...point, name })));
  const figure = Plot.plot({
    document,
    width: 760,
    height: 460,
    marginTop: 36,
    marginLeft: 60,
    marginBottom: 44,
    marginRight: 70,
    style: { background: 'white', color: '#222', fontSize: '12px' },
    title,
    // Logarithmic because models differ in price by orders of magnitude.
    x: { type: 'log', label: "cost, share of the best single model's →", tickFormat: '.0%', ticks: 8, grid: true },
    y: { label: "↑ quality, share of the best single model's", tickFormat: '.0%', grid: true, insetTop: 12 },
    color: { legend: false, domain: curves.map(({ name }) => name), scheme: 'Category10' },
    marks: [
      Plot.dot(references, { x: 'cost', y: 'quality', r: 3, fill: '#888' }),
      Plot.text(references, { x: 'cost', y: 'quality', text: 'label', dy: -9, fill: '#666', fontSize: 10 }),
      Plot.line(points, { x: 'cost', y: 'quality', stroke: 'name', strokeWidth: 2, sort: 'cost' }),
      Plot.dot(points, { x: 'cost', y: 'quality', fill: 'name', r: 4 }),
      Plot.text(points, { x: 'cost', y: 'quality', text: 'label', dy: 14, fontSize: 10 }),
      Plot.text(
        curves.map(({ name, points }) => ({ name, ...points[points.length - 1] })),
        { x: 'cost', y: 'quality', text: 'name', fill: 'name', dy: -14, textAnchor: 'end', fontWeight: 'bold' },
      ),
    ],
  });
  return svgDocument(figure, title, document);
}
