import type { Vector } from '../util/linear-algebra.ts';
import { type CoupledArm, isBlank, levelLoading, newArm } from './coupled-arm.ts';
import type { CoupledModelOptions } from './defaults.ts';

/** What is assumed about an arm before it has any data. */
export interface ArmPrior {
  /** m0: length d. */
  mean: Vector;
  /** Variance of the arm's own intercept. Absent: the default for all arms. */
  interceptVariance?: number;
}

/**
 * The arms of a coupled model and their priors: arms with observations, and arms without any that were asked about. An
 * arm takes 2 d² numbers, so an arm that is only named in a prior, or is gone, is not kept: it is created from its
 * prior when it is asked about, bit-identical each time.
 */
export class CoupledArms {
  readonly #options: CoupledModelOptions;
  readonly #arms = new Map<string, CoupledArm>();
  #priors: ReadonlyMap<string, ArmPrior> = new Map();
  #otherPrior: ArmPrior;
  /** The arms in order of their ids; null after an arm was added or dropped. */
  #sorted: readonly CoupledArm[] | null = null;

  /** @param defaultPriorMean m0 of arms without a prior of their own */
  constructor(options: CoupledModelOptions, defaultPriorMean: Vector) {
    this.#options = options;
    this.#otherPrior = { mean: defaultPriorMean };
  }

  /**
   * Sets the priors of future arms, and drops the arms without observations, which were created from the earlier
   * priors.
   * @param other prior of all arms that are not named; if absent, unchanged
   * @returns the ids of the dropped arms
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

  /** The arm, if it is kept here. */
  get(id: string): CoupledArm | undefined {
    return this.#arms.get(id);
  }

  /** The arm; created if it is not kept here. */
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

  /** @returns the ids of the dropped arms */
  dropBlank(): string[] {
    const blank = [...this.#arms].filter(([, arm]) => isBlank(arm)).map(([id]) => id);
    for (const id of blank) this.drop(id);
    return blank;
  }

  /** The arms with observations, in the order in which they were added. */
  observed(): [string, CoupledArm][] {
    return [...this.#arms].filter(([, arm]) => !isBlank(arm));
  }

  /**
   * All arms kept here, in order of their ids: a floating-point sum depends on its order, and the order in which they
   * were added does not survive a restart.
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
