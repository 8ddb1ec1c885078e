import type { Arm } from '../../domain/arm.ts';
import type { SnapshotChangedEvent, StoredEvent } from '../../domain/events.ts';

/** A change of the upstream model behind an arm. */
export interface UpstreamModelChange {
  from: string;
  to: string;
  /** Time of the change in milliseconds since the epoch, and the sequence number of its event. */
  time: number;
  sequence: number;
  /** Share of what was learned before the change that still counts; above 1 if it undoes an earlier change. */
  remains: number;
  /** As in its event. */
  seenBy?: 'answers';
  /** True when `from` had not answered since it became the arm's upstream model. Absent: it had. */
  wasUnused?: true;
}

/**
 * The model name given in the answers: `gpt-5` may be answered by `gpt-5-2026-08-07`, and one day by another version.
 */
interface Served {
  /** Known names, the latest last: what was learned comes from the latest. */
  names: readonly string[];
  /** A different name, and how many answers in a row have borne it. */
  other: string | null;
  inARow: number;
}

interface Version {
  upstreamModel: string;
  /** Whether this upstream model has answered since it became the arm's, so that it has contributed to the state. */
  hasAnswered: boolean;
  served: Served;
  changes: UpstreamModelChange[];
}

/** This many answers in a row under another name are a change: during a rollout, upstreams serve both for a while. */
const ANSWERS_OF_ANOTHER = 20;
/**
 * This many answers in a row without a change event mean that the log is from before changes were detected: what was
 * learned then comes from the new name too.
 */
const ANSWERS_OF_OLD = 200;
const MAX_NAMES = 50;
const UNKNOWN: Served = { names: [], other: null, inARow: 0 };

export type UpstreamVersionsState = [arm: string, version: Version][];

/**
 * The upstream model that each arm's state was learned from. The first answer establishes it; after that only events
 * change it, so that answers that were under way at a change do not undo it.
 */
export class UpstreamVersions {
  #arms = new Map<string, Version>();

  /**
   * Notes an answer by this upstream model.
   * @param servedModel the model name given in the answer, if any
   */
  answered(arm: string, upstreamModel: string, servedModel: string | null): void {
    const version = this.#arms.get(arm) ?? { upstreamModel, hasAnswered: true, served: UNKNOWN, changes: [] };
    this.#arms.set(arm, version);
    // An answer that was under way when the config changed says nothing about the new model.
    if (version.upstreamModel !== upstreamModel) return;
    version.hasAnswered = true;
    if (servedModel === null) return;
    const { names, other, inARow } = version.served;
    const more = other === servedModel ? inARow + 1 : 1;
    if (names.length === 0 || more >= ANSWERS_OF_OLD) version.served = knownBy(names, servedModel);
    // A return to an earlier name is not a change: otherwise a router behind one name would be a new model every day.
    else if (!names.includes(servedModel)) version.served = { names, other: servedModel, inARow: more };
    else if (other !== null) version.served = { ...UNKNOWN, names };
  }

  /**
   * Applies the change.
   * @returns false when the arm's state was not learned from `from`: when two processes saw the same change, the second
   * event has no effect
   */
  change({ model, seenBy, from, to, time, sequence, remains }: StoredEvent<SnapshotChangedEvent>): boolean {
    const version = this.#arms.get(model);
    if (!version) return false;
    const { upstreamModel, hasAnswered, served } = version;
    if ((seenBy === 'answers' ? served.names.at(-1) : upstreamModel) !== from) return false;
    const change = { from, to, time, sequence, remains, ...(seenBy && { seenBy }) };
    const changes = [...version.changes, hasAnswered ? change : { ...change, wasUnused: true as const }];
    if (seenBy === 'answers')
      this.#arms.set(model, { upstreamModel, hasAnswered, served: knownBy(served.names, to), changes });
    // `remains > 1` undoes a change: what was learned under this name counts again.
    else this.#arms.set(model, { upstreamModel: to, hasAnswered: remains > 1, served: UNKNOWN, changes });
    return true;
  }

  /** Whether an answer has established the upstream model of the arm's state. */
  isKnown(arm: string): boolean {
    return this.#arms.has(arm);
  }

  /**
   * The share that is left of a lesson, given the changes of the model since its decision. A lesson of an earlier model,
   * which a gateway with another config still asked, counts as if it had been decided before the change from that model:
   * otherwise undoing that change would count it several times.
   * @param sequence number of its decision
   * @param upstreamModel the upstream model that answered; absent or null if that is not known
   */
  shareLeft(arm: string, sequence: number, upstreamModel?: string | null): number {
    const changes = this.#arms.get(arm)?.changes ?? [];
    const first = changes.findLastIndex((change) => change.sequence <= sequence) + 1;
    const since = changes.slice(leftBefore(changes.slice(0, first), upstreamModel ?? null) ?? first);
    // A change that undoes another must not raise the weight of a decision made between the two, nor make up for what a
    // later change takes from it.
    return since.reduce((left, { remains }) => Math.min(1, left * remains), 1);
  }

  lastChange(arm: string): UpstreamModelChange | null {
    return this.#arms.get(arm)?.changes.at(-1) ?? null;
  }

  /**
   * Returns events for the arms whose upstream model differs from the one that their state was learned from. Leaving a
   * name under which nothing was learned costs nothing, and going back, also through several such names, undoes what
   * the mistaken change cost.
   * @param now milliseconds since the epoch
   */
  changesDue(arms: readonly Arm[], remains: number, now: number): SnapshotChangedEvent[] {
    return arms.flatMap(({ id, upstreamModel: to }) => {
      const version = this.#arms.get(id);
      if (!version || version.upstreamModel === to) return [];
      const { upstreamModel: from, hasAnswered, changes } = version;
      const left = hasAnswered ? remains : 1 / lostSince(changes, to);
      return [{ type: 'snapshot_changed', decisionId: null, time: now, model: id, from, to, remains: left }];
    });
  }

  /**
   * Returns events for the arms whose answers have borne another name for long enough.
   * @param now milliseconds since the epoch
   */
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

  /** Resets the arm, as if it had never answered. */
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

/**
 * The share that is left since this upstream model was replaced, if none that came after it has answered; otherwise 1.
 */
function lostSince(changes: readonly UpstreamModelChange[], upstreamModel: string): number {
  let share = 1;
  for (const { from, remains, wasUnused } of changes.toReversed()) {
    share *= remains;
    if (from === upstreamModel) return share;
    if (!wasUnused) return 1;
  }
  return 1;
}

/** Place of the change from this upstream model to another one; null when there is none, or it has come back since. */
function leftBefore(changes: readonly UpstreamModelChange[], upstreamModel: string | null): number | null {
  const isConfigured = ({ seenBy }: UpstreamModelChange) => seenBy === undefined;
  const left = changes.findLastIndex((change) => isConfigured(change) && change.from === upstreamModel);
  const came = changes.findLastIndex((change) => isConfigured(change) && change.to === upstreamModel);
  return left > came ? left : null;
}

function knownBy(names: readonly string[], latest: string): Served {
  return { ...UNKNOWN, names: [...names.filter((name) => name !== latest), latest].slice(-MAX_NAMES) };
}
