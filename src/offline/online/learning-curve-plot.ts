import { drawingLibrary, legendBeside, svgDocument } from '../drawing.ts';
import type { CurvePoint } from './summary.ts';

export interface LearningCurve {
  name: string;
  points: readonly CurvePoint[];
}

/** Half the width of a 95 % interval, in standard errors. */
const INTERVAL = 1.96;

const UTILITY_LABEL = "↑ utility per 100 queries, % of the best single model's quality";

/**
 * Draws utility, or whatever the label says, over the number of queries answered, as an SVG document; each curve has
 * the 95 % interval of its mean.
 * @throws Error that says what to install when the optional drawing library is absent
 */
export async function drawLearningCurve(
  title: string,
  curves: readonly LearningCurve[],
  label = UTILITY_LABEL,
): Promise<string> {
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
  const legend = legendBeside(
    Plot,
    curves.map(({ name }) => name),
  );
  const figure = Plot.plot({
    document,
    width: 960,
    height: 460,
    marginTop: 36,
    marginLeft: 60,
    marginBottom: 44,
    marginRight: legend.marginRight,
    style: { background: 'white', color: '#222', fontSize: '12px' },
    title,
    x: { label: 'queries answered →', grid: true },
    y: { label, grid: true },
    color: legend.color,
    marks: [
      Plot.areaY(points, { x: 'queries', y1: 'low', y2: 'high', z: 'name', fill: 'name', fillOpacity: 0.2 }),
      Plot.line(points, { x: 'queries', y: 'mean', z: 'name', stroke: 'name', strokeWidth: 2 }),
      ...legend.marks,
    ],
  });
  return svgDocument(figure, title, document);
}
