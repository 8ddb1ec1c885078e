import { LENGTH_CORRECTION } from './defaults.ts';

/** Output tokens of the arm's newest answers, their predictions, and how many answers that is, by weight. */
interface Sums {
  actual: number;
  predicted: number;
  count: number;
}

export interface LengthCorrectionState {
  [arm: string]: Sums;
}

const NOTHING: Sums = { actual: 0, predicted: 0, count: 0 };

/**
 * Running ratio, per arm, of actual to predicted output tokens. The model predicts the logarithm; its exponential is a
 * median, and the mean of a skewed length lies above the median. A ratio of sums, because the mean of the single ratios
 * is dominated by predictions that were far too short, as the first ones of a verbose model are: with answers of 3,000
 * tokens the expectation was twice too high after 50 answers, and 14 % too high after 1,000 (docs/experiments.md).
 */
export class LengthCorrection {
  #arms = new Map<string, Sums>();

  factor(arm: string): number {
    const { actual, predicted, count } = this.#arms.get(arm) ?? NOTHING;
    if (!(predicted > 0 && count > 0)) return 1;
    const { priorCount, cap } = LENGTH_CORRECTION;
    // An answer that is taken back may by then count for less than it did, so the ratio that is left may be any number.
    const ratio = Math.min(cap, Math.max(0, actual / predicted));
    return (priorCount + count * ratio) / (priorCount + count);
  }

  /**
   * @param actual output tokens, counted up to `LENGTH_CORRECTION.cap` times the prediction
   * @param predicted output tokens before the correction, > 0
   * @param weight negative to take an answer back
   */
  learn(arm: string, actual: number, predicted: number, weight: number): void {
    this.#add(arm, {
      actual: weight * Math.min(actual, LENGTH_CORRECTION.cap * predicted),
      predicted: weight * predicted,
      count: weight,
    });
  }

  /** Multiplies the weight of what the arm has learned. */
  temper(arm: string, factor: number): void {
    const sums = this.#arms.get(arm);
    if (sums) this.#arms.set(arm, scaled(sums, factor));
  }

  forget(arm: string): void {
    this.#arms.delete(arm);
  }

  /** Adds everything that another correction has learned. */
  addSums(sums: LengthCorrectionState): void {
    for (const [arm, ofArm] of Object.entries(sums)) this.#add(arm, ofArm);
  }

  state(): LengthCorrectionState {
    return Object.fromEntries(this.#arms);
  }

  restore(state: LengthCorrectionState): void {
    this.#arms = new Map(Object.entries(state));
  }

  #add(arm: string, { actual, predicted, count }: Sums): void {
    const known = this.#arms.get(arm) ?? NOTHING;
    const sums = {
      actual: known.actual + actual,
      predicted: known.predicted + predicted,
      count: known.count + count,
    };
    const { mostCount } = LENGTH_CORRECTION;
    this.#arms.set(arm, sums.count > mostCount ? scaled(sums, mostCount / sums.count) : sums);
  }
}

function scaled({ actual, predicted, count }: Sums, factor: number): Sums {
  return { actual: factor * actual, predicted: factor * predicted, count: factor * count };
}
