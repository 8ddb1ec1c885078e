import type { GatewayEvent } from '../../domain/events.ts';
import { isModelChange } from '../../domain/events.ts';
import { changedBy, type ModelChanges } from '../../domain/model-changes.ts';
import type { EventReader } from '../../store/event-store.ts';
import { isWithin, type Period, readEvents } from '../log/decision-records.ts';

/** What must be known about a log before its decisions are processed one by one. */
export interface LogOutline {
  /** Sequence number of its last event. */
  last: number;
  /** `rated` and `withdrawn` events by decision. */
  ratingEvents: ReadonlyMap<string, readonly GatewayEvent[]>;
  modelChanges: ModelChanges;
  /** Ids of all decisions, including those before the period. */
  decisions: ReadonlySet<string>;
  /** Feature map id and d of the last decision in the period; null when there is none. */
  featureMap: { id: string; dimensions: number } | null;
  /** Models that were a candidate in any decision of the period. */
  candidates: ReadonlySet<string>;
}

/**
 * @param onBatch as in `readDecisions`
 */
export async function outlineOf(
  log: EventReader,
  period: Period,
  onBatch: (share: number) => void,
): Promise<LogOutline> {
  const last = await log.lastSequence();
  const ratingEvents = new Map<string, GatewayEvent[]>();
  const decisions = new Set<string>();
  const candidates = new Set<string>();
  let modelChanges: ModelChanges = new Map();
  let featureMap: LogOutline['featureMap'] = null;
  for await (const event of readEvents(log, last, onBatch)) {
    if (isModelChange(event)) modelChanges = changedBy(modelChanges, event);
    if (event.type === 'rated' || event.type === 'withdrawn') {
      const known = ratingEvents.get(event.decisionId);
      if (known) known.push(event);
      else ratingEvents.set(event.decisionId, [event]);
    }
    if (event.type === 'decided') decisions.add(event.decisionId);
    if (event.type !== 'decided' || !isWithin(event.time, period)) continue;
    featureMap = { id: event.context.featureMap, dimensions: event.context.values.length };
    for (const { arm, excluded } of event.decision.arms) {
      if (excluded === null) candidates.add(arm);
    }
  }
  return { last, ratingEvents, modelChanges, decisions, featureMap, candidates };
}
