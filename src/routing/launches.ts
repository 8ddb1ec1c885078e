import { LAUNCH } from '../bandit/defaults.ts';
import type { Launch } from '../bandit/policy.ts';
import { DAY_MS } from '../util/utc-day.ts';

/** The progress of an arm that was added when others were already known. */
export interface LaunchProgress {
  /** Number of forced tries, and their cost in USD (predicted until the answer has ended). */
  tries: number;
  spentUsd: number;
  /** Number of all answers, forced or not. */
  answers: number;
}

export interface LaunchLimits {
  tries: number;
  /** USD that an arm's forced tries may cost in total. */
  budgetUsd: number;
}

export type LaunchesState = Record<string, LaunchProgress>;

/**
 * A try that has not been folded after this time counts as lost, because the event log drops its oldest events if it
 * cannot be written for long. Much longer than most outages: all tries may be made again afterwards.
 */
const LOST_MS = DAY_MS;

/** The arms that were launched, with the number of forced tries that each has had. */
export class Launches {
  #arms = new Map<string, LaunchProgress>();
  /**
   * Forced tries of this process whose decisions have not been folded yet, by decision: they count against the limits,
   * which must hold while a failing store keeps everything from being folded. Not part of the state.
   */
  #unfolded = new Map<string, { arm: string; usd: number; at: number }>();

  /**
   * Begins the arm's launch.
   * @returns false when the arm was launched before
   */
  begin(arm: string): boolean {
    if (this.#arms.has(arm)) return false;
    this.#arms.set(arm, { tries: 0, spentUsd: 0, answers: 0 });
    return true;
  }

  progressOf(arm: string): LaunchProgress | null {
    return this.#arms.get(arm) ?? null;
  }

  /**
   * What the policy needs to know about the arm's launch, and the number of forced tries so far, folded or not; null for
   * an arm that was never launched. Drops tries that are lost.
   * @param now milliseconds since the epoch
   */
  launchOf(arm: string, limits: LaunchLimits, now: number): (Launch & { tries: number }) | null {
    const progress = this.#arms.get(arm);
    if (!progress) return null;
    let { tries, spentUsd } = progress;
    for (const [decisionId, unfolded] of this.#unfolded) {
      if (now - unfolded.at > LOST_MS) this.#unfolded.delete(decisionId);
      else if (unfolded.arm === arm) {
        tries++;
        spentUsd += unfolded.usd;
      }
    }
    const wide = progress.answers < LAUNCH.wideAnswers;
    return { tries, wide, forced: tries < limits.tries && spentUsd < limits.budgetUsd };
  }

  /**
   * Notes a forced try that this process has just decided on, until `tried` is called for its decision.
   * @param usd its predicted cost
   * @param at milliseconds since the epoch
   */
  reserve(decisionId: string, arm: string, usd: number, at: number): void {
    this.#unfolded.set(decisionId, { arm, usd, at });
  }

  /** Shares the tries that are not folded yet with the launches that these are about to replace. */
  shareUnfolded(other: Launches): void {
    this.#unfolded = other.#unfolded;
  }

  /**
   * Notes the start of a forced try.
   * @param predictedUsd its predicted cost
   * @param decisionId the decision that `reserve` was called for, if it was
   */
  tried(arm: string, predictedUsd: number, decisionId = ''): void {
    this.#unfolded.delete(decisionId);
    const progress = this.#arms.get(arm);
    if (!progress) return;
    progress.tries++;
    progress.spentUsd += predictedUsd;
  }

  /**
   * Notes the end of a forced try.
   * @param surpriseUsd its real cost minus the predicted one
   */
  settled(arm: string, surpriseUsd: number): void {
    const progress = this.#arms.get(arm);
    if (progress) progress.spentUsd += surpriseUsd;
  }

  /** Notes an answer of the arm, forced or not. */
  answered(arm: string): void {
    const progress = this.#arms.get(arm);
    if (progress) progress.answers++;
  }

  /**
   * Resets the arm, as if it had never been launched.
   * @param at the time of the reset: later tries belong to the next launch, even if an old log is folded again
   */
  forget(arm: string, at: number): void {
    this.#arms.delete(arm);
    for (const [decisionId, unfolded] of this.#unfolded) {
      if (unfolded.arm === arm && unfolded.at <= at) this.#unfolded.delete(decisionId);
    }
  }

  state(): LaunchesState {
    return Object.fromEntries(this.#arms);
  }

  restore(state: LaunchesState): void {
    this.#arms = new Map(Object.entries(state));
  }
}
