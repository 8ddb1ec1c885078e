import { mean } from '../../util/statistics.ts';
import { CURVE_COSTS } from '../evaluate/measure-split.ts';
import { drawEvaluation } from '../evaluate/plot.ts';
import { drawLearningCurve } from '../online/learning-curve-plot.ts';
import type { Experiment, Measurement } from './experiment.ts';
import { meanCurve, perHundredCurve } from './summary.ts';

/** The experiment's curves on one data set as an SVG document; null when it has no plot. */
export async function drawExperiment(
  { title, plot, lead }: Experiment,
  dataset: string,
  measurements: readonly Measurement[],
): Promise<string | null> {
  if (!plot) return null;
  const heading = `${dataset}: ${title.toLowerCase()}`;
  const ways = Object.keys(measurements[0].curves);
  if (plot.kind === 'per-hundred') {
    const curves = ways.map((name) => ({ name, points: perHundredCurve(measurements, name, plot.scale) }));
    return drawLearningCurve(heading, curves, plot.label);
  }
  const curves = ways.map((name, i) => ({
    name,
    isBaseline: i > 0 || name === lead.over(name),
    points: meanCurve(measurements, name).map(({ place, values }) => ({
      cost: CURVE_COSTS[place],
      quality: mean(values),
    })),
  }));
  return drawEvaluation({ title: heading, curves });
}
