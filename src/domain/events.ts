import type { Usage } from './chat.ts';
import type { Context } from './context.ts';
import type { Decision } from './decision.ts';
import type { Reliability } from './reliability.ts';

/** How a request ended. `aborted`: the client left. `interrupted`: the stream broke off after it had begun. */
export type Outcome = 'ok' | 'failed' | 'aborted' | 'interrupted';

/** One upstream call within a request. */
export interface AttemptRecord {
  arm: string;
  /** `ok`, or how it failed (`status`, `connection`, `timeout`, `unreadable`, `interrupted`, `aborted`). */
  result: string;
  /** HTTP status, where the upstream gave one. */
  status: number | null;
  durationMs: number;
}

export interface DecidedEvent {
  type: 'decided';
  decisionId: string;
  /** Milliseconds since the Unix epoch, on the clock of the process that wrote it. */
  time: number;
  requestId: string;
  /** Name of the gateway key, or null where none is asked for. */
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
  /** The arm that answered, after fallbacks too; null when none did. */
  arm: string | null;
  attempts: AttemptRecord[];
  /** HTTP status that the client got; null when it left before. */
  status: number | null;
  completionId: string | null;
  servedModel: string | null;
  finishReason: string | null;
  usage: Usage | null;
  costUsd: number | null;
  timeToFirstTokenMs: number | null;
  /** Of the answering upstream call. */
  serviceMs: number | null;
  /** From the request's arrival to its end, and the gateway's own part of it before the first byte. */
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
  /** Who rates. A later rating of one source replaces its earlier one. */
  source: string;
  /** How the source errs, by the config when it rated; null for one that is taken at its word. Absent from old logs. */
  reliability?: Reliability | null;
  comment: string | null;
  idempotencyKey: string | null;
}

export interface WithdrawnEvent {
  type: 'withdrawn';
  decisionId: string;
  time: number;
  feedbackId: string;
}

/** An arm came when others were already known, and is launched: with this prior, and with forced tries. */
export interface LaunchedEvent {
  type: 'launched';
  /** Not a decision's: `arm:` and the arm's id. */
  decisionId: string;
  time: number;
  arm: string;
  /** The arm that it is taken to be like; null where the config gives its quality. */
  like: string | null;
  /** Its prior mean coefficients, and the feature map that they are for. */
  featureMap: string;
  priorMean: number[];
}

/** The ratings of an arm have drifted from what was predicted: most of what it had learned is let go. */
export interface DriftedEvent {
  type: 'drifted';
  /** Not a decision's: `arm:` and the arm's id. */
  decisionId: string;
  time: number;
  arm: string;
  direction: 'better' | 'worse';
  /** Sum of standardised residuals at the alarm, and the threshold that it passed. */
  statistic: number;
  threshold: number;
  /** Number of the event whose rating raised the alarm. */
  at: number;
  /** Share of what was learned that remains, in (0, 1]. */
  remains: number;
}

export type GatewayEvent = DecidedEvent | CompletedEvent | RatedEvent | WithdrawnEvent | LaunchedEvent | DriftedEvent;

/** What events of an arm have in place of a decision's id. */
export function armEventId(arm: string): string {
  return `arm:${arm}`;
}

/** An event with its place in the log; numbers rise, and may leave gaps. */
export type StoredEvent<E extends GatewayEvent = GatewayEvent> = E & { sequence: number };
