import type { EventStore } from '../../store/event-store.ts';
import type { Clock } from '../../util/clock.ts';
import { messageOf } from '../../util/message-of.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { LearnerState } from './learner-state.ts';

const EVERY = { events: 500, ms: 60_000 };

export interface SnapshotsParts {
  store: EventStore;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
}

/**
 * A separate name for each feature map, warm start and version of the fold, so that a return to earlier settings finds
 * what was learned under them.
 */
export function snapshotName(state: Pick<LearnerState, 'foldKey'>): string {
  return `learner/${state.foldKey}`;
}

/** Saves what the learner knew at a given place in the log, so that a restart need not fold everything before it. */
export class Snapshots {
  readonly #parts: SnapshotsParts;
  #last = { sequence: 0, at: 0 };
  #savedUpTo = 0;

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
  }

  /** Sequence number of the last event in a snapshot that a restart can begin with; 0 if there is none. */
  get savedUpTo(): number {
    return this.#savedUpTo;
  }

  /** Starts the clock for the next snapshot. */
  begin(): void {
    this.#last.at = this.#parts.clock.monotonic();
  }

  /**
   * Loads the last snapshot into a fresh state, if there is one that fits.
   * @returns false when the state was corrupted by the attempt, so that the log must be folded into another one
   */
  async load(state: LearnerState): Promise<boolean> {
    const { store, log, metrics } = this.#parts;
    const snapshot = await store.loadSnapshot(snapshotName(state));
    // Read after the snapshot, because another gateway on the log may save a snapshot at any time.
    const lastSequence = await store.lastSequence();
    if (!snapshot) {
      // A shorter log has never been long enough for a snapshot.
      if (lastSequence >= EVERY.events) {
        log.info(
          'There is no snapshot of the learner with these features, warm start and version; it is rebuilt from the log.',
        );
      }
      return true;
    }
    if (snapshot.sequence > lastSequence) {
      log.warn("The learner's snapshot belongs to another event log; the learner is rebuilt from this one.");
      return true;
    }
    try {
      state.deserialise(snapshot.body, snapshot.sequence);
      this.#last.sequence = snapshot.sequence;
      this.#savedUpTo = snapshot.sequence;
      return true;
    } catch (error) {
      metrics.snapshotsRejected.inc();
      log.error(
        { reason: messageOf(error) },
        "The learner's snapshot is damaged and was set aside. The learner is rebuilt from the log, and the next snapshot replaces it. If this happens again, check the disk.",
      );
    }
    return false;
  }

  /** @param everyMs time since the last snapshot after which the next one is due */
  async saveWhenDue(state: LearnerState, everyMs = EVERY.ms): Promise<void> {
    const elapsed = this.#parts.clock.monotonic() - this.#last.at;
    if (state.sequence - this.#last.sequence >= EVERY.events && elapsed >= everyMs) await this.#save(state);
  }

  /** Saves whatever is not in the last snapshot: at shutdown, and before old events are deleted. */
  async saveLast(state: LearnerState): Promise<void> {
    if (state.sequence > this.#savedUpTo) await this.#save(state);
  }

  /** Forgets the saved snapshot, because it comes from a state that was replaced, perhaps from another log. */
  forget(): void {
    this.#last = { sequence: 0, at: this.#parts.clock.monotonic() };
    this.#savedUpTo = 0;
  }

  async #save(state: LearnerState): Promise<void> {
    const { store, clock, log } = this.#parts;
    this.#last = { sequence: state.sequence, at: clock.monotonic() };
    const snapshot = { sequence: state.sequence, body: state.serialise() };
    const last = this.#last;
    try {
      await store.saveSnapshot(snapshotName(state), snapshot);
      // The snapshot may have been forgotten while it was being saved.
      if (this.#last === last) this.#savedUpTo = snapshot.sequence;
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'The snapshot could not be saved; a restart will read more of the log.');
    }
  }
}
