import type { JsonObject, Usage } from './chat.ts';
import type { Context } from './context.ts';
import type { Decision } from './decision.ts';
import type { UpstreamFailure } from './errors.ts';
import type { Reliability } from './reliability.ts';
import type { VolunteerWeights } from './selection.ts';

/** How a request ended. `aborted`: the client left. `interrupted`: the stream broke off after it had begun. */
export type Outcome = 'ok' | 'failed' | 'aborted' | 'interrupted';

/**
 * `ok`, or how the call failed; `aborted`: the client left; `unread`: the client did not read the answer within the
 * call's total time; `error`: the call could not be made.
 */
export type CallResult = 'ok' | UpstreamFailure | 'aborted' | 'unread' | 'error';

/** One upstream call within a request. */
export interface AttemptRecord {
  arm: string;
  result: CallResult;
  /** HTTP status, if the upstream gave one. */
  status: number | null;
  /** Why there was no answer, e.g. `ECONNREFUSED`; absent when unknown. */
  code?: string;
  durationMs: number;
}

export interface DecidedEvent {
  type: 'decided';
  decisionId: string;
  /** Milliseconds since the Unix epoch, on the clock of the process that wrote it. */
  time: number;
  requestId: string;
  /** Name of the gateway key; null when none is required. */
  key: string | null;
  /** The `model` that the client asked for. */
  requestedModel: string;
  stream: boolean;
  decision: Decision;
  context: Context;
}

export interface CompletedEvent {
  type: 'completed';
  decisionId: string;
  time: number;
  outcome: Outcome;
  /** The arm that answered, perhaps after fallbacks; null when none did. */
  arm: string | null;
  attempts: AttemptRecord[];
  /** HTTP status that the client got; null when it left earlier. */
  status: number | null;
  completionId: string | null;
  /** The upstream's name for the answering arm's model, as configured; absent in old logs. */
  upstreamModel?: string | null;
  servedModel: string | null;
  finishReason: string | null;
  usage: Usage | null;
  /** True when the upstream did not report the usage completely, so that it was estimated. */
  usageEstimated: boolean;
  /** Cost of the answer; for a call that the client did not wait for, the cost of its input. */
  costUsd: number | null;
  timeToFirstTokenMs: number | null;
  /** Duration of the answering upstream call. */
  serviceMs: number | null;
  /**
   * How long that call probably waited for its turn at the upstream, in units of the time that the upstream then worked
   * on it. Absent: not at all, and in old logs.
   */
  queued?: number;
  /**
   * Time from the request's arrival to its end, and the part of it that the gateway took before the first upstream
   * call.
   */
  latencyMs: number;
  overheadMs: number | null;
}

export interface RatedEvent {
  type: 'rated';
  decisionId: string;
  time: number;
  feedbackId: string;
  /** In [0, 1]. */
  score: number;
  /** For an implicit signal: how much it counts, in (0, 1]. Absent: as much as a rating. */
  weight?: number;
  /** Who rated. A later rating from the same source replaces the earlier one. */
  source: string;
  /**
   * The source's error rates, as configured when it rated; null for a source whose ratings are taken at face value.
   * Absent in old logs.
   */
  reliability?: Reliability | null;
  /** How much it counts if nobody requested it, based on what was known when it arrived. Absent without an audit. */
  volunteered?: VolunteerWeights;
  comment: string | null;
  idempotencyKey: string | null;
}

export interface WithdrawnEvent {
  type: 'withdrawn';
  decisionId: string;
  time: number;
  feedbackId: string;
}

/** An event about a model; it belongs to no decision. */
interface EventOfModel {
  decisionId: null;
  time: number;
  /** Id of the model. */
  model: string;
}

/** A model was added when others were already known, and is launched with this prior and with forced tries. */
export interface LaunchedEvent extends EventOfModel {
  type: 'launched';
  /** The model that it is assumed to resemble; null when the config gives its quality. */
  like: string | null;
  /** Its prior mean coefficients, and the feature map that they belong to. */
  featureMap: string;
  priorMean: number[];
}

