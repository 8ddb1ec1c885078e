import type { CompletedEvent, DecidedEvent, GatewayEvent, RatedEvent, StoredEvent } from '../../domain/events.ts';
import { activeRatings } from '../../domain/ratings.ts';
import type { EventReader } from '../../store/event-store.ts';

/** Everything that the log contains about one decision. */
export interface DecisionRecord {
  decided: DecidedEvent;
  /** Null while the request runs, or when the gateway stopped before the request ended. */
  completed: CompletedEvent | null;
  /** The rating of each source that counts. */
  ratings: RatedEvent[];
}

/** A period in which decisions were made, in milliseconds since the Unix epoch. */
export interface Period {
  /** Inclusive. */
  since?: number;
  /** Exclusive. */
  until?: number;
}

const BATCH = 1000;

/**
 * The decisions of a period together with everything that followed, whenever it arrived, in order of completion;
 * uncompleted ones come last. Events logged after the reading has begun are ignored. Ratings arrive late, so they are
 * read first, in a separate pass: only they and the open requests are held in memory.
 * @param onBatch called after every 1,000 events with the share of the reading that is done, 0..1
 */
export async function* readDecisions(
  log: EventReader,
  period: Period = {},
  onBatch: (share: number) => void = () => {},
): AsyncGenerator<DecisionRecord> {
  const last = await log.lastSequence();
  const ratingEvents = new Map<string, GatewayEvent[]>();
  for await (const event of readEvents(log, last, (share) => onBatch(share / 2))) {
    if (event.type !== 'rated' && event.type !== 'withdrawn') continue;
    const known = ratingEvents.get(event.decisionId);
    if (known) known.push(event);
    else ratingEvents.set(event.decisionId, [event]);
  }
  const pending = new Map<string, DecidedEvent>();
  const recordOf = (decided: DecidedEvent, completed: CompletedEvent | null) => ({
    decided,
    completed,
    ratings: activeRatings(ratingEvents.get(decided.decisionId) ?? []),
  });
  for await (const event of readEvents(log, last, (share) => onBatch(0.5 + share / 2))) {
    if (event.type === 'decided' && isWithin(event.time, period)) pending.set(event.decisionId, event);
    if (event.type !== 'completed') continue;
    const decided = pending.get(event.decisionId);
    if (!decided) continue;
    pending.delete(event.decisionId);
    yield recordOf(decided, event);
  }
  for (const decided of pending.values()) yield recordOf(decided, null);
}

/**
 * Returns the events up to the number `last`, in order.
 * @param onBatch as in `readDecisions`
 */
export async function* readEvents(
  log: EventReader,
  last: number,
  onBatch: (share: number) => void,
): AsyncGenerator<StoredEvent> {
  let sequence = 0;
  while (sequence < last) {
    const events = await log.readAfter(sequence, BATCH);
    if (events.length === 0) return;
    for (const event of events) {
      if (event.sequence <= last) yield event;
    }
    sequence = events[events.length - 1].sequence;
    if (events.length === BATCH) onBatch(Math.min(1, sequence / last));
  }
}

export function isWithin(time: number, { since, until }: Period): boolean {
  return time >= (since ?? Number.NEGATIVE_INFINITY) && time < (until ?? Number.POSITIVE_INFINITY);
}
