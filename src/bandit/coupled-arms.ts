import type { Vector } from '../util/linear-algebra.ts';
import { type CoupledArm, isBlank, levelLoading, newArm } from './coupled-arm.ts';
import type { CoupledModelOptions } from './defaults.ts';

/** What is assumed about an arm before it has data of its own. */
export interface ArmPrior {
  /** m0: length d. */
  mean: Vector;
  /** Variance of the arm's own intercept. Absent: the one that all arms have. */
  interceptVariance?: number;
}

/**
 * The arms of a coupled model and their priors: those with observations, and those without that were asked about. An
 * arm takes 2 d² numbers, so one that is only named, or gone, is not here: it is made of its prior when it is asked
 * about, the same to the bit each time.
 */
export class CoupledArms {
  readonly #options: CoupledModelOptions;
  readonly #arms = new Map<string, CoupledArm>();
  #priors: ReadonlyMap<string, ArmPrior> = new Map();
  #otherPrior: ArmPrior;
  /** In order of their ids; null after one came or went. */
  #sorted: readonly CoupledArm[] | null = null;

  /** @param defaultPriorMean m0 of arms without a prior of their own */
  constructor(options: CoupledModelOptions, defaultPriorMean: Vector) {
    this.#options = options;
    this.#otherPrior = { mean: defaultPriorMean };
  }

  /**
   * Sets the priors of arms to come, and drops those without observations, which were made of the earlier ones.
   * @param other of all arms that are not named; absent: as before
   * @returns the ids of those that were dropped
   */
  setPriors(priors: ReadonlyMap<string, ArmPrior>, other: ArmPrior = this.#otherPrior): string[] {
    this.#priors = new Map(priors);
    this.#otherPrior = other;
    return this.dropBlank();
  }

  /** m0 and the diagonal of P1 of this arm, by the priors that were set last. */
  priorOf(id: string): { mean: Vector; precision: Vector } {
    const { noiseVariance, ownVariance } = this.#options;
    const { mean, interceptVariance: intercept = ownVariance.intercept } = this.#priors.get(id) ?? this.#otherPrior;
    return { mean, precision: precisions(mean.length, noiseVariance, { ...ownVariance, intercept }) };
  }

  /** The arm if it is here. */
  get(id: string): CoupledArm | undefined {
    return this.#arms.get(id);
  }

  /** The arm; a new one if it is not here. */
  of(id: string): CoupledArm {
    let arm = this.#arms.get(id);
    if (!arm) {
      const { mean, precision } = this.priorOf(id);
      arm = newArm(mean, precision);
      arm.loading = this.loadingOf(arm);
      this.#arms.set(id, arm);
      this.#sorted = null;
    }
    return arm;
  }

  loadingOf(arm: Parameters<typeof levelLoading>[0]): number {
    return this.#options.levelLoadings ? levelLoading(arm) : 1;
  }

  drop(id: string): void {
    this.#arms.delete(id);
    this.#sorted = null;
  }

  /** @returns the ids of those that were dropped */
  dropBlank(): string[] {
    const blank = [...this.#arms].filter(([, arm]) => isBlank(arm)).map(([id]) => id);
    for (const id of blank) this.drop(id);
    return blank;
  }

  /** Those with observations, in the order in which they came. */
  observed(): [string, CoupledArm][] {
    return [...this.#arms].filter(([, arm]) => !isBlank(arm));
  }

  /**
   * All that are here, in order of their ids: a floating-point sum depends on its order, and the order in which they
   * came does not survive a restart.
   */
  inOrder(): readonly CoupledArm[] {
    this.#sorted ??= [...this.#arms.keys()].sort().map((id) => this.#arms.get(id) as CoupledArm);
    return this.#sorted;
  }

  /** Replaces all arms; the priors stay. */
  restore(arms: Readonly<Record<string, CoupledArm>>): void {
    this.#arms.clear();
    for (const [id, arm] of Object.entries(arms)) this.#arms.set(id, arm);
    this.#sorted = null;
  }
}

/** Diagonal of σ²V⁻¹ for a prior with these variances. */
export function precisions(d: number, noise: number, variance: { intercept: number; slope: number }): Vector {
  return new Float64Array(d).fill(noise / variance.slope).fill(noise / variance.intercept, 0, 1);
}
