import { drawingLibrary, svgDocument } from '../drawing.ts';
import type { CurvePoint } from './summary.ts';

export interface LearningCurve {
  name: string;
  points: readonly CurvePoint[];
}

/** Half the width of a 95 % interval, in standard errors. */
const INTERVAL = 1.96;

/**
 * Draws utility over queries answered as an SVG document, each curve with the 95 % interval of its mean.
 * @throws Error that says what to install where the optional drawing library is absent
 */
export async function drawLearningCurve(title: string, curves: readonly LearningCurve[]): Promise<string> {
  const { Plot, document } = await drawingLibrary();
  const points = curves.flatMap(({ name, points }) =>
    points.map(({ queries, mean, standardError }) => ({
      name,
      queries,
      mean,
      low: mean - INTERVAL * standardError,
      high: mean + INTERVAL * standardError,
    })),
  );
  const ends = curves.map(({ name }) => points.filter((point) => point.name === name).at(-1));
  const figure = Plot.plot({
    document,
    width: 760,
    height: 460,
    marginTop: 36,
    marginLeft: 60,
    marginBottom: 44,
    marginRight: 150,
    style: { background: 'white', color: '#222', fontSize: '12px' },
    title,
    x: { label: 'queries answered →', grid: true },
    y: { label: "↑ utility per 100 queries, % of the best single model's quality", grid: true },
    color: { legend: false, domain: curves.map(({ name }) => name), scheme: 'Category10' },
    marks: [
      Plot.areaY(points, { x: 'queries', y1: 'low', y2: 'high', fill: 'name', fillOpacity: 0.2 }),
      Plot.line(points, { x: 'queries', y: 'mean', stroke: 'name', strokeWidth: 2 }),
      Plot.text(ends, { x: 'queries', y: 'mean', text: 'name', fill: 'name', dx: 6, textAnchor: 'start' }),
    ],
  });
  return svgDocument(figure, title, document);
}
