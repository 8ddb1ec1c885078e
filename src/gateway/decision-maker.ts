import { hasCacheMarks } from '../domain/cache-marks.ts';
import type { ChatMessage } from '../domain/chat.ts';
import type { RequestProfile } from '../domain/context.ts';
import type { Decision } from '../domain/decision.ts';
import { GatewayError, invalidRequest } from '../domain/errors.ts';
import type { Features, Featurizer } from '../features/featurizer.ts';
import type { RouteQuery } from '../routing/route-query.ts';
import { BUDGET_SPENT } from '../routing/router.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';
import type { ChatInput } from './chat-input.ts';
import { type Conversation, Conversations } from './conversations.ts';
import type { FeedbackRequests } from './feedback-requests.ts';
import type { KeyLimiter } from './key-limiter.ts';
import type { Learner } from './learning/learner.ts';
import { predictedCost } from './learning/predicted.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { allowedArms, chooseModel } from './model-choice.ts';
import type { RoutingBudget } from './routing-budget.ts';
import type { Runtime } from './runtime.ts';

export interface DecisionMakerParts {
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  featurizer: Featurizer;
  learner: Learner;
  keyLimiter: KeyLimiter;
  feedbackRequests: FeedbackRequests;
}

/** A decision, and what it was based on. */
export interface Routed {
  decision: Decision;
  features: Features;
  conversation: Conversation;
}

/** Makes the decision about a chat request, even if the embedder or the learner fails. */
export class DecisionMaker {
  readonly #parts: DecisionMakerParts;
  readonly #budget: RoutingBudget;
  readonly #conversations: Conversations;
  /** One log line a minute is enough, because each affected decision records the reason as well. */
  readonly #embedderThrottle: LogThrottle;
  readonly #learnerThrottle: LogThrottle;
  readonly #budgetThrottle: LogThrottle;

  constructor(parts: DecisionMakerParts, budget: RoutingBudget) {
    this.#parts = parts;
    this.#budget = budget;
    this.#conversations = new Conversations(parts.clock);
    this.#embedderThrottle = new LogThrottle(parts.clock);
    this.#learnerThrottle = new LogThrottle(parts.clock);
    this.#budgetThrottle = new LogThrottle(parts.clock);
  }

  /**
   * Makes the decision and, unless it is only shown, reserves its budget and rate limits.
   * @param decisionId null for `/v1/route`, which only shows the decision and reserves no budget or rate limit
   * @throws GatewayError when the gateway refuses the request
   */
  async decide(input: ChatInput, runtime: Runtime, decisionId: string | null): Promise<Routed> {
    const { keyLimiter } = this.#parts;
    const { body } = input.request;
    const choice = chooseModel(body.model, input.weightHeader, input.key, runtime, this.#budget.weight(runtime));
    const allowed = allowedArms(input.models, choice.among, input.key, runtime);
    if (choice.requested && allowed && !allowed.has(choice.requested.id)) {
      throw invalidRequest(`"${body.model}" is not among x-mixllm-models.`, 'model', 'no_eligible_model');
    }
    const features = await this.#parts.featurizer.featurize(body);
    const { context, profile, tag } = features;
    const conversation = this.#conversation(input, runtime, profile);
    const keyBudget = keyLimiter.budget(input.key, body);
    const now = this.#parts.clock.now();
    const { cacheable, ...recalled } = conversation.recall();
    const heldByReference = cachesUnmarked(runtime) ? cacheable.all : cacheable.marked;
    const query = { context, profile, tag, allowed, keyBudget, now, heldByReference, ...recalled, ...choice };
    const decision = this.#route(query, runtime, decisionId === null ? null : body.messages);
    if (decisionId !== null) {
      keyLimiter.reserve(input.key, decisionId, decision);
      if (runtime.budget) this.#budget.reserve(decisionId, decision, decision.arm);
      if (decision.chosenBy === 'launch') {
        this.#parts.learner.knowledge.launches.reserve(decisionId, decision.arm, predictedCost(decision), now);
      }
    }
    if (features.failure) this.#embedderFailed(features.failure, decision);
    else this.#parts.metrics.degraded('embedder', false);
    if (decision.degraded?.startsWith('learner')) this.#learnerFailed(decision);
    return { decision, features, conversation };
  }

  /** @param messages null when the decision is only shown, and its refusal counts as no traffic */
  #route(query: RouteQuery, runtime: Runtime, messages: readonly ChatMessage[] | null): Decision {
    try {
      return runtime.router.decide(query);
    } catch (error) {
      // From here on every request is refused until midnight: too serious to show up only in a counter.
      if (error instanceof GatewayError && error.code === BUDGET_SPENT) {
        if (messages) this.#budget.refused(messages);
        this.#budgetThrottle.say((suppressed) =>
          this.#parts.log.warn({ suppressed }, `routing.targets.budget: requests are refused. ${error.message}`),
        );
      }
      throw error;
    }
  }

  #conversation(
    { key, sessionId, request }: ChatInput,
    { stickiness, providers }: Runtime,
    { inputCharacters, inputBytes, inputEastAsianBytes, images, attached }: RequestProfile,
  ): Conversation {
    const size = { inputCharacters, inputBytes, inputEastAsianBytes, images, attached };
    const { messages } = request.body;
    const turn = { key: key?.name ?? null, sessionId, messages, size, bearsMarks: hasCacheMarks(request.body) };
    const chosen = sessionId === null ? stickiness.recognised : stickiness.named;
    return this.#conversations.of(turn, chosen, (arm) => providers.get(arm.provider)?.promptCache ?? 'automatic');
  }

  /** Marks the decision if its answer should be rated. */
  askForFeedback(decision: Decision, { asking }: Runtime): void {
    const request = this.#parts.feedbackRequests.of(decision, asking);
    if (request) decision.ask = request;
  }

  #embedderFailed(failure: Error, decision: Decision): void {
    decision.degraded ??= `embedder: ${failure.message}`;
    this.#parts.metrics.degraded('embedder', true);
    this.#parts.metrics.degradedDecisions.inc({ part: 'embedder' });
    this.#embedderThrottle.say((suppressed) =>
      this.#parts.log.error(
        { err: failure, suppressed },
        'The embedder failed: these queries are routed without their features.',
      ),
    );
  }

  #learnerFailed(decision: Decision): void {
    this.#parts.metrics.degradedDecisions.inc({ part: 'learner' });
    this.#learnerThrottle.say((suppressed) =>
      this.#parts.log.error(
        { reason: decision.degraded, model: decision.arm, suppressed },
        'The learner gave no usable prediction: the reference model answers. The learner is now rebuilt from the event log; if this message recurs, look for a model with an absurd price or prior in the config.',
      ),
    );
    void this.#parts.learner.requestRefold();
  }
}

/** Whether the reference's upstream caches conversations that bear no cache marks. */
function cachesUnmarked({ arms, providers, reference }: Runtime): boolean {
  const provider = arms.find(({ id }) => id === reference)?.provider;
  return (provider !== undefined && providers.get(provider)?.cachesUnmarked) ?? false;
}
