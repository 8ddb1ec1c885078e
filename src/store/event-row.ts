import type { ArmExplanation } from '../domain/decision.ts';
import type { DecidedEvent, GatewayEvent, StoredEvent } from '../domain/events.ts';

/** An event as a database keeps it: what is looked up by in columns, the rest as JSON. */
export interface EventRow {
  type: string;
  /** Empty for events that belong to no decision. */
  decisionId: string;
  time: number;
  /** Other ids that lead to the decision: the completion's own, a rating's. */
  alias: string | null;
  /** Two events with the same key are one: the second is not written. */
  uniqueKey: string | null;
  body: string;
}

/** Pure, so that every store writes the same bytes. */
export function toRow(event: GatewayEvent): EventRow {
  return {
    type: event.type,
    decisionId: event.decisionId ?? '',
    time: event.time,
    alias: aliasOf(event),
    uniqueKey: uniqueKeyOf(event),
    body: JSON.stringify(event.type === 'decided' ? compact(event) : event),
  };
}

export function fromRow(sequence: number, body: string): StoredEvent {
  const event = JSON.parse(body);
  if (event.type === 'decided') {
    event.context.values = fromBase64(event.context.values);
    event.decision.arms = rowsOf(event.decision.arms);
    // Rows of before there were tags have none.
    event.decision.tag ??= null;
  }
  // Rows of before there were estimates hold none.
  if (event.type === 'completed') event.usageEstimated ??= false;
  event.sequence = sequence;
  return event;
}

/** Most of a log is decisions, and most of a decision is its explanation: without this it takes twice the space. */
function compact(event: DecidedEvent) {
  return {
    ...event,
    context: { ...event.context, values: toBase64(event.context.values) },
    decision: { ...event.decision, arms: columnsOf(event.decision.arms) },
  };
}

type Columns = Record<string, unknown>;

/**
 * The same as one list per field: the names of the fields then stand there once. What is the same of all arms, as most
 * of what seldom applies is, stands there once too; the ids, which come first, are always a list.
 */
function columnsOf(arms: readonly ArmExplanation[]): Columns {
  const columns: Columns = { arm: arms.map(({ arm }) => arm) };
  for (const field of Object.keys(arms[0] ?? {}) as (keyof ArmExplanation)[]) {
    if (field === 'arm') continue;
    const first = arms[0][field];
    const isOne = (first === null || typeof first !== 'object') && arms.every((arm) => arm[field] === first);
    columns[field] = isOne ? first : arms.map((arm) => arm[field]);
  }
  return columns;
}

function rowsOf(columns: Columns): unknown[] {
  const fields = Object.keys(columns);
  const ids = columns.arm ?? [];
  return (ids as unknown[]).map((_, i) => {
    const row: Record<string, unknown> = {};
    for (const field of fields) {
      const column = columns[field];
      row[field] = Array.isArray(column) ? column[i] : column;
    }
    return row;
  });
}

function aliasOf(event: GatewayEvent): string | null {
  if (event.type === 'completed') return event.completionId;
  return event.type === 'rated' ? event.feedbackId : null;
}

/**
 * A decision is made once and ends once: a commit that is tried again, because its answer was lost, writes nothing
 * twice. Clients choose idempotency keys freely, so a key holds for its decision only.
 */
function uniqueKeyOf(event: GatewayEvent): string | null {
  if (event.type === 'decided' || event.type === 'completed') return `${event.type}:${event.decisionId}`;
  // Every process that tails the log sees the same drift.
  if (event.type === 'drifted') return `drifted:${event.model}:${event.at}`;
  if (event.type !== 'rated' || event.idempotencyKey === null) return null;
  return `rated:${event.decisionId}:${event.idempotencyKey}`;
}

/** A context takes 4 bytes a number instead of about 20 digits. */
function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function fromBase64(text: string): Float32Array {
  // A copy: the buffer that `from` gives may start at an offset that no Float32Array can.
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}
