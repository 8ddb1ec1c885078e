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

/** What the upstream's answers say of themselves: `gpt-5` may be answered by `gpt-5-2026-08-07`, and one day by another. */
interface Served {
  /** The name that what was learned is of; null before the first answer that bears one. */
  name: string | null;
  /** Another one, and how many answers in a row have borne it. */
  other: string | null;
  inARow: number;
}

interface Snapshot {
  upstreamModel: string;
  served: Served;
  changes: SnapshotChange[];
}

/** So many answers in a row under another name are a change: upstreams that roll a model out serve both for a while. */
const ANSWERS_OF_ANOTHER = 20;
const UNKNOWN: Served = { name: null, other: null, inARow: 0 };

export type UpstreamSnapshotsState = [arm: string, snapshot: Snapshot][];

/**
 * Of which upstream model each arm's state was learned. The first answer says it, and later an event, so that answers
 * which were under way at a change do not undo it.
 */
export class UpstreamSnapshots {
  #arms = new Map<string, Snapshot>();

  /** An answer has come of this upstream model. @param servedModel the name that it bears, if it does */
  answered(arm: string, upstreamModel: string, servedModel: string | null): void {
    const snapshot = this.#arms.get(arm) ?? { upstreamModel, served: UNKNOWN, changes: [] };
    this.#arms.set(arm, snapshot);
    // One that was under way when the config changed says nothing of the new model.
    if (servedModel === null || snapshot.upstreamModel !== upstreamModel) return;
    const { name, other, inARow } = snapshot.served;
    if (name === null || name === servedModel) {
      if (name === null || other !== null) snapshot.served = { ...UNKNOWN, name: servedModel };
    } else snapshot.served = { name, other: servedModel, inARow: other === servedModel ? inARow + 1 : 1 };
  }

  /** @returns false when the state is not of `from`: of two processes that saw the same change the second alters nothing */
  change({ model, seenBy, from, to, time, sequence, remains }: StoredEvent<SnapshotChangedEvent>): boolean {
    const snapshot = this.#arms.get(model);
    if (!snapshot) return false;
    const { upstreamModel, served } = snapshot;
    if ((seenBy === 'answers' ? served.name : upstreamModel) !== from) return false;
    const changes = [...snapshot.changes, { from, to, time, sequence, remains }];
    if (seenBy === 'answers') this.#arms.set(model, { upstreamModel, served: { ...UNKNOWN, name: to }, changes });
    else this.#arms.set(model, { upstreamModel: to, served: UNKNOWN, changes });
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

  /** The events of arms whose answers have borne another name for long. @param now as `time` */
  servedChangesDue(remains: number, now: number): SnapshotChangedEvent[] {
    return [...this.#arms].flatMap(([model, { served }]) => {
      const { name: from, other: to, inARow } = served;
      if (from === null || to === null || inARow < ANSWERS_OF_ANOTHER) return [];
      return [
        { type: 'snapshot_changed', decisionId: null, time: now, model, seenBy: 'answers' as const, from, to, remains },
      ];
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
