import type { Arm } from '../domain/arm.ts';
import type { ArmExplanation, Decision } from '../domain/decision.ts';
import { GatewayError, UpstreamError } from '../domain/errors.ts';
import type { DecidedEvent } from '../domain/events.ts';
import type { Provider, ProviderCall } from '../providers/provider.ts';
import { newId } from '../util/ids.ts';
import { LogThrottle } from '../util/log-throttle.ts';
import type { Random } from '../util/random.ts';
import { type Attempt, attempt } from './attempt.ts';
import { isOutOfDescriptors } from './call-end.ts';
import type { ChatInput } from './chat-input.ts';
import type { Deadline } from './deadline.ts';
import { DecisionMaker, type DecisionMakerParts } from './decision-maker.ts';
import { Exchange, type ExchangeParts } from './exchange.ts';
import type { ImplicitSignals } from './implicit-signals.ts';
import { UNTAGGED } from './metrics.ts';
import { openStream } from './open-stream.ts';
import { formatUsd, replyHeaders } from './reply-headers.ts';
import { askedPauseMs } from './retry-advice.ts';
import { RoutingBudget } from './routing-budget.ts';
import { isSameUpstream, type Runtime } from './runtime.ts';
import { streamBody } from './stream-body.ts';

/** What the client gets. An upstream's error response is a reply too. */
export interface ChatReply {
  status: number;
  headers: Record<string, string>;
  contentType: string;
  body: string | Uint8Array | AsyncIterable<Uint8Array>;
  /**
   * Streams only: aborted when the time limit has passed. A client that has not read the stream by then may be cut off.
   */
  expired?: AbortSignal;
  /** Streams only: must be called when the stream is closed, whether it was read or not. */
  closed?(): void;
}

export interface ChatParts extends ExchangeParts, DecisionMakerParts {
  /** Returns the current runtime. */
  runtime(): Runtime;
  implicitSignals: ImplicitSignals;
  random: Random;
}

const SHUTTING_DOWN = 'The gateway is shutting down.';
const OUT_OF_DESCRIPTORS =
  'Upstreams cannot be called: this process cannot open any more connections. Raise its limit (ulimit -n, LimitNOFILE).';

