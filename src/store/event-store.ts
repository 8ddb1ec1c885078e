import type { GatewayEvent, StoredEvent } from '../domain/events.ts';

export interface Snapshot {
  /** The last event that it holds the effects of. */
  sequence: number;
  body: Uint8Array;
}

/** What may be deleted: decisions of which nothing is as young as `time`, or numbered above `sequence`. */
export interface PruneBefore {
  /** Milliseconds since the Unix epoch. */
  time: number;
  sequence: number;
  /** Milliseconds since the Unix epoch. Events that are later still come of a clock that was ahead. */
  now?: number;
}

/** The storage was written by a newer version of the gateway: no waiting and no new try will make it readable. */
export class NewerSchemaError extends Error {}

/** The storage belongs to another application. */
export class ForeignStorageError extends Error {}

/**
 * The append-only log that all state is a fold over, and its snapshots.
 * Every method rejects when the storage fails; nothing is half done then.
 */
export interface EventStore {
  /**
   * Appends in the given order, all or none; durable (it would survive a power cut) once resolved.
   * A rating whose idempotency key was already used for its decision is not written again, nor are a decision and its end
   * or the same alarm of drift: the earlier event is returned in its place. So a commit of which nobody knows whether
   * it succeeded may be tried again. Other events of models are written each time; the learner's fold ignores the second.
   * @param events none: tells whether the store could take some
   */
  append(events: readonly GatewayEvent[]): Promise<StoredEvent[]>;
  /** Up to `limit` events with higher numbers, in their order. */
  readAfter(sequence: number, limit: number): Promise<StoredEvent[]>;
  /**
   * All events of one decision in their order; empty when there is none.
   * @param id of the decision, of the completion that answered it, or of a rating of it
   * @param key whose decision is sought: of those with the same completion id its newest goes before all others' (null:
   * the newest of all)
   */
  findDecision(id: string, key?: string | null): Promise<StoredEvent[]>;
  /** Number of the newest event, 0 for an empty log. */
  lastSequence(): Promise<number>;
  /**
   * Deletes old decisions with all that happened to them, the oldest first. Events that belong to no decision stay, and
   * so does the newest event of all.
   * @param limit decisions at the most
   * @returns how many events are gone; 0: nothing more is old enough
   */
  prune(before: PruneBefore, limit: number): Promise<number>;
  /** The body is handed over: nothing is in it afterwards. Of more than four names those that were saved last are kept. */
  saveSnapshot(name: string, snapshot: Snapshot): Promise<void>;
  loadSnapshot(name: string): Promise<Snapshot | null>;
  /** Waits for what is under way, then closes. */
  close(): Promise<void>;
}

/** The log for those who only look at it. */
export type EventReader = Pick<EventStore, 'readAfter' | 'lastSequence' | 'close'>;
