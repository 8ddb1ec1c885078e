import type { Arm } from '../domain/arm.ts';
import { costOf } from '../domain/arm.ts';
import type { Usage } from '../domain/chat.ts';
import type { Decision } from '../domain/decision.ts';
import { UpstreamError } from '../domain/errors.ts';
import type { AttemptRecord, CallResult, CompletedEvent, Outcome } from '../domain/events.ts';
import type { ProviderAnswer, StreamPiece } from '../providers/provider.ts';
import type { CallEnd } from '../routing/breaker.ts';
import { expectedWait } from '../routing/load.ts';
import type { ArmConditions } from '../routing/route-query.ts';
import type { WaitingCall } from '../routing/silence.ts';
import type { Clock } from '../util/clock.ts';
import { callEnd, describeFailure, failuresIn, hasHeard, isForOperator, NOT_SENT, RATE_LIMITED } from './call-end.ts';
import type { Conversation } from './conversations.ts';
import { type Bill, countUsage } from './count-usage.ts';
import type { EventLog } from './event-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { ReceivedAnswer } from './received-answer.ts';

export interface ExchangeParts {
  clock: Clock;
  metrics: Metrics;
  eventLog: EventLog;
  conditions: ArmConditions;
  log: Logger;
  /** Returns the arm's tokens per UTF-8 byte, as learned so far, of text like that of the request. */
  tokensPerByte(arm: string, request: Decision): number;
  /** Returns the arm's mean service time in seconds, as learned so far. */
  serviceSeconds(arm: string): number;
}

/** A running request: what has happened so far, and the single place that records how it ended. */
export class Exchange {
  readonly decisionId: string;
  readonly decision: Decision;
  readonly attempts: AttemptRecord[] = [];
  readonly #answer = new ReceivedAnswer();
  /** The arm that each error came from. */
  readonly #failedArms = new WeakMap<object, string>();
  #shownArm: string | null = null;
  /** The arm of the latest call; null if that call failed. */
  #called: Arm | null = null;
  /** What the latest call has used, as far as its upstream told before the answer began. */
  #heard: Usage | null = null;
  /** Whether the arm of the latest call still has the same upstream model in the current config. */
  #hasCurrentUpstream = true;
  #answering: { arm: Arm; startedAt: number } | null = null;
  /** As in `CompletedEvent`, for the latest call. */
  #queued = 0;
  #firstTokenAt: number | null = null;
  #overheadMs: number | null = null;
  #leave: ((end: CallEnd, failure?: string) => void) | null = null;
  #waiting: WaitingCall | null = null;
  /** Whether any call ended in a way that counts against its arm's availability. */
  #sawFault = false;
  #finished = false;
  #resolveFinished: (completed: CompletedEvent) => void = () => {};
  /** Resolves with the `completed` event once it has been handed to the event log. */
  readonly finished = new Promise<CompletedEvent>((resolve) => {
    this.#resolveFinished = resolve;
  });
  /** Name of the gateway key of the request; null where no key was required. */
  readonly keyName: string | null;
  readonly #requestId: string;
  readonly #arrivedAt: number;
  readonly #conversation: Conversation;
  readonly #parts: ExchangeParts;

  constructor(
    decisionId: string,
    decision: Decision,
    request: { requestId: string; arrivedAt: number; conversation: Conversation; key?: { name: string } | null },
    parts: ExchangeParts,
  ) {
    this.keyName = request.key?.name ?? null;
    this.decisionId = decisionId;
    this.decision = decision;
    this.#requestId = request.requestId;
    this.#arrivedAt = request.arrivedAt;
    this.#conversation = request.conversation;
    this.#parts = parts;
  }

  /** Milliseconds from arrival to the first upstream call: the time that the gateway added. */
  get overheadMs(): number | null {
    return this.#overheadMs;
  }

  /** The answer's own `id`, once the upstream has sent it. */
  get completionId(): string | null {
    return this.#answer.facts.completionId;
  }

  /** Cost of a whole answer in USD, as it will be recorded; estimated when the upstream reports no usage. */
  get costUsd(): number | null {
    return this.#bill('ok')?.costUsd ?? null;
  }

