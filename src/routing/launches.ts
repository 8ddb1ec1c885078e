import { LAUNCH } from '../bandit/defaults.ts';
import type { Launch } from '../bandit/policy.ts';

/** How far an arm has come that was added when others were already known. */
export interface LaunchProgress {
  /** Forced tries, and what they cost in USD (predicted until the answer is there). */
  tries: number;
  spentUsd: number;
  /** Answers in all. */
  answers: number;
}

export interface LaunchLimits {
  tries: number;
  /** USD that an arm's forced tries may cost. */
  budgetUsd: number;
}

export type LaunchesState = Record<string, LaunchProgress>;

/** The arms that were launched, and how many of their forced tries they have had. */
export class Launches {
  #arms = new Map<string, LaunchProgress>();

  /** @returns false when the arm was launched before */
  begin(arm: string): boolean {
    if (this.#arms.has(arm)) return false;
    this.#arms.set(arm, { tries: 0, spentUsd: 0, answers: 0 });
    return true;
  }

  progressOf(arm: string): LaunchProgress | null {
    return this.#arms.get(arm) ?? null;
  }

  /** What the policy is to know; null for an arm that was never launched. */
  launchOf(arm: string, limits: LaunchLimits): Launch | null {
    const progress = this.#arms.get(arm);
    if (!progress) return null;
    const { tries, spentUsd, answers } = progress;
    return { wide: answers < LAUNCH.wideAnswers, forced: tries < limits.tries && spentUsd < limits.budgetUsd };
  }

  /** A forced try begins. @param predictedUsd what it is expected to cost */
  tried(arm: string, predictedUsd: number): void {
    const progress = this.#arms.get(arm);
    if (!progress) return;
    progress.tries++;
    progress.spentUsd += predictedUsd;
  }

  /** A forced try has ended. @param surpriseUsd what it cost less what was predicted */
  settled(arm: string, surpriseUsd: number): void {
    const progress = this.#arms.get(arm);
    if (progress) progress.spentUsd += surpriseUsd;
  }

  /** The arm has answered, forced or not. */
  answered(arm: string): void {
    const progress = this.#arms.get(arm);
    if (progress) progress.answers++;
  }

  /** As if the arm had never been launched. */
  forget(arm: string): void {
    this.#arms.delete(arm);
  }

  state(): LaunchesState {
    return Object.fromEntries(this.#arms);
  }

  restore(state: LaunchesState): void {
    this.#arms = new Map(Object.entries(state));
  }
}
