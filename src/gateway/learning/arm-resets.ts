import type { DriftedEvent, ModelResetEvent, StoredEvent } from '../../domain/events.ts';

/** A drift alarm's reset of an arm: the number of its event, when and why it came, and the share that counts since. */
export type DriftReset = Pick<
  StoredEvent<DriftedEvent>,
  'sequence' | 'time' | 'direction' | 'statistic' | 'threshold' | 'remains'
>;

export interface ArmResetsState {
  /** Those since the arm's last reset by an admin. */
  driftResets: [arm: string, DriftReset[]][];
  /** Number of the last reset by an admin. */
  resets: [arm: string, number][];
}

/**
 * What was taken from what the arms had learned: all of it when an admin made an arm new, a share when its ratings had
 * drifted. Events are known by their numbers in the log.
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
  drifted({ model, sequence, time, direction, statistic, threshold, remains }: StoredEvent<DriftedEvent>): void {
    const reset: DriftReset = { sequence, time, direction, statistic, threshold, remains };
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

  /** What drift resets have left of a rating that was learned with this event. */
  shareLeft(arm: string, learnedAt: number): number {
    const resets = this.#byDrift.get(arm) ?? [];
    return resets.reduce((share, { sequence, remains }) => (sequence > learnedAt ? share * remains : share), 1);
  }

  state(): ArmResetsState {
    return { driftResets: [...this.#byDrift], resets: [...this.#byAdmin] };
  }

  restore({ driftResets, resets }: ArmResetsState): void {
    this.#byDrift = new Map(driftResets);
    this.#byAdmin = new Map(resets);
  }
}