  /**
   * Notes the start of an upstream call.
   * @param hasCurrentUpstream whether the arm still has the same upstream in the current config; only then does the outcome say
   * anything about the arm's health
   */
  callStarts(arm: Arm, hasCurrentUpstream = true): void {
    const { clock, conditions } = this.#parts;
    const { load, breakers, silence } = conditions;
    this.#called = arm;
    this.#heard = null;
    this.#overheadMs ??= clock.monotonic() - this.#arrivedAt;
    this.#hasCurrentUpstream = hasCurrentUpstream;
    this.#queued = expectedWait(load.inFlight(arm.id), arm.maxConcurrency, 1);
    const leaveQueue = load.enter(arm.id);
    const tellBreaker = hasCurrentUpstream ? breakers.enter(arm.id) : () => {};
    this.#waiting = hasCurrentUpstream ? silence.enter(arm.id) : null;
    this.#leave = (end, failure) => {
      leaveQueue();
      tellBreaker(end, failure);
    };
  }

  /** Notes that the upstream has sent something, if only a ping. */
  upstreamIsAlive(): void {
    this.#waiting?.hears();
  }

  /**
   * Notes a failed call.
   * @param error the error that the call failed with
   * @param retryAfterMs the wait that the upstream asked for, or null
   */
  callFailed(record: AttemptRecord, error: unknown, retryAfterMs: number | null): void {
    const { metrics, conditions } = this.#parts;
    this.attempts.push(record);
    if (error instanceof Error) this.#failedArms.set(error, record.arm);
    const isOfRequest = error instanceof UpstreamError && error.modelSpecific;
    this.#callEnds(record, error);
    if (record.result !== 'aborted') this.#called = null;
    if (record.status === RATE_LIMITED || retryAfterMs !== null) {
      const startedAt = this.#parts.clock.monotonic() - record.durationMs;
      if (this.#hasCurrentUpstream && !isOfRequest) conditions.rateLimits.refused(record.arm, retryAfterMs, startedAt);
      metrics.rateLimited.inc({ model: record.arm });
    }
    if (record.result !== 'aborted' && record.result !== NOT_SENT) {
      metrics.upstreamErrors.inc({ model: record.arm, failure: record.result, status: String(record.status ?? '') });
    }
  }

  /** The number of upstream calls made. */
  get calls(): number {
    return this.attempts.filter(({ result }) => result !== NOT_SENT).length;
  }

  /** The arm that answered; otherwise the arm whose failure the client gets; otherwise the chosen arm. */
  get arm(): string {
    return this.#answering?.arm.id ?? this.#shownArm ?? this.attempts.at(-1)?.arm ?? this.decision.arm;
  }

  /** Notes which failure the client gets. It is not necessarily the last one. */
  shows(error: Error): void {
    this.#shownArm = this.#failedArms.get(error) ?? null;
  }

  /**
   * Notes that an arm's answer has begun.
   * @param startedAt monotonic time of its call
   */
  answeredBy(arm: Arm, startedAt: number): void {
    this.#answering = { arm, startedAt };
    this.#waiting?.ends(true);
    this.#conversation.answeredBy(arm);
    const { metrics, conditions } = this.#parts;
    if (this.#hasCurrentUpstream) {
      conditions.rateLimits.served(arm.id, startedAt);
      conditions.breakers.answers(arm.id);
    }
    if (arm.id !== this.decision.arm) metrics.fallbacks.inc({ from: this.decision.arm, to: arm.id });
    // Counted only now, because a request that fails cannot be rated.
    for (const reason of ['audit', 'teaches'] as const) {
      if (this.decision.ask?.[reason]) metrics.feedbackRequests.inc({ reason });
    }
  }

  /** Notes usage that was reported before the answer began: it is billed even if the client leaves before then. */
  heard(usage: Usage): void {
    this.#heard = usage;
  }

  /** Takes in a piece of the answer, or a whole answer. */
  received(piece: StreamPiece | ProviderAnswer): void {
    this.#answer.add(piece);
    if (!this.#answering) return;
    // Do not leave this to `finish`: the client may send its next turn before the end of this one is recorded.
    if (piece.usage) this.#conversation.used(this.#answering.arm, piece.usage);
    if (piece.toolCallIds) this.#conversation.called(this.#answering.arm, piece.toolCallIds);
  }

  firstToken(): void {
    this.#firstTokenAt ??= this.#parts.clock.monotonic();
  }

  /**
   * Records the end of the request. Only the first call has an effect.
   * @param status the status that the client got, or null for none
   */
  finish(outcome: Outcome, status: number | null, failure: CallResult = 'interrupted'): void {
    if (this.#finished) return;
    this.#finished = true;
    const { clock, eventLog } = this.#parts;
    const now = clock.monotonic();
    const answering = this.#answering;
    const serviceMs = answering ? now - answering.startedAt : null;
    if (answering && serviceMs !== null) {
      const result = outcome === 'ok' ? 'ok' : outcome === 'aborted' ? 'aborted' : failure;
      const record = { arm: answering.arm.id, result, status: 200, durationMs: serviceMs };
      this.#callEnds(record);
      this.attempts.push(record);
    }
    const timeToFirstTokenMs =
      answering && this.#firstTokenAt !== null ? this.#firstTokenAt - answering.startedAt : null;
    const bill = this.#bill(outcome);
    const completed: CompletedEvent = {
      type: 'completed',
      decisionId: this.decisionId,
      time: clock.now(),
      outcome,
      arm: answering?.arm.id ?? null,
      attempts: this.attempts,
      status,
      upstreamModel: answering?.arm.upstreamModel ?? null,
      ...this.#answer.facts,
      usage: bill?.usage ?? null,
      usageEstimated: bill?.estimated ?? false,
      costUsd: bill?.costUsd ?? null,
      timeToFirstTokenMs,
      serviceMs,
      ...(answering && this.#queued > 0 && { queued: this.#queued }),
      latencyMs: now - this.#arrivedAt,
      overheadMs: this.#overheadMs,
    };
    eventLog.record(completed);
    this.#resolveFinished(completed);
    try {
      this.#count(outcome, status, timeToFirstTokenMs, serviceMs);
      if (bill) countUsage(this.#parts.metrics, bill, { decision: this.decision, keyName: this.keyName, outcome });
    } catch (error) {
      // An error while counting, such as a number that the metrics refuse, must not fail an answer, least of all from
      // within a timer.
      this.#parts.log.error({ err: error, decisionId: this.decisionId }, 'A request could not be counted.');
    }
    this.#parts.log[isForOperator(outcome, status, this.#sawFault) ? 'warn' : 'info'](
      {
        requestId: this.#requestId,
        decisionId: this.decisionId,
        key: this.keyName ?? undefined,
        model: answering?.arm.id ?? null,
        outcome,
        status,
        attempts: this.calls,
        failures: failuresIn(this.attempts),
        latencyMs: Math.round(now - this.#arrivedAt),
        inputTokens: bill?.usage.inputTokens,
        outputTokens: bill?.usage.outputTokens,
        costUsd: bill?.costUsd ?? null,
        ...(bill?.estimated && { usageEstimated: true }),
      },
      'chat completion',
    );
  }

  #callEnds(record: AttemptRecord, error?: unknown): void {
    // Clients may have less patience than the time limits: an upstream that hangs would never fail.
    const end = this.#isAbandoned(record) ? 'failed' : callEnd(record, error);
    this.#waiting?.ends(hasHeard(record));
    const isFault = end === 'failed';
    this.#sawFault ||= isFault;
    this.#leave?.(end, isFault ? describeFailure(record) : undefined);
    this.#leave = null;
  }

  #isAbandoned({ result, arm }: AttemptRecord): boolean {
    if (result !== 'aborted' || !this.#waiting) return false;
    return this.#waiting.isAbandoned(this.#parts.serviceSeconds(arm) * (1 + this.#queued));
  }

  #count(outcome: Outcome, status: number | null, firstTokenMs: number | null, serviceMs: number | null): void {
    const { metrics } = this.#parts;
    const model = this.arm;
    const shown = outcome === 'aborted' ? 'aborted' : outcome === 'interrupted' ? 'interrupted' : String(status);
    const provider = this.decision.arms.find((explanation) => explanation.arm === model)?.provider ?? '';
    metrics.requests.inc({ model, provider, status: shown });
    if (this.#overheadMs !== null) metrics.overheadSeconds.observe(this.#overheadMs / 1000);
    if (firstTokenMs !== null) metrics.timeToFirstTokenSeconds.observe({ model }, firstTokenMs / 1000);
    if (outcome === 'ok' && serviceMs !== null) metrics.upstreamSeconds.observe({ model }, serviceMs / 1000);
  }

  /** Null when no arm was called or all calls failed: the cost of failed calls is unknown. */
  #bill(outcome: Outcome): Bill | null {
    const arm = this.#answering?.arm ?? (outcome === 'aborted' ? this.#called : null);
    if (!arm) return null;
    // The client may also leave between the beginning of the answer and the piece that bears this usage.
    if (this.#heard && this.#answer.facts.usage === null) {
      return { arm, usage: this.#heard, estimated: true, costUsd: costOf(arm.price, this.#heard) };
    }
    const { usage, estimated } = this.#answer.used({
      isWhole: outcome === 'ok',
      choices: this.decision.choices ?? 1,
      inputTokens: this.decision.arms.find((explanation) => explanation.arm === arm.id)?.inputTokens ?? 0,
      tokensPerByte: this.#parts.tokensPerByte(arm.id, this.decision),
    });
    return { arm, usage, estimated, costUsd: costOf(arm.price, usage) };
  }
}