/** The ratings of a model have drifted from the predictions: its learned level, and a share of the rest, is dropped. */
export interface DriftedEvent extends EventOfModel {
  type: 'drifted';
  direction: 'better' | 'worse';
  /** Sum of standardised residuals at the alarm, and the threshold that it passed. */
  statistic: number;
  threshold: number;
  /** Sequence number of the event whose rating raised the alarm. */
  at: number;
  /** Share of what was learned that remains, in (0, 1]. */
  remains: number;
  /** Sequence number of the first decision whose ratings are off. Absent in old events, where `at` applies. */
  changedAt?: number;
}

/** The upstream now serves another model for an arm, such as a new snapshot of it: what was learned is trusted less. */
export interface SnapshotChangedEvent extends EventOfModel {
  type: 'snapshot_changed';
  /** How the change was noticed: by the model's name in the upstream's answers; absent: by its name in the config. */
  seenBy?: 'answers';
  /** The upstream's names for the model: the one that was learned about, and the one that serves now. */
  from: string;
  to: string;
  /**
   * Share of what was learned that remains, in (0, 1]. Above 1 when the previous name is back and nothing was learned
   * in between: the previous change is then undone.
   */
  remains: number;
}

interface AdminEvent extends EventOfModel {
  /** Name of the admin's key; null when none is required. */
  by: string | null;
}

/** A model was added, or some of its settings were changed. */
export interface ModelSetEvent extends AdminEvent {
  type: 'model_set';
  /** Fields of an entry of the config's `models`; for a change, a JSON merge patch of the earlier settings. */
  settings: JsonObject;
  /** True: the model was added, so that no earlier changes remain. */
  added: boolean;
}

/** A model accepts no more requests. */
export interface ModelRetiredEvent extends AdminEvent {
  type: 'model_retired';
}

/** Decisions from before this event no longer teach anything about the model. */
export interface ModelResetEvent extends AdminEvent {
  type: 'model_reset';
}

export type DecisionEvent = DecidedEvent | CompletedEvent | RatedEvent | WithdrawnEvent;
/** Events triggered by admins. */
export type ModelChangeEvent = ModelSetEvent | ModelRetiredEvent | ModelResetEvent;
export type ModelEvent = ModelChangeEvent | LaunchedEvent | DriftedEvent | SnapshotChangedEvent;

/** Stands in for a damaged row of the log, so that the rows around it can be read. Never written. */
export interface UnreadableEvent {
  type: 'unreadable';
  decisionId: null;
  time: number;
}

export type GatewayEvent = DecisionEvent | ModelEvent | UnreadableEvent;

export function isModelEvent<E extends GatewayEvent>(event: E): event is E & ModelEvent {
  return event.decisionId === null && event.type !== 'unreadable';
}

/** The `decided` event among the events of a decision. */
export function decidedIn<E extends GatewayEvent>(events: readonly E[]): (E & DecidedEvent) | undefined {
  return events.find((event): event is E & DecidedEvent => event.type === 'decided');
}

/** The `completed` event among the events of a decision. */
export function completedIn<E extends GatewayEvent>(events: readonly E[]): (E & CompletedEvent) | undefined {
  return events.find((event): event is E & CompletedEvent => event.type === 'completed');
}

/** Model events that the learner itself writes. */
const LEARNER_EVENT_TYPES = [
  'launched',
  'drifted',
  'snapshot_changed',
] as const satisfies readonly ModelEvent['type'][];

/** True for an admin's event, after which other models may be available. */
export function isModelChange<E extends GatewayEvent>(event: E): event is E & ModelChangeEvent {
  return isModelEvent(event) && !(LEARNER_EVENT_TYPES as readonly string[]).includes(event.type);
}

/** An event with its number in the log. Numbers increase by one; only deletion (`storage.keep_days`) leaves gaps. */
export type StoredEvent<E extends GatewayEvent = GatewayEvent> = E & { sequence: number };
