import { allFinite } from '../util/linear-algebra.ts';
import type { ArmPrior } from './coupled-arms.ts';
import { LAUNCH } from './defaults.ts';

/** So wide that a level on [0, 1] is practically unknown. */
const FORGOTTEN_VARIANCE = 10;

/**
 * The expected quality of arms before they are rated: from the config, and for launched arms from what was known when
 * they were added. Coefficients have length d, the level on [0, 1] first.
 */
export class QualityPriors {
  readonly #dimensions: number;
  readonly #level: number;
  #levels: ReadonlyMap<string, number> = new Map();
  #slopes: ReadonlyMap<string, Float64Array> = new Map();
  #likened: ReadonlySet<string> = new Set();
  #launched = new Map<string, Float64Array>();

  /**
   * @param dimensions d
   * @param level level of arms without a prior of their own
   */
  constructor(dimensions: number, level: number) {
    this.#dimensions = dimensions;
    this.#level = level;
  }

  /** Parameters as in `LinearPolicy.setPriorQualities`. */
  set(
    levels: ReadonlyMap<string, number>,
    slopes: ReadonlyMap<string, Float64Array>,
    likened: ReadonlySet<string>,
  ): void {
    this.#levels = levels;
    this.#slopes = slopes;
    this.#likened = likened;
  }

  /** The prior mean that was set for the arm, whether or not it was launched. */
  setFor(arm: string): Float64Array {
    const mean = this.#slopes.get(arm)?.slice() ?? new Float64Array(this.#dimensions);
    mean[0] = this.#levels.get(arm) ?? this.#level;
    return mean;
  }

  /** The prior mean of arms that are not named. */
  ofUnnamed(): Float64Array {
    return interceptOnly(this.#dimensions, this.#level);
  }

  /**
   * @throws RangeError unless the mean is finite and has length d
   */
  launch(arm: string, mean: Float64Array): void {
    if (mean.length !== this.#dimensions || !allFinite(mean)) {
      throw new RangeError('A prior mean must have finite numbers and the dimensions of the policy.');
    }
    this.#launched.set(arm, mean);
  }

  forgetLaunch(arm: string): void {
    this.#launched.delete(arm);
  }

  /**
   * Prior of the arms that the config does not name although it names others: they were removed from it. What was
   * expected of them is no longer known, so their level must say nothing about the other arms, but what they show about
   * the slopes stays.
   */
  ofOthers(): ArmPrior {
    const mean = this.ofUnnamed();
    return this.#levels.size === 0 ? { mean } : { mean, interceptVariance: FORGOTTEN_VARIANCE };
  }

  /** The priors of all arms that are named or were launched. */
  all(): Map<string, ArmPrior> {
    const priors = new Map<string, ArmPrior>();
    const { interceptVariance } = LAUNCH;
    for (const arm of this.#levels.keys()) {
      const mean = this.setFor(arm);
      priors.set(arm, this.#likened.has(arm) ? { mean, interceptVariance } : { mean });
    }
    for (const [arm, mean] of this.#launched) priors.set(arm, { mean, interceptVariance });
    return priors;
  }

  /** Means of the launched arms, for a state. */
  launched(): Record<string, Float64Array> {
    return Object.fromEntries(this.#launched);
  }

  restoreLaunched(launched: Readonly<Record<string, Float64Array>>): void {
    this.#launched = new Map(Object.entries(launched));
  }
}

/** @param level the first of the d coefficients; the others are 0 */
export function interceptOnly(dimensions: number, level: number): Float64Array {
  return new Float64Array(dimensions).fill(level, 0, 1);
}
