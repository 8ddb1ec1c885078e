import type { Random } from '../../util/random.ts';
import type { Outlook } from './trade-off.ts';

/** A query with what every model made of it. */
export interface EvaluationRow {
  /** x: length d, x[0] = 1. */
  context: Float64Array;
  /** The benchmark it comes from. */
  task: string;
  /** Per model, 0..1 and USD. */
  quality: readonly number[];
  cost: readonly number[];
}

export interface Split {
  models: readonly string[];
  dimensions: number;
  train: readonly EvaluationRow[];
  test: readonly EvaluationRow[];
  random: Random;
}

/** Learns from the training rows, and says what it expects on the test rows: test rows × models. */
export interface Predictor {
  /** In reports and after `--predictors`. */
  name: string;
  /** For people. */
  title: string;
  /** It looks at the test rows' outcomes, tasks, or order: something to compare with, nothing to deploy. */
  isBaseline: boolean;
  predict(split: Split): Outlook;
}
