import type { FastifyInstance } from 'fastify';
import type { Logger as PinoLogger } from 'pino';
import { disabledProviders } from './config/arms.ts';
import { changedSettings, firstOf } from './config/changed-settings.ts';
import type { LoadedConfig } from './config/load.ts';
import { modelCatalog } from './config/model-catalog.ts';
import type { Config } from './config/schema.ts';
import { isModelChange } from './domain/events.ts';
import type { Featurizer } from './features/featurizer.ts';
import type { StartWorker } from './features/transformers/model-thread.ts';
import { Chat } from './gateway/chat.ts';
import type { EventLog } from './gateway/event-log.ts';
import { Feedback } from './gateway/feedback.ts';
import { FeedbackRequests } from './gateway/feedback-requests.ts';
import { ImplicitSignals } from './gateway/implicit-signals.ts';
import { KeyLimiter } from './gateway/key-limiter.ts';
import type { Learner } from './gateway/learning/learner.ts';
import { Metrics } from './gateway/metrics.ts';
import { ModelAdmin } from './gateway/model-admin.ts';
import { BodyMemory } from './http/body-memory.ts';
import { Connections } from './http/connections.ts';
import { buildServer } from './http/server.ts';
import { UnreadAnswers } from './http/unread-answers.ts';
import { Breakers } from './routing/breaker.ts';
import { Load } from './routing/load.ts';
import { RateLimits } from './routing/rate-limits.ts';
import type { ArmConditions } from './routing/route-query.ts';
import { Silence } from './routing/silence.ts';
import type { EventStore } from './store/event-store.ts';
import { type Clock, isDoneWithin, pause, systemClock } from './util/clock.ts';
import { closeInOrder } from './util/close-in-order.ts';
import { isLoopback } from './util/loopback.ts';
import { type Random, systemRandom } from './util/random.ts';
import { buildFeaturizer, tierSlopes } from './wiring/features.ts';
import { breakerReport, embedderReport } from './wiring/health-reports.ts';
import { GatewayKeys, keyWarnings, refuseOpenGateway } from './wiring/keys.ts';
import { Recording } from './wiring/recording.ts';
import { Serving } from './wiring/serving.ts';
import { auditOf, bodiesLimit, breakerOptions, reliabilityOf } from './wiring/settings.ts';
import { StartError } from './wiring/start-error.ts';

export interface GatewayOptions {
  log: PinoLogger;
  clock?: Clock;
  random?: Random;
  /** Event store to use instead of the one in `storage.url`; for tests. */
  store?: EventStore;
  /** Starts the worker thread of a sentence-embedding model; for tests. */
  startWorker?: StartWorker;
}

const IDLE_SWEEP_MS = 50;
const SHUTTING_DOWN = 'the gateway is shutting down';
/** Time for clients to read the final error event of a stream that the shutdown breaks off. */
const LAST_WORDS_MS = 250;
const LAST_RECORDS_MS = 1000;
/**
 * At shutdown, the time limit for accepting the connections still queued at the port. Usually a few turns of the event
 * loop are enough, but each also serves what has been accepted: on a crowded machine, thirty took more than 250 ms.
 */
const ACCEPTING_MS = 2000;

/**
 * The composition root: takes a config and builds a wired gateway. Only this file and its parts in wiring/ name
 * concrete classes.
 */
export class Gateway {
  readonly server: FastifyInstance;
  readonly metrics = new Metrics();
  readonly #recording: Recording;
  readonly #chat: Chat;
  readonly #implicitSignals: ImplicitSignals;
  readonly #clock: Clock;
  readonly #log: PinoLogger;
  readonly #conditions: ArmConditions;
  readonly #featurizer: Featurizer;
  readonly #serving: Serving;
  readonly #connections: Connections;
  readonly #keyLimiter: KeyLimiter;
  readonly #keys: GatewayKeys;
  #notReady: string | null = 'the event log has not been read yet';

