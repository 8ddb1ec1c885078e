import type { Arm } from '../domain/arm.ts';
import { type ChatRequest, requestedChoices } from '../domain/chat.ts';
import type { Decision } from '../domain/decision.ts';
import { GatewayError, invalidRequest, UpstreamError } from '../domain/errors.ts';
import type { DecidedEvent } from '../domain/events.ts';
import type { Features, Featurizer } from '../features/featurizer.ts';
import type { Provider, ProviderCall } from '../providers/provider.ts';
import { newId } from '../util/ids.ts';
import type { Random } from '../util/random.ts';
import { type Attempt, attempt, retryAfterMs } from './attempt.ts';
import { type Conversation, Conversations } from './conversations.ts';
import type { Deadline } from './deadline.ts';
import { Exchange, type ExchangeParts } from './exchange.ts';
import type { FeedbackRequests } from './feedback-requests.ts';
import type { ImplicitSignals } from './implicit-signals.ts';
import type { KeyLimiter } from './key-limiter.ts';
import type { Learner } from './learner.ts';
import type { Logger } from './logger.ts';
import { UNTAGGED } from './metrics.ts';
import { allowedArms, chooseModel } from './model-choice.ts';
import { openStream } from './open-stream.ts';
import { formatUsd, replyHeaders } from './reply-headers.ts';
import { RoutingBudget } from './routing-budget.ts';
import type { KeyLimits, Runtime } from './runtime.ts';
import { streamBody } from './stream-body.ts';

/** A chat request as it came in, validated as far as the gateway reads it. */
export interface ChatInput {
  request: ChatRequest;
  requestId: string;
  key: KeyLimits | null;
  /** `x-mixllm-weight`, `x-mixllm-models`, `x-mixllm-no-fallback` */
  weightHeader: number | null;
  models: readonly string[] | null;
  noFallback: boolean;
  /** `x-session-id`: names the conversation. */
  sessionId: string | null;
  /** Monotonic milliseconds. */
  arrivedAt: number;
  /** Aborted when the client has left. */
  clientGone: AbortSignal;
}

/** What goes back: an upstream's error answer is a reply too. */
export interface ChatReply {
  status: number;
  headers: Record<string, string>;
  contentType: string;
  body: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Of a stream: aborted when its time is up. Whoever has not read it by then may be cut off. */
  expired?: AbortSignal;
}

export interface ChatParts extends ExchangeParts {
  /** The runtime in force. */
  runtime(): Runtime;
  featurizer: Featurizer;
  learner: Learner;
  keyLimiter: KeyLimiter;
  feedbackRequests: FeedbackRequests;
  implicitSignals: ImplicitSignals;
  random: Random;
  log: Logger;
}

interface Routed {
  decision: Decision;
  features: Features;
  conversation: Conversation;
}

