import type { Random } from '../../util/random.ts';
import type { Outlook } from './trade-off.ts';

/** A query with the outcome of every model. */
export interface EvaluationRow {
  /** x: length d, x[0] = 1. */
  context: Float64Array;
  /** The benchmark that it comes from. */
  task: string;
  /** Per model: quality in 0..1, and cost in USD. */
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

/** Learns from the training rows and predicts the test rows: test rows × models. */
export interface Predictor {
  /** Its name in reports and for `--predictors`. */
  name: string;
  /** Human-readable name. */
  title: string;
  /**
   * True if it uses the test rows' outcomes, tasks or order, or is otherwise only a comparison rather than something to
   * deploy.
   */
  isBaseline: boolean;
  predict(split: Split): Outlook;
}