/** The use case of a chat completion: decide, call, answer, record. */
export class Chat {
  readonly #parts: ChatParts;
  /** Running requests, each with the deadline of its latest call; null before the first call. */
  readonly #open = new Map<Exchange, Deadline | null>();
  #isShuttingDown = false;
  readonly #descriptors: LogThrottle;
  readonly #decisionMaker: DecisionMaker;
  readonly #budget: RoutingBudget;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#descriptors = new LogThrottle(parts.clock);
    this.#budget = new RoutingBudget(parts);
    this.#decisionMaker = new DecisionMaker(parts, this.#budget);
  }

  /**
   * Updates the gauges of running calls and of budgets. Called at each scrape, because budgets change at midnight
   * even without a request.
   */
  tellGauges(): void {
    const { runtime, metrics, conditions } = this.#parts;
    metrics.inFlight.reset();
    // Arms that have been retired in the meantime are included as long as they still have calls under way.
    for (const id of new Set([...runtime().arms.map(({ id }) => id), ...conditions.load.busy()]))
      metrics.inFlight.set({ model: id }, conditions.load.inFlight(id));
    this.#budget.tell(runtime());
  }

  /**
   * Returns only the decision. Calls no upstream and records nothing.
   * @throws GatewayError when the gateway refuses the request
   */
  async route(input: ChatInput): Promise<Decision> {
    return (await this.#decisionMaker.decide(input, this.#parts.runtime(), null)).decision;
  }

  /**
   * Decides, calls the upstreams and returns the reply.
   * @throws GatewayError when the gateway itself refuses the request
   * @throws the reason of `clientGone` when that signal is aborted
   */
  async complete(input: ChatInput): Promise<ChatReply> {
    const runtime = this.#parts.runtime();
    const startedAt = this.#parts.clock.monotonic();
    const decisionId = newId('dec');
    const { decision, features, conversation } = await this.#decisionMaker.decide(input, runtime, decisionId);
    this.#parts.metrics.decisionSeconds.observe((this.#parts.clock.monotonic() - startedAt) / 1000);
    this.#parts.metrics.decisions.inc({ model: decision.arm, chosen_by: decision.chosenBy });
    this.#parts.metrics.tagDecisions.inc({ tag: decision.tag ?? UNTAGGED, model: decision.arm });
    if (input.key) this.#parts.metrics.keyDecisions.inc({ key: input.key.name });
    this.#decisionMaker.askForFeedback(decision, runtime);
    const exchange = new Exchange(decisionId, decision, { ...input, conversation }, this.#parts);
    const decided: DecidedEvent = {
      type: 'decided',
      decisionId,
      time: this.#parts.clock.now(),
      requestId: input.requestId,
      key: input.key?.name ?? null,
      requestedModel: input.request.body.model,
      stream: input.request.body.stream === true,
      decision,
      context: features.context,
    };
    this.#open.set(exchange, null);
    const signalsAtEnd = this.#parts.implicitSignals.begin(input, runtime.implicit);
    void exchange.finished
      .then((completed) => {
        this.#open.delete(exchange);
        this.#parts.keyLimiter.settle(decided, completed);
        this.#budget.settle(completed, this.#parts.runtime());
        signalsAtEnd(completed);
      })
      // An unhandled rejection would end the process.
      .catch((error: unknown) => this.#parts.log.error({ err: error, decisionId }, 'A request could not be settled.'));
    this.#parts.eventLog.record(decided);
    const reply = await this.#answer(input, runtime, exchange);
    return { ...reply, headers: { ...reply.headers, ...this.#parts.keyLimiter.headers(input.key) } };
  }

  async #answer(input: ChatInput, runtime: Runtime, exchange: Exchange): Promise<ChatReply> {
    try {
      return input.request.body.stream === true
        ? await this.#answerStreamed(input, runtime, exchange)
        : await this.#answerWhole(input, runtime, exchange);
    } catch (error) {
      return this.#answerFailure(input, exchange, error);
    }
  }

  /**
   * Returns the id of the decision whose answer is still running and has this completion id: the newest one if there
   * are several, null if there is none.
   * @param key name of the key whose answers are searched; null searches all
   */
  openDecision(completionId: string, key: string | null): string | null {
    const isMeant = (open: Exchange) => open.completionId === completionId && (key === null || open.keyName === key);
    return [...this.#open.keys()].findLast(isMeant)?.decisionId ?? null;
  }

  /** The number of requests that have begun but not ended. */
  get openRequests(): number {
    return this.#open.size;
  }

  /**
   * Ends all running answers. A stream ends with an error event, because some clients take a closed connection for a
   * complete answer. A request whose answer has not begun gets a 503.
   */
  breakOff(): void {
    this.#isShuttingDown = true;
    for (const deadline of this.#open.values()) deadline?.breakOff(SHUTTING_DOWN);
  }

  /** Resolves once every request that has begun is recorded. */
  async idle(): Promise<void> {
    while (this.#open.size > 0) await this.ended();
  }

  /** Resolves once the requests running now are recorded, regardless of any that begin in the meantime. */
  async ended(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((exchange) => exchange.finished));
  }

  async #answerWhole(input: ChatInput, runtime: Runtime, exchange: Exchange): Promise<ChatReply> {
    const answered = await this.#attempt(input, runtime, exchange, (provider, call) => provider.complete(call));
    const { value } = answered;
    answered.deadline.stop();
    exchange.answeredBy(answered.arm, answered.startedAt);
    exchange.received(value);
    exchange.firstToken();
    const headers = replyHeaders(input.requestId, exchange, answered.arm, value);
    const { costUsd } = exchange;
    if (costUsd !== null) headers['x-mixllm-cost-usd'] = formatUsd(costUsd);
    exchange.finish('ok', 200);
    return { status: 200, headers, contentType: 'application/json; charset=utf-8', body: value.body };
  }

  async #answerStreamed(input: ChatInput, runtime: Runtime, exchange: Exchange): Promise<ChatReply> {
    const open = (on: Provider, call: ProviderCall) => openStream(on, call, (usage) => exchange.heard(usage));
    const opened = await this.#attempt(input, runtime, exchange, open);
    exchange.answeredBy(opened.arm, opened.startedAt);
    const headers = replyHeaders(input.requestId, exchange, opened.arm, opened.value);
    headers['cache-control'] = 'no-cache';
    // Tells nginx and similar proxies not to buffer the stream.
    headers['x-accel-buffering'] = 'no';
    return {
      status: 200,
      headers,
      contentType: 'text/event-stream; charset=utf-8',
      body: streamBody(input, exchange, opened, this.#parts),
      expired: opened.deadline.expired,
      // The `finally` of a generator that nobody has begun to read never runs, so this ends the call in that case.
      closed: () => {
        opened.deadline.stop();
        exchange.finish('aborted', null);
        opened.deadline.limit.abort(new Error('The answer was not read.'));
      },
    };
  }

  /** Handles the failure of all candidates, and the departure of the client. */
  #answerFailure(input: ChatInput, exchange: Exchange, error: unknown): ChatReply {
    if (input.clientGone.aborted) {
      exchange.finish('aborted', null);
      throw error;
    }
    if (!(error instanceof UpstreamError)) {
      exchange.finish('failed', error instanceof GatewayError ? error.status : 500);
      throw error;
    }
    exchange.shows(error);
    exchange.finish('failed', error.status);
    const headers = replyHeaders(input.requestId, exchange, null, null);
    Object.assign(headers, error.retryAdvice);
    return { status: error.status, headers, contentType: error.contentType, body: error.body };
  }

  /**
   * The other candidates, best score first, with those whose breaker has opened since the decision at the end. Empty
   * when the client named its model or asked for no fallback.
   */
  #fallbacks(decision: Decision, arms: readonly Arm[], noFallback: boolean, patienceS: number): Arm[] {
    if (noFallback || decision.chosenBy === 'request') return [];
    const { breakers, rateLimits } = this.#parts.conditions;
    // A candidate that was excluded because of a pause may be available again by now. But its cost and quality were not
    // predicted, so it must not stand in where a target has to be met.
    const hasTarget = Boolean(decision.guard) || decision.budgetUsd !== null;
    const mayStandIn = ({ arm, excluded, paused }: ArmExplanation) =>
      excluded === null || (paused === true && !hasTarget && rateLimits.reason(arm, patienceS) === null);
    const isBroken = ({ arm }: ArmExplanation) => Number(breakers.reason(arm) !== null);
    return decision.arms
      .filter((candidate) => mayStandIn(candidate) && candidate.arm !== decision.arm)
      .sort((a, b) => isBroken(a) - isBroken(b) || scoreOf(b) - scoreOf(a))
      .map((candidate) => arms.find((arm) => arm.id === candidate.arm) as Arm);
  }

  #askedPause(error: unknown): number | null {
    return error instanceof UpstreamError ? askedPauseMs(error.retryAdvice, this.#parts.clock.now()) : null;
  }

  #attempt<T>(
    input: ChatInput,
    runtime: Runtime,
    exchange: Exchange,
    call: (provider: Provider, call: ProviderCall) => Promise<T>,
  ): Promise<Attempt<T>> {
    return attempt<T>({
      arm: runtime.arms.find(({ id }) => id === exchange.decision.arm) as Arm,
      fallbacks: () =>
        this.#fallbacks(exchange.decision, runtime.arms, input.noFallback, runtime.resilience.maxRetryAfterMs / 1000),
      resilience: runtime.resilience,
      awaited: input.request.body.stream === true ? 'content' : 'byte',
      clock: this.#parts.clock,
      random: this.#parts.random,
      clientGone: input.clientGone,
      onCall: (deadline) => {
        if (this.#open.has(exchange)) this.#open.set(exchange, deadline);
        if (this.#isShuttingDown) deadline.breakOff(SHUTTING_DOWN);
      },
      isShuttingDown: () => this.#isShuttingDown,
      onFailure: (record, error) => {
        exchange.callFailed(record, error, this.#askedPause(error));
        if (isOutOfDescriptors(record.code)) this.#descriptors.say(() => this.#parts.log.error(OUT_OF_DESCRIPTORS));
      },
      mayRetry: (arm) => this.#parts.conditions.breakers.state(arm.id) !== 'open',
      call: (arm, signal, onActivity) => {
        this.#parts.keyLimiter.move(input.key, exchange.decisionId, exchange.decision, arm.id);
        if (runtime.budget && arm.id !== exchange.decision.arm) {
          this.#budget.reserve(exchange.decisionId, exchange.decision, arm.id);
        }
        exchange.callStarts(arm, isSameUpstream(arm, runtime, this.#parts.runtime()));
        let hasHeaders = false;
        return call(runtime.providers.get(arm.provider) as Provider, {
          request: input.request,
          model: arm.upstreamModel,
          maxOutputTokens: arm.maxOutputTokens,
          // A client that uses an alias still sends parameters meant for another model.
          adapt: input.request.body.model !== arm.id,
          signal,
          connectTimeoutMs: arm.timeouts.connectMs,
          onActivity() {
            // Servers send a stream's headers, the first sign, before they know whether they can answer.
            if (hasHeaders) exchange.upstreamIsAlive();
            hasHeaders = true;
            onActivity();
          },
        });
      },
    });
  }
}

/** Arms without a score rank last. */
function scoreOf({ score }: ArmExplanation): number {
  return score ?? Number.NEGATIVE_INFINITY;
}
