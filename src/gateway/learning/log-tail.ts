import { LRUCache } from 'lru-cache';
import type { StoredEvent } from '../../domain/events.ts';
import type { EventStore } from '../../store/event-store.ts';

const READ_BATCH = 500;
/**
 * The maximum number of newly written events that are kept for folding; any beyond that are read back like all others.
 */
const MAX_FRESH_EVENTS = 2000;
/** Number of decisions whose events are kept in memory; the events of others are looked up. */
const RECENT_DECISIONS = 1000;

/** Distinguishes an event from those of other logs. */
export type PlaceInLog = Pick<StoredEvent, 'sequence' | 'decisionId' | 'type' | 'time'>;

/** Events by decision, so that most events can be folded without a look-up. Each folding of the log keeps its own. */
export type RecentDecisions = LRUCache<string, StoredEvent[]>;

export function recentDecisions(): RecentDecisions {
  return new LRUCache({ max: RECENT_DECISIONS });
}

/** The end of the event log, for those who fold it. Events that this process has just written come from memory. */
export class LogTail {
  readonly #store: EventStore;
  /** In the order of the log. */
  #fresh: StoredEvent[] = [];

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** Keeps events that this process has just written, so that they need not be read back. */
  written(events: readonly StoredEvent[]): void {
    if (this.#fresh.length + events.length <= MAX_FRESH_EVENTS) this.#fresh.push(...events);
  }

  /**
   * Takes the events that follow the given number without a gap. A gap means that another process has written events.
   */
  takeFresh(sequence: number): StoredEvent[] {
    // A rating that was already there is returned with its old number.
    const fresh = this.#fresh.filter((event) => event.sequence > sequence);
    let length = 0;
    while (length < fresh.length && fresh[length].sequence === sequence + length + 1) length++;
    this.#fresh = fresh.slice(length);
    return fresh.slice(0, length);
  }

  /** Drops the events in memory, because the log has been replaced. */
  forgetFresh(): void {
    this.#fresh = [];
  }

  /**
   * Whether exactly this event is at its number, or was there until it was pruned. A different event there means a
   * different log.
   */
  async holds({ sequence, decisionId, type, time }: PlaceInLog): Promise<boolean> {
    const [stored] = await this.#store.readAfter(sequence - 1, 1);
    if (!stored) return false;
    // The event was pruned: there is no other reason for a gap in the numbers.
    if (stored.sequence > sequence) return true;
    // A row that has been damaged in the meantime says nothing about its log.
    if (stored.type === 'unreadable') return true;
    // The time is compared too, because model events belong to no decision.
    return stored.decisionId === decisionId && stored.type === type && stored.time === time;
  }

  read(sequence: number): Promise<StoredEvent[]> {
    return this.#store.readAfter(sequence, READ_BATCH);
  }

  /** The earlier events of the same decision, in order. */
  async historyOf(event: StoredEvent, recent: RecentDecisions): Promise<StoredEvent[]> {
    if (event.type === 'decided' || event.decisionId === null) return [];
    const events = recent.get(event.decisionId) ?? (await this.#store.findDecision(event.decisionId));
    return events.filter(({ sequence }) => sequence < event.sequence);
  }
}
