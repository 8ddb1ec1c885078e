import { LENGTH_CORRECTION } from './defaults.ts';

export interface LengthCorrectionState {
  [arm: string]: { ratios: number; count: number };
}

/**
 * Running mean, per arm, of actual / predicted output tokens. The model predicts the logarithm; its exponential is a
 * median, and the mean of a skewed length lies above the median.
 */
export class LengthCorrection {
  #arms = new Map<string, { ratios: number; count: number }>();

  factor(arm: string): number {
    const { ratios, count } = this.#arms.get(arm) ?? { ratios: 0, count: 0 };
    return (LENGTH_CORRECTION.priorCount + ratios) / (LENGTH_CORRECTION.priorCount + count);
  }

  learn(arm: string, ratio: number, weight: number): void {
    const sums = this.#arms.get(arm) ?? { ratios: 0, count: 0 };
    this.#arms.set(arm, {
      ratios: sums.ratios + weight * Math.min(ratio, LENGTH_CORRECTION.cap),
      count: sums.count + weight,
    });
  }

  /** Multiplies the weight of what the arm has learned. */
  temper(arm: string, factor: number): void {
    const sums = this.#arms.get(arm);
    if (sums) this.#arms.set(arm, { ratios: factor * sums.ratios, count: factor * sums.count });
  }

  forget(arm: string): void {
    this.#arms.delete(arm);
  }

  /** Adds everything that another correction has learned. */
  addSums(sums: LengthCorrectionState): void {
    for (const [arm, { ratios, count }] of Object.entries(sums)) {
      const known = this.#arms.get(arm) ?? { ratios: 0, count: 0 };
      this.#arms.set(arm, { ratios: known.ratios + ratios, count: known.count + count });
    }
  }

  state(): LengthCorrectionState {
    return Object.fromEntries(this.#arms);
  }

  restore(state: LengthCorrectionState): void {
    this.#arms = new Map(Object.entries(state));
  }
}
