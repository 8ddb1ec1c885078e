import { GatewayError, invalidRequest } from '../domain/errors.ts';
import { type DecisionEvent, decidedIn, type GatewayEvent, type StoredEvent } from '../domain/events.ts';
import type { Reliability } from '../domain/reliability.ts';
import type { VolunteerWeights } from '../domain/selection.ts';
import { type Clock, pause } from '../util/clock.ts';
import { newId } from '../util/ids.ts';
import type { EventLog } from './event-log.ts';
import type { Learner } from './learning/learner.ts';
import type { Metrics } from './metrics.ts';
import type { KeyLimits } from './runtime.ts';

export interface Rating {
  /** The id of a decision or of a completion. */
  id: string;
  /** In [0, 1]. */
  score: number;
  source: string;
  comment: string | null;
  idempotencyKey: string | null;
}

export interface FeedbackParts {
  eventLog: EventLog;
  clock: Clock;
  metrics: Metrics;
  learner: Learner;
  /**
   * Returns the error rates of the source's ratings, from the current config; null if its ratings are taken at face
   * value.
   */
  reliability(source: string): Reliability | null;
  /** Returns the weights of the source's unrequested ratings; null if they count like any other rating. */
  volunteered(source: string): VolunteerWeights | null;
  /**
   * Returns the id of the decision whose running answer has this completion id. Searches the answers of all keys if
   * `key` is null.
   */
  openDecision(completionId: string, key: string | null): string | null;
}

/**
 * A rating is acknowledged once it is durable. The reply then waits up to this much longer for the learner, so that the
 * next decision usually takes the rating into account already.
 */
const LEARNED_WITHIN_MS = 200;

/**
 * Another gateway on the same log writes the end of an answer only after gathering events and committing them, by which
 * time its client already has the answer. A rating that comes in through this gateway may arrive before that, so a
 * decision is not reported as unknown at once. The second wait is for a busy machine, where the commits of several
 * gateways wait for each other.
 */
const LOOK_AGAIN_AFTER_MS = [50, 200];

/**
 * Every new rating of a decision is folded together with all earlier ones, so without a limit ratings would become ever
 * more expensive.
 */
const MAX_EVENTS_PER_DECISION = 1000;

/** Source names can be made up: without a limit, ratings under many names could ruin what was learned about a model. */
const MAX_SOURCES_PER_DECISION = 10;

/**
 * Total characters of all comments on a decision. All of them are read whenever the decision is rated or shown, and a
 * key's rate limits do not count ratings.
 */
const MAX_COMMENTS_PER_DECISION = 100_000;

/** The use cases of ratings. A rating is accepted only once it is durable. */
export class Feedback {
  readonly #parts: FeedbackParts;
  /** Withdrawals under way, by rating id. */
  readonly #withdrawing = new Map<string, Promise<void>>();

  constructor(parts: FeedbackParts) {
    this.#parts = parts;
  }

