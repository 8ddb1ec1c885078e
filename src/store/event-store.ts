import type { GatewayEvent, StoredEvent } from '../domain/events.ts';

export interface Snapshot {
  /** Sequence number of the last event whose effects the snapshot holds. */
  sequence: number;
  body: Uint8Array;
}

/** What may be deleted: decisions all of whose events are older than `time` and not numbered above `sequence`. */
export interface PruneBefore {
  /** Milliseconds since the Unix epoch. */
  time: number;
  sequence: number;
  /** Milliseconds since the Unix epoch. Events with a later time were written by a clock that was ahead. */
  now?: number;
}

/**
 * The storage was written by a newer version of the gateway, or belongs to another application. No retry will make it
 * usable; the message says what will.
 */
export class UnusableStorageError extends Error {}

/**
 * The append-only log and its snapshots. All state is a fold over the log. Every method rejects when the storage fails,
 * and then leaves nothing half done.
 */
export interface EventStore {
  /**
   * Appends the events in the given order, all or none; once resolved, they are durable (survive a power cut). Some
   * events are not written a second time: a decision, its end, a rating whose idempotency key was already used for its
   * decision, a withdrawal, and the same drift alarm. The earlier event is returned in their place, so a commit whose
   * outcome is unknown may be retried. Other model events are written each time; the learner's fold ignores the second.
   * The only change to an earlier event: a withdrawal erases the comment of the rating.
   * @param events if empty, only checks whether the store can write
   */
  append(events: readonly GatewayEvent[]): Promise<StoredEvent[]>;
  /** Returns up to `limit` events with higher numbers, in order. */
  readAfter(sequence: number, limit: number): Promise<StoredEvent[]>;
  /**
   * Returns all events of one decision in order; none if it is unknown.
   * @param id id of the decision, of the completion that answered it, or of a rating of it
   * @param key name of the key whose decision is sought. If several decisions have the same completion id, this key's
   * newest is preferred; with null, the newest of all is returned
   */
  findDecision(id: string, key?: string | null): Promise<StoredEvent[]>;
  /** Number of the newest event, 0 for an empty log. */
  lastSequence(): Promise<number>;
  /**
   * Deletes old decisions with all their events, oldest first. Events that belong to no decision stay, and so does the
   * newest event of all. What is deleted is overwritten, by the time that nothing more is old enough. Exceptions are
   * listed in docs/production.md, "The size of the log".
   * @param limit maximum number of decisions to delete
   * @returns number of deleted events; 0 when nothing more is old enough
   */
  prune(before: PruneBefore, limit: number): Promise<number>;
  /** Takes ownership of the body, which may be empty afterwards. Only the four most recently saved names are kept. */
  saveSnapshot(name: string, snapshot: Snapshot): Promise<void>;
  loadSnapshot(name: string): Promise<Snapshot | null>;
  /** Waits for calls under way, then closes. */
  close(): Promise<void>;
}

/** The log, for code that only reads it. */
export type EventReader = Pick<EventStore, 'readAfter' | 'lastSequence' | 'close'>;
