/**
 * How far the threshold moves per value: fast enough to follow what is learned, for values that are natural logarithms.
 */
const STEP = 0.5;
/** Values beyond these bounds count as the bound, so that a single value cannot move the threshold far away. */
const BOUNDS = { least: -60, most: 60 };

/**
 * Takes a given share of values, the largest ones, without knowing future values. The threshold θ rises when a value is
 * taken and falls when it is not: θ ← θ + step · (taken − share). This is a quantile by stochastic approximation
 * (Robbins and Monro 1951) with a constant step, so that it follows values that drift. Since |taken − share · n| = |θ_n
 * − θ_1| / step, the share holds in the long run whatever the values are (Gibbs and Candès 2021).
 */
export class AdaptiveThreshold {
  #threshold: number | null = null;

  /**
   * True when the value is among the largest.
   * @param share in [0, 1]
   */
  takes(value: number, share: number): boolean {
    if (share <= 0 || share >= 1) return share >= 1;
    const bounded = Math.min(BOUNDS.most, Math.max(BOUNDS.least, value));
    this.#threshold ??= bounded;
    const taken = bounded > this.#threshold;
    this.#threshold += STEP * ((taken ? 1 : 0) - share);
    return taken;
  }
}