  /** @throws StartError when no model can be called, or when the gateway would be open to strangers */
  constructor(loaded: LoadedConfig, options: GatewayOptions) {
    const { config } = loaded;
    this.#clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom();
    this.#log = options.log;
    refuseOpenGateway(config);
    const parts = { clock: this.#clock, metrics: this.metrics, log: this.#log };
    this.#conditions = {
      load: new Load(),
      breakers: new Breakers(this.#clock, breakerOptions(config), breakerReport(this.metrics, this.#log)),
      rateLimits: new RateLimits(this.#clock),
      silence: new Silence(this.#clock),
    };
    this.#featurizer = buildFeaturizer(config, {
      clock: this.#clock,
      onHealth: embedderReport(this.metrics, this.#log),
      startWorker: options.startWorker,
    });
    const featurizer = this.#featurizer;
    this.#recording = new Recording(config, { ...parts, featurizer, store: options.store });
    const { eventLog, learner } = this;
    this.#serving = new Serving(loaded, {
      ...parts,
      learner,
      conditions: this.#conditions,
      random,
      tierSlopes: tierSlopes(featurizer),
      requestsEnded: () => this.#chat.ended(),
    });
    this.#keys = new GatewayKeys(config, this.#log);
    const runtime = () => this.#serving.runtime;
    this.#keyLimiter = new KeyLimiter({ ...parts, keySpend: () => learner.knowledge.keySpend });
    this.#followLearner();
    this.#implicitSignals = new ImplicitSignals({ ...parts, eventLog });
    this.#chat = new Chat({
      ...parts,
      keyLimiter: this.#keyLimiter,
      runtime,
      featurizer,
      eventLog,
      learner,
      conditions: this.#conditions,
      // The answer is probably in the question's script.
      tokensPerByte: (arm, { inputCharacters, inputBytes = 0, inputEastAsianBytes }) =>
        learner.knowledge.statistics.tokensPerByte(arm, { inputCharacters, inputBytes, inputEastAsianBytes }),
      serviceSeconds: (arm) => learner.knowledge.statistics.serviceSeconds(arm),
      random,
      feedbackRequests: new FeedbackRequests(random),
      implicitSignals: this.#implicitSignals,
    });
    this.server = buildServer({
      ...parts,
      keyLimiter: this.#keyLimiter,
      exposed: !isLoopback(config.server.host),
      models: new ModelAdmin({
        ...parts,
        eventLog,
        learner,
        load: this.#conditions.load,
        catalog: (changes) => modelCatalog(this.#serving.loaded, changes),
      }),
      runtime,
      chat: this.#chat,
      feedback: this.#buildFeedback(),
      keys: () => this.#keys.hashed,
      notReady: () => this.#notReady,
      maxBodyBytes: Math.ceil(config.server.max_body_mb * 2 ** 20),
      bodyMemory: new BodyMemory({
        ...parts,
        limitBytes: bodiesLimit(config),
        isShared: () => this.#keys.hashed.length > 1,
      }),
      corsOrigins: config.server.cors_origins,
    });
    this.#connections = new Connections(this.server.server, this.#clock);
    new UnreadAnswers(this.server.server, this.#clock, this.#log);
  }

  /** Applies what the learner reads in the log to the key limiter and to the serving models. */
  #followLearner(): void {
    const { learner } = this;
    learner.onFold((event) => {
      if (event.type === 'completed') this.#keyLimiter.booked(event.decisionId);
      if (isModelChange(event)) this.#serving.modelsChanged();
    });
    learner.onReplaced(() => {
      this.#keyLimiter.bookedUpTo(learner.knowledge.lastFolded?.time ?? 0);
      this.#serving.modelsChanged();
    });
  }

  #buildFeedback(): Feedback {
    const { eventLog, learner, metrics } = this;
    return new Feedback({
      clock: this.#clock,
      metrics,
      eventLog,
      learner,
      openDecision: (completionId, key) => this.#chat.openDecision(completionId, key),
      reliability: (source) => reliabilityOf(this.config, source),
      volunteered: (source) => {
        const { share, sources } = auditOf(this.config);
        return share > 0 && sources.includes(source) ? learner.knowledge.volunteers.weightsOf(source) : null;
      },
    });
  }

  get config(): Config {
    return this.#serving.config;
  }

  /** The number of models that can be called now. */
  get callableModels(): number {
    return this.#serving.runtime.arms.length;
  }

  get store(): EventStore {
    return this.#recording.store;
  }

  get eventLog(): EventLog {
    return this.#recording.eventLog;
  }

  get learner(): Learner {
    return this.#recording.learner;
  }

  /**
   * Loads the embedding model, reads the log, then listens.
   * @returns the address, e.g. `http://127.0.0.1:8080`
   * @throws StartError when the embedding model cannot be loaded, or when the admins' changes leave no model
   */
  async listen(): Promise<string> {
    await this.#featurizer.start().catch((error: Error) => {
      throw new StartError(error.message);
    });
    const { kind, model } = this.config.embedding;
    if (kind !== 'lexical') this.#log.info({ model }, 'The embedding model is loaded.');
    for (const line of [...disabledProviders(this.#serving.loaded), ...keyWarnings(this.config)]) this.#log.warn(line);
    await this.#recording.start();
    this.#serving.begin();
    const { host, port } = this.config.server;
    const address = await this.server.listen({ host, port });
    this.#notReady = null;
    return address;
  }

  /**
   * Applies another config to new requests; running requests keep theirs.
   * @returns `waiting`: the changed settings that take effect only at the next start; `changed`: what has changed, for
   * the log
   * @throws StartError when the new config cannot be served; nothing changes then
   */
  reload(loaded: LoadedConfig): { waiting: readonly string[]; changed: readonly string[] } {
    refuseOpenGateway({ ...loaded.config, server: this.config.server });
    const before = this.config;
    const waiting = this.#serving.reload(loaded);
    const changed = firstOf([...changedSettings(before, this.config), ...this.#keys.replace(loaded.config)]);
    this.#keyLimiter.retain(new Set(this.config.auth.keys.map(({ name }) => name)));
    this.#conditions.breakers.configure(breakerOptions(loaded.config));
    for (const line of disabledProviders(loaded)) this.#log.warn(line);
    return { waiting, changed };
  }

  /** Makes the readiness probe fail, then keeps serving for `server.drain_s` so that load balancers can notice. */
  async drain(): Promise<void> {
    this.#notReady = SHUTTING_DOWN;
    await pause(this.#clock, this.config.server.drain_s * 1000);
  }

  /** Stops accepting connections, gives running answers the configured time to end, and saves everything. */
  async close(): Promise<void> {
    this.#notReady = SHUTTING_DOWN;
    this.#implicitSignals.close();
    this.#recording.stopFollowing();
    await closeInOrder(
      () => this.#closeServer(),
      () => this.#recording.close(),
      () => this.#featurizer.close(),
      () => this.#serving.close(),
    );
  }

  async #closeServer(): Promise<void> {
    await this.#connections.acceptWaiting(ACCEPTING_MS);
    let cancelCut = () => {};
    const cancel = this.#clock.after(this.config.server.shutdown_s * 1000, () => {
      const requests = this.#chat.openRequests;
      if (requests > 0) {
        this.#log.warn({ requests }, 'Some answers took longer than server.shutdown_s: they are cut off.');
      }
      this.#chat.breakOff();
      cancelCut = this.#clock.after(LAST_WORDS_MS, () => this.server.server.closeAllConnections());
    });
    // Without the sweep, a connection whose answer ends now would stay idle until its keep-alive expires.
    const sweep = setInterval(() => this.#connections.closeIdle(), IDLE_SWEEP_MS);
    try {
      await this.server.close();
    } finally {
      clearInterval(sweep);
      cancel();
      cancelCut();
    }
    // A request whose connection was cut ends a moment later, and its end must reach the log.
    await isDoneWithin(this.#clock, LAST_RECORDS_MS, this.#chat.idle());
  }
}