/** The use case of a chat completion: decide, call, answer, record. */
export class Chat {
  readonly #parts: ChatParts;
  /** With the deadline of its answer where that is a stream under way. */
  readonly #open = new Map<Exchange, Deadline | null>();
  readonly #conversations: Conversations;
  readonly #budget: RoutingBudget;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#conversations = new Conversations(parts.clock);
    this.#budget = new RoutingBudget(parts);
  }

  /** Tells the metrics of the budget: days end and answers cost while nobody asks. */
  tellBudget(): void {
    this.#budget.tell(this.#parts.runtime());
  }

  /** The decision alone; calls nobody and records nothing. @throws GatewayError */
  async route(input: ChatInput): Promise<Decision> {
    return (await this.#decide(input, this.#parts.runtime(), null)).decision;
  }

  /** @throws GatewayError for what the gateway itself refuses, and the reason of `clientGone` when that is aborted */
  async complete(input: ChatInput): Promise<ChatReply> {
    const runtime = this.#parts.runtime();
    const startedAt = this.#parts.clock.monotonic();
    const decisionId = newId('dec');
    const { decision, features, conversation } = await this.#decide(input, runtime, decisionId);
    this.#parts.metrics.decisionSeconds.observe((this.#parts.clock.monotonic() - startedAt) / 1000);
    this.#parts.metrics.decisions.inc({ model: decision.arm, chosen_by: decision.chosenBy });
    this.#parts.metrics.tagDecisions.inc({ tag: decision.tag ?? UNTAGGED, model: decision.arm });
    this.#askForFeedback(decision, runtime);
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
    void exchange.finished.then((completed) => {
      this.#open.delete(exchange);
      this.#parts.keyLimiter.settle(decided, completed);
      signalsAtEnd(completed);
    });
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

  /** The decision of an answer that is still on its way; null when there is none of that id. */
  openDecision(completionId: string): string | null {
    return [...this.#open.keys()].find((exchange) => exchange.completionId === completionId)?.decisionId ?? null;
  }

  /** Ends running streams by an error event: to some clients a connection that just closes is the end of a whole answer. */
  breakOffStreams(): void {
    for (const deadline of this.#open.values()) deadline?.breakOff('The gateway is shutting down.');
  }

  /** Resolves once every request that has begun is recorded. */
  async idle(): Promise<void> {
    while (this.#open.size > 0) await this.ended();
  }

  /** Resolves once the requests that are under way now are recorded, whatever begins meanwhile. */
  async ended(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((exchange) => exchange.finished));
  }

  /** @param decisionId null for a decision that is only shown: nothing is set aside for it */
  async #decide(input: ChatInput, runtime: Runtime, decisionId: string | null): Promise<Routed> {
    const { keyLimiter } = this.#parts;
    const { body } = input.request;
    const choice = chooseModel(body.model, input.weightHeader, input.key, runtime, this.#budget.weight(runtime));
    const allowed = allowedArms(input.models, input.key, runtime);
    if (choice.requested && allowed && !allowed.has(choice.requested.id)) {
      throw invalidRequest(`"${body.model}" is not among x-mixllm-models.`, 'model', 'no_eligible_model');
    }
    const features = await this.#parts.featurizer.featurize(body);
    const { context, profile, tag } = features;
    const conversation = this.#conversation(input, runtime);
    const budget = keyLimiter.budget(input.key, requestedChoices(body));
    const now = this.#parts.clock.now();
    const query = { context, profile, tag, allowed, budget, now, ...conversation.recall(), ...choice };
    const decision = runtime.router.decide(query);
    if (decisionId !== null) {
      keyLimiter.reserve(input.key, decisionId, decision);
      if (runtime.budget) this.#budget.reserve(decisionId, decision, decision.arm);
    }
    if (features.failure) this.#embedderFailed(features.failure, decision);
    else this.#parts.metrics.degraded('embedder', false);
    if (decision.degraded?.startsWith('learner')) this.#learnerFailed(decision);
    return { decision, features, conversation };
  }

  #conversation({ key, sessionId, request }: ChatInput, { stickiness, providers }: Runtime): Conversation {
    const turn = { key: key?.name ?? null, sessionId, messages: request.body.messages };
    const chosen = sessionId === null ? stickiness.recognised : stickiness.named;
    return this.#conversations.of(turn, chosen, (arm) => providers.get(arm.provider)?.promptCache ?? 'automatic');
  }

  #askForFeedback(decision: Decision, { asking }: Runtime): void {
    const request = this.#parts.feedbackRequests.of(decision, asking);
    if (!request) return;
    decision.ask = request;
    for (const reason of ['audit', 'teaches'] as const) {
      if (request[reason]) this.#parts.metrics.feedbackRequests.inc({ reason });
    }
  }

  #embedderFailed(failure: Error, decision: Decision): void {
    decision.degraded ??= `embedder: ${failure.message}`;
    this.#parts.metrics.degraded('embedder', true);
    this.#parts.metrics.degradedDecisions.inc({ part: 'embedder' });
    this.#parts.log.error({ err: failure }, 'The embedder failed: the query is routed without its features.');
  }

  #learnerFailed(decision: Decision): void {
    this.#parts.metrics.degradedDecisions.inc({ part: 'learner' });
    this.#parts.log.error(
      { reason: decision.degraded, model: decision.arm },
      'The learner gave no usable prediction: the reference model answers. The learner is now folded anew from the event log; if this message comes back, look for a model with an absurd price or prior in the config.',
    );
    void this.#parts.learner.distrust();
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
    const opened = await this.#attempt(input, runtime, exchange, openStream);
    exchange.answeredBy(opened.arm, opened.startedAt);
    if (this.#open.has(exchange)) this.#open.set(exchange, opened.deadline);
    const headers = replyHeaders(input.requestId, exchange, opened.arm, opened.value);
    headers['cache-control'] = 'no-cache';
    // Tells nginx and its like not to hold the stream back.
    headers['x-accel-buffering'] = 'no';
    return {
      status: 200,
      headers,
      contentType: 'text/event-stream; charset=utf-8',
      body: streamBody(input, exchange, opened, this.#parts),
      expired: opened.deadline.expired,
    };
  }

  /** All candidates failed, or the client left. */
  #answerFailure(input: ChatInput, exchange: Exchange, error: unknown): ChatReply {
    if (input.clientGone.aborted) {
      exchange.finish('aborted', null);
      throw error;
    }
    if (!(error instanceof UpstreamError)) {
      exchange.finish('failed', error instanceof GatewayError ? error.status : 500);
      throw error;
    }
    exchange.finish('failed', error.status);
    const headers = replyHeaders(input.requestId, exchange, null, null);
    if (error.retryAfter !== null) headers['retry-after'] = error.retryAfter;
    return { status: error.status, headers, contentType: error.contentType, body: error.body };
  }

  #askedPause(error: unknown): number | null {
    return error instanceof UpstreamError ? retryAfterMs(error.retryAfter, this.#parts.clock.now()) : null;
  }

  #attempt<T>(
    input: ChatInput,
    runtime: Runtime,
    exchange: Exchange,
    call: (provider: Provider, call: ProviderCall) => Promise<T>,
  ): Promise<Attempt<T>> {
    return attempt<T>({
      arm: runtime.arms.find(({ id }) => id === exchange.decision.arm) as Arm,
      fallbacks: () => fallbackOrder(exchange.decision, runtime.arms, input.noFallback),
      resilience: runtime.resilience,
      awaited: input.request.body.stream === true ? 'content' : 'byte',
      clock: this.#parts.clock,
      random: this.#parts.random,
      clientGone: input.clientGone,
      onFailure: (record, error) => exchange.callFailed(record, this.#askedPause(error)),
      mayRetry: (arm) => this.#parts.conditions.breakers.state(arm.id) !== 'open',
      call: (arm, signal, onActivity) => {
        this.#parts.keyLimiter.move(input.key, exchange.decisionId, exchange.decision, arm.id);
        if (runtime.budget && arm.id !== exchange.decision.arm) {
          this.#budget.reserve(exchange.decisionId, exchange.decision, arm.id);
        }
        exchange.callStarts(arm);
        return call(runtime.providers.get(arm.provider) as Provider, {
          request: input.request,
          model: arm.upstreamModel,
          maxOutputTokens: arm.maxOutputTokens,
          adapt: exchange.decision.chosenBy !== 'request',
          signal,
          connectTimeoutMs: arm.timeouts.connectMs,
          onActivity,
        });
      },
    });
  }
}

/** The other candidates by score. A client that named its model, or wants none other, gets none. */
function fallbackOrder(decision: Decision, arms: readonly Arm[], noFallback: boolean): Arm[] {
  if (noFallback || decision.chosenBy === 'request') return [];
  return decision.arms
    .filter((candidate) => candidate.excluded === null && candidate.arm !== decision.arm)
    .sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
    .map((candidate) => arms.find((arm) => arm.id === candidate.arm) as Arm);
}
