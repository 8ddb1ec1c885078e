import type { DriftedEvent, ModelResetEvent, StoredEvent } from '../../domain/events.ts';

/**
 * A drift alarm: the sequence number of its event, when and why it was raised, and the share of what was learned that
 * remains.
 */
export type DriftReset = Pick<
  StoredEvent<DriftedEvent>,
  'sequence' | 'time' | 'direction' | 'statistic' | 'threshold' | 'remains' | 'changedAt'
>;

export interface ArmResetsState {
  /** Drift resets since an admin last reset the arm. */
  driftResets: [arm: string, DriftReset[]][];
  /** Sequence number of the last reset by an admin. */
  resets: [arm: string, number][];
}

/**
 * What was removed from the arms' knowledge: all of it when an admin reset an arm; its level and a share of the rest
 * when its ratings drifted. Events are identified by their sequence numbers in the log.
 */
export class ArmResets {
  #byAdmin = new Map<string, number>();
  #byDrift = new Map<string, DriftReset[]>();

  /** Notes that an admin has reset the arm. */
  reset({ model, sequence }: StoredEvent<ModelResetEvent>): void {
    this.#byAdmin.set(model, sequence);
    this.#byDrift.delete(model);
  }

  /**
   * Whether the decision with this sequence number teaches nothing about the arm, because an admin has reset it since.
   */
  isForgotten(arm: string, decidedAt: number): boolean {
    return decidedAt < (this.#byAdmin.get(arm) ?? 0);
  }

  /**
   * Whether the alarm dates from before the arm's last reset: two processes may see the same drift, or an admin may
   * have reset the arm first.
   */
  isOutdated({ model, at }: DriftedEvent): boolean {
    const resets = this.#byDrift.get(model) ?? [];
    return resets.some(({ sequence }) => sequence > at) || this.isForgotten(model, at);
  }

  /** Notes that the arm's ratings drifted; the event says what share of what they taught remains. */
  drifted(event: StoredEvent<DriftedEvent>): void {
    const { model, sequence, time, direction, statistic, threshold, remains, changedAt } = event;
    const reset: DriftReset = { sequence, time, direction, statistic, threshold, remains, changedAt };
    this.#byDrift.set(model, [...(this.#byDrift.get(model) ?? []), reset]);
  }

  /** Whether the arm has drifted since it was new. */
  hasDrifted(arm: string): boolean {
    return this.#byDrift.has(arm);
  }

  /** The last drift since the arm was new; null when there was none. */
  lastDrift(arm: string): DriftReset | null {
    return this.#byDrift.get(arm)?.at(-1) ?? null;
  }

  /**
   * Which drift alarms affect a rating, and what share of the rating they leave. An alarm affects the rating if it was
   * raised after the event with which the rating was learned, or if it is about a change after the answer was decided
   * on, however late the answer is rated.
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
