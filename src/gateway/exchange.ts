import type { Arm } from '../domain/arm.ts';
import { costOf } from '../domain/arm.ts';
import type { Decision } from '../domain/decision.ts';
import type { AttemptRecord, CompletedEvent, Outcome } from '../domain/events.ts';
import type { AnswerFacts } from '../providers/provider.ts';
import type { Load } from '../routing/load.ts';
import type { Clock } from '../util/clock.ts';
import type { EventLog } from './event-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { NO_FACTS } from './open-stream.ts';

export interface ExchangeParts {
  clock: Clock;
  metrics: Metrics;
  eventLog: EventLog;
  load: Load;
  log: Logger;
}

/** One request on its way: what happened so far, and the single place that records how it ended. */
export class Exchange {
  readonly decisionId: string;
  readonly decision: Decision;
  readonly attempts: AttemptRecord[] = [];
  facts: AnswerFacts = NO_FACTS;
  #answering: { arm: Arm; startedAt: number } | null = null;
  #firstTokenAt: number | null = null;
  #overheadMs: number | null = null;
  #leave: (() => void) | null = null;
  #finished = false;
  #resolveFinished: (completed: CompletedEvent) => void = () => {};
  /** Resolves when the end is recorded, with the record. */
  readonly finished = new Promise<CompletedEvent>((resolve) => {
    this.#resolveFinished = resolve;
  });
  readonly #requestId: string;
  readonly #arrivedAt: number;
  readonly #parts: ExchangeParts;

  constructor(
    decisionId: string,
    decision: Decision,
    request: { requestId: string; arrivedAt: number },
    parts: ExchangeParts,
  ) {
    this.decisionId = decisionId;
    this.decision = decision;
    this.#requestId = request.requestId;
    this.#arrivedAt = request.arrivedAt;
    this.#parts = parts;
  }

  /** Milliseconds from arrival to the first upstream call: what the gateway added. */
  get overheadMs(): number | null {
    return this.#overheadMs;
  }

  get costUsd(): number | null {
    const { usage } = this.facts;
    return usage && this.#answering ? costOf(this.#answering.arm.price, usage) : null;
  }

  callStarts(arm: Arm): void {
    const { clock, load, metrics } = this.#parts;
    this.#overheadMs ??= clock.monotonic() - this.#arrivedAt;
    this.#leave = load.enter(arm.id);
    metrics.inFlight.set({ model: arm.id }, load.inFlight(arm.id));
  }

  callFailed(record: AttemptRecord): void {
    this.attempts.push(record);
    this.#callEnds(record.arm);
    if (record.result !== 'aborted') {
      this.#parts.metrics.upstreamErrors.inc({ model: record.arm, failure: record.result });
    }
  }

  /** An arm's answer has begun. @param startedAt monotonic time of its call */
  answeredBy(arm: Arm, startedAt: number): void {
    this.#answering = { arm, startedAt };
    if (arm.id !== this.decision.arm) this.#parts.metrics.fallbacks.inc({ from: this.decision.arm, to: arm.id });
  }

  firstToken(): void {
    this.#firstTokenAt ??= this.#parts.clock.monotonic();
  }

  /** Records the end. Once: whatever comes later changes nothing. @param status that the client got, null for none */
  finish(outcome: Outcome, status: number | null, failure = 'interrupted'): void {
    if (this.#finished) return;
    this.#finished = true;
    const { clock, eventLog } = this.#parts;
    const now = clock.monotonic();
    const answering = this.#answering;
    const serviceMs = answering ? now - answering.startedAt : null;
    if (answering && serviceMs !== null) {
      this.#callEnds(answering.arm.id);
      const result = outcome === 'ok' ? 'ok' : outcome === 'aborted' ? 'aborted' : failure;
      this.attempts.push({ arm: answering.arm.id, result, status: 200, durationMs: serviceMs });
    }
    const timeToFirstTokenMs =
      answering && this.#firstTokenAt !== null ? this.#firstTokenAt - answering.startedAt : null;
    const completed: CompletedEvent = {
      type: 'completed',
      decisionId: this.decisionId,
      time: clock.now(),
      outcome,
      arm: answering?.arm.id ?? null,
      attempts: this.attempts,
      status,
      ...this.facts,
      costUsd: this.costUsd,
      timeToFirstTokenMs,
      serviceMs,
      latencyMs: now - this.#arrivedAt,
      overheadMs: this.#overheadMs,
    };
    eventLog.record(completed);
    this.#resolveFinished(completed);
    this.#count(outcome, status, timeToFirstTokenMs, serviceMs);
    this.#parts.log.info(
      {
        requestId: this.#requestId,
        decisionId: this.decisionId,
        model: answering?.arm.id ?? null,
        outcome,
        status,
        attempts: this.attempts.length,
        latencyMs: Math.round(now - this.#arrivedAt),
        costUsd: this.costUsd,
      },
      'chat completion',
    );
  }

  #callEnds(arm: string): void {
    this.#leave?.();
    this.#leave = null;
    this.#parts.metrics.inFlight.set({ model: arm }, this.#parts.load.inFlight(arm));
  }

  #count(outcome: Outcome, status: number | null, firstTokenMs: number | null, serviceMs: number | null): void {
    const { metrics } = this.#parts;
    const arm = this.#answering?.arm;
    const model = arm?.id ?? this.decision.arm;
    const shown = outcome === 'aborted' ? 'aborted' : outcome === 'interrupted' ? 'interrupted' : String(status);
    const provider = this.decision.arms.find((explanation) => explanation.arm === model)?.provider ?? '';
    metrics.requests.inc({ model, provider, status: shown });
    if (this.#overheadMs !== null) metrics.overheadSeconds.observe(this.#overheadMs / 1000);
    if (firstTokenMs !== null) metrics.timeToFirstTokenSeconds.observe({ model }, firstTokenMs / 1000);
    if (outcome === 'ok' && serviceMs !== null) metrics.upstreamSeconds.observe({ model }, serviceMs / 1000);
    this.#countUsage(model);
  }

  #countUsage(model: string): void {
    const { metrics } = this.#parts;
    const { usage } = this.facts;
    const costUsd = this.costUsd;
    if (!usage || costUsd === null) return;
    metrics.tokens.inc({ model, kind: 'input' }, usage.inputTokens);
    metrics.tokens.inc({ model, kind: 'cached_input' }, usage.cachedInputTokens);
    metrics.tokens.inc({ model, kind: 'output' }, usage.outputTokens);
    metrics.costUsd.inc({ model }, costUsd);
    const { chosenBy, referenceCostUsd } = this.decision;
    // Savings are what routing brought: a client that names a model chose its price itself.
    if (chosenBy === 'request' || referenceCostUsd === null) return;
    metrics.referenceCostUsd.inc(referenceCostUsd);
    metrics.savedUsd.inc(referenceCostUsd - costUsd);
  }
}
