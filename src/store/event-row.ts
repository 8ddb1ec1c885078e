import type { ArmExplanation } from '../domain/decision.ts';
import type { DecidedEvent, GatewayEvent, StoredEvent } from '../domain/events.ts';

/** An event as a database stores it: searchable fields in columns, the rest as JSON. */
export interface EventRow {
  type: string;
  /** Empty for events that belong to no decision. */
  decisionId: string;
  time: number;
  /** Another id that leads to the decision: that of the completion, or of a rating. */
  alias: string | null;
  /** Two events with the same key count as one: the second is not written. */
  uniqueKey: string | null;
  /** The rating whose comment is to be erased, because this event withdraws it. */
  erases: string | null;
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
    erases: event.type === 'withdrawn' ? event.feedbackId : null,
    body: JSON.stringify(event.type === 'decided' ? compact(event) : event),
  };
}

/**
 * Decodes the event of a row. A damaged row becomes `unreadable`: it must not keep others from being read or deleted.
 */
export function fromRow(sequence: number, body: string): StoredEvent {
  try {
    return parseRow(sequence, body);
  } catch {
    return { type: 'unreadable', decisionId: null, time: 0, sequence };
  }
}

function parseRow(sequence: number, body: string): StoredEvent {
  const event = JSON.parse(body);
  if (event.type === 'decided') {
    event.context.values = fromBase64(event.context.values);
    event.decision.arms = rowsOf(event.decision.arms);
    // Rows written before tags were introduced have none.
    event.decision.tag ??= null;
  }
  // Rows written before usage was estimated lack this field.
  if (event.type === 'completed') event.usageEstimated ??= false;
  event.sequence = sequence;
  return event;
}

/**
 * Most of a log consists of decisions, and most of a decision is its explanation: without this a log would take twice
 * the space.
 */
function compact(event: DecidedEvent) {
  return {
    ...event,
    context: { ...event.context, values: toBase64(event.context.values) },
    decision: { ...event.decision, arms: columnsOf(event.decision.arms) },
  };
}

type Columns = Record<string, unknown>;

/**
 * The mapped type ensures that no field is missing. One reader per field, because looking fields up by name takes
 * longer than writing their values.
 */
const FIELDS: { [Field in keyof ArmExplanation]-?: (arm: ArmExplanation) => ArmExplanation[Field] } = {
  arm: ({ arm }) => arm,
  provider: ({ provider }) => provider,
  excluded: ({ excluded }) => excluded,
  paused: ({ paused }) => paused,
  keptOut: ({ keptOut }) => keptOut,
  quality: ({ quality }) => quality,
  qualitySd: ({ qualitySd }) => qualitySd,
  exploredQuality: ({ exploredQuality }) => exploredQuality,
  ratings: ({ ratings }) => ratings,
  awaited: ({ awaited }) => awaited,
  inputTokens: ({ inputTokens }) => inputTokens,
  cachedTokens: ({ cachedTokens }) => cachedTokens,
  outputTokens: ({ outputTokens }) => outputTokens,
  modelOutputTokens: ({ modelOutputTokens }) => modelOutputTokens,
  costUsd: ({ costUsd }) => costUsd,
  launch: ({ launch }) => launch,
  worstCaseUsd: ({ worstCaseUsd }) => worstCaseUsd,
  waitS: ({ waitS }) => waitS,
  penalty: ({ penalty }) => penalty,
  score: ({ score }) => score,
  propensity: ({ propensity }) => propensity,
};
const COLUMNS: readonly (readonly [string, (arm: ArmExplanation) => unknown])[] = Object.entries(FIELDS).filter(
  ([field]) => field !== 'arm',
);

/**
 * Turns the arms into columns, so that each field name is stored once. A value that all arms share is stored only once
 * too. The ids, which come first, are always a list.
 */
function columnsOf(arms: readonly ArmExplanation[]): Columns {
  const columns: Columns = { arm: arms.map(FIELDS.arm) };
  for (const [field, read] of COLUMNS) {
    const column = arms.map(read);
    const [first] = column;
    const isOne = (first === null || typeof first !== 'object') && column.every((value) => value === first);
    columns[field] = isOne ? first : column;
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

/** The other id by which this event leads to its decision. */
export function aliasOf(event: GatewayEvent): string | null {
  if (event.type === 'completed') return event.completionId;
  return event.type === 'rated' ? event.feedbackId : null;
}

/**
 * A decision is made once and ends once: a commit that is retried because its acknowledgement was lost must not write
 * anything twice. Clients choose idempotency keys freely, so a key is unique only within its decision.
 * @returns null for events that are written each time
 */
export function uniqueKeyOf(event: GatewayEvent): string | null {
  if (event.type === 'decided' || event.type === 'completed') return `${event.type}:${event.decisionId}`;
  if (event.type === 'withdrawn') return `withdrawn:${event.feedbackId}`;
  // Every process that tails the log sees the same drift.
  if (event.type === 'drifted') return `drifted:${event.model}:${event.at}`;
  if (event.type !== 'rated' || event.idempotencyKey === null) return null;
  return `rated:${event.decisionId}:${event.idempotencyKey}`;
}

/** Takes 4 bytes per number instead of about 20 digits. */
function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function fromBase64(text: string): Float32Array {
  // Copied, because the buffer of `Buffer.from` may start at an offset that is not aligned for a Float32Array.
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}
