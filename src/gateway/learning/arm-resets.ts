import type { DriftedEvent, ModelResetEvent, StoredEvent } from '../../domain/events.ts';

/** An alarm of drift: the number of its event, when and why it came, and the share that counts since of what was learned. */
export type DriftReset = Pick<
  StoredEvent<DriftedEvent>,
  'sequence' | 'time' | 'direction' | 'statistic' | 'threshold' | 'remains' | 'changedAt'
>;

export interface ArmResetsState {
  /** Those since the arm's last reset by an admin. */
  driftResets: [arm: string, DriftReset[]][];
  /** Number of the last reset by an admin. */
  resets: [arm: string, number][];
}

/**
 * What was taken from what the arms had learned: all of it when an admin made an arm new, its level and a share of the rest
 * when its ratings had drifted. Events are known by their numbers in the log.
 */
export class ArmResets {
  #byAdmin = new Map<string, number>();
  #byDrift = new Map<string, DriftReset[]>();

  /** An admin has made the arm new. */
  reset({ model, sequence }: StoredEvent<ModelResetEvent>): void {
    this.#byAdmin.set(model, sequence);
    this.#byDrift.delete(model);
  }

  /** Whether what was decided with this event teaches nothing about the arm: an admin has made it new since. */
  isForgotten(arm: string, decidedAt: number): boolean {
    return decidedAt < (this.#byAdmin.get(arm) ?? 0);
  }

  /** Whether the alarm is of before the arm's last reset: two processes may see the same drift, or an admin be faster. */
  isOutdated({ model, at }: DriftedEvent): boolean {
    const resets = this.#byDrift.get(model) ?? [];
    return resets.some(({ sequence }) => sequence > at) || this.isForgotten(model, at);
  }

  /** The arm's ratings had drifted, and this share of what they taught remains. */
  drifted(event: StoredEvent<DriftedEvent>): void {
    const { model, sequence, time, direction, statistic, threshold, remains, changedAt } = event;
    const reset: DriftReset = { sequence, time, direction, statistic, threshold, remains, changedAt };
    this.#byDrift.set(model, [...(this.#byDrift.get(model) ?? []), reset]);
  }

  /** Whether there was such a reset since the arm was new. */
  hasDrifted(arm: string): boolean {
    return this.#byDrift.has(arm);
  }

  /** The last one since the arm was new; null where there was none. */
  lastDrift(arm: string): DriftReset | null {
    return this.#byDrift.get(arm)?.at(-1) ?? null;
  }

  /**
   * Alarms of drift since a rating was learned with this event, or of a change since the answer was decided on, however
   * late it is rated; and the share that they have left of it.
   */
  since(arm: string, learnedAt: number, decidedAt: number): { alarms: number; share: number } {
    const later = (this.#byDrift.get(arm) ?? []).filter(
      ({ sequence, changedAt = 0 }) => sequence > learnedAt || changedAt > decidedAt,
    );
    return { alarms: later.length, share: later.reduce((share, { remains }) => share * remains, 1) };
  }

  state(): ArmResetsState {
    return { driftResets: [...this.#byDrift], resets: [...this.#byAdmin] };
  }

  restore({ driftResets, resets }: ArmResetsState): void {
    this.#byDrift = new Map(driftResets);
    this.#byAdmin = new Map(resets);
  }
}