  /**
   * Records a rating.
   * @param key the key of the request; it may rate only its own decisions
   * @returns the rating's id; if the idempotency key was used before, the id of the earlier rating
   * @throws GatewayError 404 for an unknown id, 400 for a decision with too many ratings or comments, 503 when the
   * rating could not be made durable
   */
  async rate(rating: Rating, key: KeyLimits | null): Promise<string> {
    const events = await this.events(rating.id, key);
    const [{ decisionId }] = events;
    if (!isKnown(rating, events)) checkRoom(rating, events);
    const { id: _, ...fields } = rating;
    const feedbackId = newId('fb');
    const time = this.#parts.clock.now();
    const volunteered = this.#parts.volunteered(rating.source);
    const stored = await this.#append({
      type: 'rated',
      decisionId,
      time,
      feedbackId,
      reliability: this.#parts.reliability(rating.source),
      ...(volunteered && { volunteered }),
      ...fields,
    });
    const taken = (stored as { feedbackId: string }).feedbackId;
    if (taken === feedbackId) this.#parts.metrics.ratings.inc();
    return taken;
  }

  /**
   * Withdraws a rating; doing so again changes nothing.
   * @throws GatewayError 404 or 503, as `rate` does
   */
  async withdraw(feedbackId: string, key: KeyLimits | null): Promise<void> {
    const events = await this.#find(feedbackId, key);
    const rated = events.find((event) => event.type === 'rated' && event.feedbackId === feedbackId);
    if (!rated) throw notFound(`There is no rating "${feedbackId}".`);
    if (events.some((event) => event.type === 'withdrawn' && event.feedbackId === feedbackId)) return;
    // Concurrent withdrawals of the same rating all wait for the first one.
    const withdrawal = this.#withdrawing.get(feedbackId) ?? this.#withdraw(rated.decisionId, feedbackId);
    this.#withdrawing.set(feedbackId, withdrawal);
    await withdrawal;
  }

  async #withdraw(decisionId: string, feedbackId: string): Promise<void> {
    try {
      const time = this.#parts.clock.now();
      const stored = await this.#append({ type: 'withdrawn', decisionId, time, feedbackId });
      // The time of an earlier event means that the rating had already been withdrawn.
      if (stored.time === time) this.#parts.metrics.ratingsWithdrawn.inc();
    } finally {
      this.#withdrawing.delete(feedbackId);
    }
  }

  /**
   * Returns all events of a decision, for display.
   * @throws GatewayError 404, 503
   */
  async events(id: string, key: KeyLimits | null): Promise<StoredEvent<DecisionEvent>[]> {
    const events = await this.#find(id, key);
    if (events.length === 0) {
      throw notFound(`There is no decision "${id}". Use a decision id (dec_…) or the id of a completion.`);
    }
    return events;
  }

  /**
   * Returns no events when the key may not see the decision, after the same delay as for an unknown id: response times
   * must not reveal which of the two it is.
   */
  async #find(id: string, key: KeyLimits | null): Promise<StoredEvent<DecisionEvent>[]> {
    const { eventLog, openDecision, clock } = this.#parts;
    const isFor = (found: readonly GatewayEvent[]) => found.length > 0 && mayTouch(found, key);
    const owner = mayTouchAll(key) ? null : key.name;
    const lookUp = (name: string) =>
      eventLog.findDecision(name, owner).catch(() => {
        throw unavailable();
      });
    // The log has a completion's id only once the answer has ended, but the client has it from the first event on. Look
    // among the running answers before reading the log: an answer that ends in between is then in the log.
    const open = openDecision(id, owner);
    let events = await lookUp(id);
    if (events.length === 0 && open !== null) events = await lookUp(open);
    for (const wait of LOOK_AGAIN_AFTER_MS) {
      if (isFor(events)) break;
      await pause(clock, wait);
      events = await lookUp(id);
    }
    if (isFor(events)) return events.filter((event) => event.decisionId !== null);
    // Another gateway may be holding the event until it can write it.
    if (eventLog.degraded) throw unavailable();
    return [];
  }

  async #append(event: GatewayEvent): Promise<StoredEvent> {
    const stored = await this.#parts.eventLog.recordDurably(event).catch(() => {
      throw unavailable();
    });
    await this.#parts.learner.learned(stored.sequence, LEARNED_WITHIN_MS);
    return stored;
  }
}

/**
 * Where the gateway requires no key (null), anyone who can reach it is treated as its operator. A decision of unknown
 * origin belongs to no key.
 */
function mayTouch(events: readonly GatewayEvent[], key: KeyLimits | null): boolean {
  const decided = decidedIn(events);
  return mayTouchAll(key) || decided?.key === key.name;
}

function mayTouchAll(key: KeyLimits | null): key is null | (KeyLimits & { role: 'admin' }) {
  return key === null || key.role === 'admin';
}

/** Whether the rating was sent before, according to its idempotency key. */
function isKnown({ idempotencyKey }: Rating, events: readonly GatewayEvent[]): boolean {
  const isSame = (event: GatewayEvent) => event.type === 'rated' && event.idempotencyKey === idempotencyKey;
  return idempotencyKey !== null && events.some(isSame);
}

/**
 * Checks that the decision has room for the rating.
 * @throws GatewayError 400
 */
function checkRoom({ comment, source }: Rating, events: readonly GatewayEvent[]): void {
  const sources = new Set(events.flatMap((event) => (event.type === 'rated' ? [event.source] : [])));
  if (!sources.has(source) && sources.size >= MAX_SOURCES_PER_DECISION) {
    throw invalidRequest(
      `The decision has been rated by ${MAX_SOURCES_PER_DECISION} sources, withdrawn ratings included, and no more are accepted: use few sources, such as "user" and "judge".`,
      'source',
      'too_many_sources',
    );
  }
  if (events.length >= MAX_EVENTS_PER_DECISION) {
    throw invalidRequest(
      `The decision has been rated too often: it holds ${MAX_EVENTS_PER_DECISION} events, withdrawn ratings included.`,
      'id',
      'too_many_ratings',
    );
  }
  if (comment === null) return;
  const length = (event: GatewayEvent) => (event.type === 'rated' ? (event.comment?.length ?? 0) : 0);
  const all = events.reduce((sum, event) => sum + length(event), comment.length);
  if (all > MAX_COMMENTS_PER_DECISION) {
    throw invalidRequest(
      `The comments on the decision would exceed ${MAX_COMMENTS_PER_DECISION} characters; rate it without a comment.`,
      'comment',
      'too_many_comments',
    );
  }
}

function notFound(message: string): GatewayError {
  return new GatewayError(404, message, { param: 'id', code: 'not_found' });
}

/** The reason is logged (see EventLog), where the operator looks; clients learn nothing about the storage. */
function unavailable(): GatewayError {
  return new GatewayError(503, 'The event store cannot be used right now. Please send the request again later.', {
    code: 'store_unavailable',
  });
}
