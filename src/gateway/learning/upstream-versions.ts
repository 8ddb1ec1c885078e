import type { Arm } from '../../domain/arm.ts';
import type { SnapshotChangedEvent, StoredEvent } from '../../domain/events.ts';

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
  /** Names that answers were known to bear, the latest last: what was learned is of that one. */
  names: readonly string[];
  /** Another one, and how many answers in a row have borne it. */
  other: string | null;
  inARow: number;
}

interface Version {
  upstreamModel: string;
  /** Whether an answer of it has come since it is that. */
  hasAnswered: boolean;
  served: Served;
  changes: SnapshotChange[];
}

/** So many answers in a row under another name are a change: upstreams that roll a model out serve both for a while. */
const ANSWERS_OF_ANOTHER = 20;
/** So many that no event came of are history, of before changes were looked for: what was learned is of the new name too. */
const ANSWERS_OF_OLD = 200;
const MAX_NAMES = 50;
const UNKNOWN: Served = { names: [], other: null, inARow: 0 };

export type UpstreamVersionsState = [arm: string, version: Version][];

/**
 * Of which upstream model each arm's state was learned. The first answer says it, and later an event, so that answers
 * which were under way at a change do not undo it.
 */
export class UpstreamVersions {
  #arms = new Map<string, Version>();

  /** An answer has come of this upstream model. @param servedModel the name that it bears, if it does */
  answered(arm: string, upstreamModel: string, servedModel: string | null): void {
    const version = this.#arms.get(arm) ?? { upstreamModel, hasAnswered: true, served: UNKNOWN, changes: [] };
    this.#arms.set(arm, version);
    // One that was under way when the config changed says nothing of the new model.
    if (version.upstreamModel !== upstreamModel) return;
    version.hasAnswered = true;
    if (servedModel === null) return;
    const { names, other, inARow } = version.served;
    const more = other === servedModel ? inARow + 1 : 1;
    if (names.length === 0 || more >= ANSWERS_OF_OLD) version.served = knownBy(names, servedModel);
    // Back to a name that was there before is none: a router behind one name would be a new model every day.
    else if (!names.includes(servedModel)) version.served = { names, other: servedModel, inARow: more };
    else if (other !== null) version.served = { ...UNKNOWN, names };
  }

  /** @returns false when the state is not of `from`: of two processes that saw the same change the second alters nothing */
  change({ model, seenBy, from, to, time, sequence, remains }: StoredEvent<SnapshotChangedEvent>): boolean {
    const version = this.#arms.get(model);
    if (!version) return false;
    const { upstreamModel, hasAnswered, served } = version;
    if ((seenBy === 'answers' ? served.names.at(-1) : upstreamModel) !== from) return false;
    const changes = [...version.changes, { from, to, time, sequence, remains }];
    if (seenBy === 'answers')
      this.#arms.set(model, { upstreamModel, hasAnswered, served: knownBy(served.names, to), changes });
    else this.#arms.set(model, { upstreamModel: to, hasAnswered: false, served: UNKNOWN, changes });
    return true;
  }

  /** An answer has told of which upstream model the arm's state is. */
  isKnown(arm: string): boolean {
    return this.#arms.has(arm);
  }

  /** What is left now of a lesson whose decision has this number: whatever it taught was of the model of that time. */
  shareLeft(arm: string, sequence: number): number {
    const changes = this.#arms.get(arm)?.changes ?? [];
    return changes.reduce((share, change) => (change.sequence > sequence ? share * change.remains : share), 1);
  }

  lastChange(arm: string): SnapshotChange | null {
    return this.#arms.get(arm)?.changes.at(-1) ?? null;
  }

  /**
   * The events of arms whose upstream model is another one than what was learned is of. A name that nothing was learned under
   * costs nothing to leave: a slip that is corrected at once does not count twice. @param now as `time`
   */
  changesDue(arms: readonly Arm[], remains: number, now: number): SnapshotChangedEvent[] {
    return arms.flatMap(({ id, upstreamModel: to }) => {
      const version = this.#arms.get(id);
      if (!version || version.upstreamModel === to) return [];
      const { upstreamModel: from, hasAnswered } = version;
      const left = hasAnswered ? remains : 1;
      return [{ type: 'snapshot_changed', decisionId: null, time: now, model: id, from, to, remains: left }];
    });
  }

  /** The events of arms whose answers have borne another name for long. @param now as `time` */
  servedChangesDue(remains: number, now: number): SnapshotChangedEvent[] {
    return [...this.#arms].flatMap(([model, { served }]) => {
      const { names, other: to, inARow } = served;
      const from = names.at(-1);
      if (from === undefined || to === null || inARow < ANSWERS_OF_ANOTHER) return [];
      return [
        { type: 'snapshot_changed', decisionId: null, time: now, model, seenBy: 'answers' as const, from, to, remains },
      ];
    });
  }

  /** As if the arm had never answered. */
  forget(arm: string): void {
    this.#arms.delete(arm);
  }

  state(): UpstreamVersionsState {
    return [...this.#arms];
  }

  restore(state: UpstreamVersionsState): void {
    this.#arms = new Map(state);
  }
}

function knownBy(names: readonly string[], latest: string): Served {
  return { ...UNKNOWN, names: [...names.filter((name) => name !== latest), latest].slice(-MAX_NAMES) };
}
