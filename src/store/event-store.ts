import type { GatewayEvent, StoredEvent } from '../domain/events.ts';

export interface Snapshot {
  /** Number of the last event whose effects it holds. */
  sequence: number;
  body: Uint8Array;
}

/** What may be deleted: decisions whose every event is older than `time` and not numbered above `sequence`. */
export interface PruneBefore {
  /** Milliseconds since the Unix epoch. */
  time: number;
  sequence: number;
  /** Milliseconds since the Unix epoch. Events that are later still come of a clock that was ahead. */
  now?: number;
}

/**
 * The storage was written by a newer version of the gateway, or belongs to another application. No retry will make it
 * usable; the message says what will.
 */
export class UnusableStorageError extends Error {}

/**
 * The append-only log and its snapshots. All state is a fold over the log. Every method rejects when the storage
 * fails; nothing is half done then.
 */
export interface EventStore {
  /**
   * Appends in the given order, all or none; durable (survives a power cut) once resolved. Some events are not
   * written a second time: a rating whose idempotency key was already used for its decision, a decision, its end, and
   * the same drift alarm. The earlier event is returned in their place. So a commit whose outcome is unknown may be
   * tried again. Other events of models are written each time; the learner's fold ignores the second.
   * @param events none: checks whether the store can write
   */
  append(events: readonly GatewayEvent[]): Promise<StoredEvent[]>;
  /** Returns up to `limit` events with higher numbers, in order. */
  readAfter(sequence: number, limit: number): Promise<StoredEvent[]>;
  /**
   * Returns all events of one decision in order; none when it is unknown.
   * @param id of the decision, of the completion that answered it, or of a rating of it
   * @param key whose decision is sought. Of several decisions with the same completion id, this key's newest comes
   * before all others; null: the newest of all
   */
  findDecision(id: string, key?: string | null): Promise<StoredEvent[]>;
  /** Number of the newest event, 0 for an empty log. */
  lastSequence(): Promise<number>;
  /**
   * Deletes old decisions with all their events, oldest first. Events that belong to no decision stay, and so does
   * the newest event of all.
   * @param limit most decisions to delete
   * @returns number of deleted events; 0 when nothing more is old enough
   */
  prune(before: PruneBefore, limit: number): Promise<number>;
  /** Takes the body over: it is empty afterwards. Only the four names that were saved last are kept. */
  saveSnapshot(name: string, snapshot: Snapshot): Promise<void>;
  loadSnapshot(name: string): Promise<Snapshot | null>;
  /** Waits for calls under way, then closes. */
  close(): Promise<void>;
}

/** The log, for code that only reads it. */
export type EventReader = Pick<EventStore, 'readAfter' | 'lastSequence' | 'close'>;
