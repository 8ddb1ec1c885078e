import { BASELINES, shuffledControl } from './baselines.ts';
import type { Predictor } from './predictor.ts';
import { COUPLED, MIXLLM } from './production.ts';
import { rankTwoPredictor, ridgePredictor } from './ridge.ts';

/** Everything that can be evaluated, with the product's own default first. */
export const PREDICTORS: readonly Predictor[] = [
  MIXLLM,
  COUPLED,
  ridgePredictor(1000),
  rankTwoPredictor,
  ...BASELINES,
  shuffledControl(MIXLLM),
];

/** Names of the single points that are reported next to the predictors' curves. */
export const POINTS = ['best-single', 'cheapest', 'random'] as const;
export type PointName = (typeof POINTS)[number];

export const POINT_TITLES: Record<PointName, string> = {
  'best-single': 'always the best model',
  cheapest: 'always the cheapest model',
  random: 'any model at random',
};
