import type { GatewayEvent, RatedEvent } from './events.ts';

/** Per source the latest rating that was not withdrawn. */
export function activeRatings(events: readonly GatewayEvent[]): RatedEvent[] {
  const withdrawn = new Set(events.filter((event) => event.type === 'withdrawn').map((event) => event.feedbackId));
  const bySource = new Map<string, RatedEvent>();
  for (const event of events) {
    if (event.type === 'rated' && !withdrawn.has(event.feedbackId)) bySource.set(event.source, event);
  }
  return [...bySource.values()];
}
