import type { Arm } from '../domain/arm.ts';
import type { SnapshotChangedEvent, StoredEvent } from '../domain/events.ts';

/** The last change of the upstream's model behind an arm. */
export interface SnapshotChange {
  from: string;
  to: string;
  /** Milliseconds since the epoch, and number of its event. */
  time: number;
  sequence: number;
  /** Share of what was learned before it that counts since. */
  remains: number;
}

interface Snapshot {
  upstreamModel: string;
  changes: SnapshotChange[];
}

export type UpstreamSnapshotsState = [arm: string, snapshot: Snapshot][];

/**
 * Of which upstream model each arm's state was learned. The first answer says it, and later an event, so that answers
 * which were under way at a change do not undo it.
 */
export class UpstreamSnapshots {
  #arms = new Map<string, Snapshot>();

  /** An answer has come of this upstream model. */
  answered(arm: string, upstreamModel: string): void {
    if (!this.#arms.has(arm)) this.#arms.set(arm, { upstreamModel, changes: [] });
  }

  /** @returns false when the state is not of `from`: of two processes that saw the same change the second alters nothing */
  change({ model, from, to, time, sequence, remains }: StoredEvent<SnapshotChangedEvent>): boolean {
    const snapshot = this.#arms.get(model);
    if (snapshot?.upstreamModel !== from) return false;
    const changes = [...snapshot.changes, { from, to, time, sequence, remains }];
    this.#arms.set(model, { upstreamModel: to, changes });
    return true;
  }

  /** What is left now of a lesson whose decision has this number: whatever it taught was of the model of that time. */
  shareLeft(arm: string, sequence: number): number {
    const changes = this.#arms.get(arm)?.changes ?? [];
    return changes.reduce((share, change) => (change.sequence > sequence ? share * change.remains : share), 1);
  }

  lastChange(arm: string): SnapshotChange | null {
    return this.#arms.get(arm)?.changes.at(-1) ?? null;
  }

  /** The events of arms whose upstream model is another one than what was learned is of. @param now as `time` */
  changesDue(arms: readonly Arm[], remains: number, now: number): SnapshotChangedEvent[] {
    return arms.flatMap(({ id, upstreamModel: to }) => {
      const from = this.#arms.get(id)?.upstreamModel ?? to;
      return from === to
        ? []
        : [{ type: 'snapshot_changed', decisionId: null, time: now, model: id, from, to, remains }];
    });
  }

  /** As if the arm had never answered. */
  forget(arm: string): void {
    this.#arms.delete(arm);
  }

  state(): UpstreamSnapshotsState {
    return [...this.#arms];
  }

  restore(state: UpstreamSnapshotsState): void {
    this.#arms = new Map(state);
  }
}
