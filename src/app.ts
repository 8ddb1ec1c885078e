import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { FastifyInstance } from 'fastify';
import type { Logger as PinoLogger } from 'pino';
import { TIER_SLOPE_SHARE } from './bandit/defaults.ts';
import { priorQualities, priorSlopes } from './bandit/priors.ts';
import { tierPriors } from './bandit/tier-priors.ts';
import { disabledProviders, enabledArms } from './config/arms.ts';
import type { LoadedConfig } from './config/load.ts';
import { modelCatalog, withCatalog } from './config/model-catalog.ts';
import type { Config, ProviderConfig } from './config/schema.ts';
import { type Arm, TIERS, type Tier } from './domain/arm.ts';
import { messageOf } from './domain/errors.ts';
import { isModelChange } from './domain/events.ts';
import type { ModelChanges } from './domain/model-changes.ts';
import type { Reliability } from './domain/reliability.ts';
import { coefficientsUnder } from './features/feature-map.ts';
import { Featurizer } from './features/featurizer.ts';
import { LexicalEmbedder } from './features/lexical-embedder.ts';
import { loadLexicalMap } from './features/lexical-map.ts';
import type { StartWorker } from './features/transformers/model-thread.ts';
import { loadProjection, type Projection } from './features/transformers/projection.ts';
import {
  cannotUseMap,
  DEFAULT_PROJECTION,
  HUB_CACHE,
  TransformersEmbedder,
} from './features/transformers/transformers-embedder.ts';
import { Chat } from './gateway/chat.ts';
import { EventLog } from './gateway/event-log.ts';
import { Feedback } from './gateway/feedback.ts';
import { FeedbackRequests } from './gateway/feedback-requests.ts';
import { type ImplicitSettings, ImplicitSignals } from './gateway/implicit-signals.ts';
import { KeyLimiter } from './gateway/key-limiter.ts';
import { Learner } from './gateway/learner.ts';
import { LearnerState } from './gateway/learner-state.ts';
import { Metrics } from './gateway/metrics.ts';
import { ModelAdmin } from './gateway/model-admin.ts';
import type { Runtime } from './gateway/runtime.ts';
import { readWarmStart, type WarmStartFile } from './gateway/warm-start-file.ts';
import { type HashedKey, hashKey } from './http/auth.ts';
import { buildServer } from './http/server.ts';
import type { ReplayLearner, ReplayStart } from './offline/replay/replay-log.ts';
import { AnthropicProvider } from './providers/anthropic/provider.ts';
import { OpenAIProvider } from './providers/openai/provider.ts';
import type { Provider } from './providers/provider.ts';
import { type BreakerOptions, type BreakerState, Breakers } from './routing/breaker.ts';
import type { BudgetTarget } from './routing/budget-ledger.ts';
import { Load } from './routing/load.ts';
import { RateLimits } from './routing/rate-limits.ts';
import { type ArmConditions, Router } from './routing/router.ts';
import type { EventReader, EventStore } from './store/event-store.ts';
import { SqliteEventReader } from './store/sqlite/sqlite-event-reader.ts';
import { SqliteEventStore } from './store/sqlite/sqlite-event-store.ts';
import { TimeLimitedStore } from './store/time-limited-store.ts';
import { type Clock, systemClock } from './util/clock.ts';
import { isLoopback } from './util/loopback.ts';
import { type Random, systemRandom } from './util/random.ts';

export interface GatewayOptions {
  log: PinoLogger;
  clock?: Clock;
  random?: Random;
  /** In place of the one that the config names. */
  store?: EventStore;
  /** In place of the thread that a sentence-embedding model runs in otherwise. */
  startWorker?: StartWorker;
}

/** Longer than SQLite waits for another process's lock; a rating is refused (503) after it. */
const STORE_LIMIT_MS = 10_000;
const IDLE_SWEEP_MS = 50;
const SHORTEST_KEY = 16;
const SHUTTING_DOWN = 'the gateway is shutting down';
const LAST_RECORDS_MS = 1000;
/** Time that the event log has to be read before routing starts without it. A log of a million events takes longer. */
const START_MS = 120_000;
/** Read by the SDKs behind the config's back: they would send their headers to every upstream. */
const SDK_VARIABLES = ['OPENAI_CUSTOM_HEADERS', 'ANTHROPIC_CUSTOM_HEADERS'];

/** A start that cannot succeed; the message says what to do. */
export class StartError extends Error {}

/** The composition root: config in, wired gateway out. The only file that names concrete classes. */
export class Gateway {
  readonly server: FastifyInstance;
  readonly metrics = new Metrics();
  readonly learner: Learner;
  readonly eventLog: EventLog;
  readonly #chat: Chat;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: PinoLogger;
  readonly store: EventStore;
  readonly #conditions: ArmConditions;
  readonly #embedder: LexicalEmbedder | TransformersEmbedder;
  readonly #tierSlopes: ReadonlyMap<Tier, Float64Array>;
  #loaded: LoadedConfig;
  #runtime: Runtime;
  #keys: HashedKey[];
  #notReady: string | null = 'the event log has not been read yet';
  /** The log was read: from here on each change of a model is put in force as it comes. */
  #started = false;

  /** @throws StartError when no model can be called, or when the gateway would be open to strangers */
  constructor(loaded: LoadedConfig, options: GatewayOptions) {
    const { config } = loaded;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom();
    this.#log = options.log;
    this.#loaded = withoutGatewayKeys(loaded);
    refuseOpenHost(config);
    for (const name of SDK_VARIABLES) {
      if (process.env[name] === undefined) continue;
      delete process.env[name];
      this.#log.warn(`${name} is ignored: the config alone says what is sent upstream.`);
    }
    const store = options.store ?? new SqliteEventStore(databasePath(config));
    this.store = new TimeLimitedStore(store, this.#clock, STORE_LIMIT_MS);
    const parts = { clock: this.#clock, metrics: this.metrics, log: this.#log };
    this.#conditions = {
      load: new Load(),
      breakers: new Breakers(this.#clock, breakerOptions(config), (...change) => this.#breakerChanged(...change)),
      rateLimits: new RateLimits(this.#clock),
    };
    this.#embedder = buildEmbedder(config, {
      clock: this.#clock,
      onHealth: (healthy, reason) => this.#embedderHealth(healthy, reason),
      startWorker: options.startWorker,
    });
    const featurizer = new Featurizer(this.#embedder);
    const { featureMap, dimensions } = featurizer;
    this.#tierSlopes = tierSlopes(featurizer);
    this.eventLog = new EventLog(this.store, this.#clock, this.metrics, this.#log);
    this.learner = new Learner({
      ...parts,
      featureMap,
      dimensions,
      store: this.store,
      warmStart: openWarmStart(config, featurizer),
      record: (event) => this.eventLog.record(event),
    });
    this.eventLog.onCommit((events) => this.learner.written(events));
    this.eventLog.onRecovery(() => this.learner.recheck());
    this.#runtime = this.#buildRuntime(loaded, null);
    this.#keys = hashedKeys(config);
    this.#warnOfShortKeys(config);
    const runtime = () => this.#runtime;
    const keyLimiter = new KeyLimiter({ ...parts, ledger: () => this.learner.knowledge.spend });
    this.learner.onFold((event) => {
      if (event.type === 'completed') keyLimiter.booked(event.decisionId);
      if (isModelChange(event) && this.#started) this.#applyModelChanges();
    });
    this.learner.onReplaced(() => {
      keyLimiter.bookedAll();
      if (this.#started) this.#applyModelChanges();
    });
    this.#chat = new Chat({
      ...parts,
      keyLimiter,
      runtime,
      featurizer,
      eventLog: this.eventLog,
      learner: this.learner,
      conditions: this.#conditions,
      tokensPerCharacter: (arm) => this.learner.knowledge.statistics.tokensPerCharacter(arm),
      random: this.#random,
      feedbackRequests: new FeedbackRequests(this.#random),
      implicitSignals: new ImplicitSignals({ ...parts, eventLog: this.eventLog }),
    });
    this.server = buildServer({
      ...parts,
      keyLimiter,
      exposed: !isLoopback(config.server.host),
      models: new ModelAdmin({
        ...parts,
        eventLog: this.eventLog,
        learner: this.learner,
        load: this.#conditions.load,
        catalog: (changes) => modelCatalog(this.#loaded, changes),
      }),
      runtime,
      chat: this.#chat,
      feedback: new Feedback({
        ...parts,
        eventLog: this.eventLog,
        learner: this.learner,
        reliability: (source) => reliabilityOf(this.config, source),
        volunteered: (source) => {
          const { share, sources } = auditOf(this.config);
          return share > 0 && sources.includes(source) ? this.learner.knowledge.volunteers.weightsOf(source) : null;
        },
      }),
      keys: () => this.#keys,
      notReady: () => this.#notReady,
      maxBodyBytes: Math.ceil(config.server.max_body_mb * 2 ** 20),
    });
  }

  get config(): Config {
    return this.#loaded.config;
  }

  /**
   * Loads what must be loaded, reads the log, then listens. @returns the address, e.g. `http://127.0.0.1:8080`
   * @throws StartError when the embedding model cannot be loaded, or the admins' changes leave no model
   */
  async listen(): Promise<string> {
    if (this.#embedder instanceof TransformersEmbedder) {
      await this.#embedder.start().catch((error: Error) => {
        throw new StartError(error.message);
      });
      this.#log.info({ model: this.config.embedding.model }, 'The embedding model is loaded.');
    }
    for (const line of disabledProviders(this.#loaded)) this.#log.warn(line);
    if (!isLoopback(this.config.server.host) && !this.config.auth.keys.some(({ role }) => role === 'admin')) {
      this.#log.warn('No key has "role: admin": /metrics and /admin are closed to everyone.');
    }
    try {
      await within(START_MS, this.learner.start());
    } catch (error) {
      this.metrics.degraded('learner', true);
      this.#log.error(
        { err: error },
        'The event log cannot be read: routing starts on the priors alone. Check the disk and the database.',
      );
    }
    this.#started = true;
    if (this.learner.knowledge.modelChanges.size > 0) this.#replaceRuntime(this.#loaded);
    else this.#introduceArms();
    const { host, port } = this.config.server;
    const address = await this.server.listen({ host, port });
    this.#notReady = null;
    return address;
  }

  /**
   * Puts another config in force for the requests that come from now on; running ones keep theirs.
   * @throws StartError when it cannot be served; nothing has changed then
   */
  reload(loaded: LoadedConfig): void {
    refuseOpenHost({ ...loaded.config, server: this.config.server });
    this.#replaceRuntime(loaded);
    this.#keys = hashedKeys(loaded.config);
    this.#warnOfShortKeys(loaded.config);
    this.#conditions.breakers.configure(breakerOptions(loaded.config));
    for (const setting of ['server', 'storage', 'embedding', 'logging'] as const) {
      if (JSON.stringify(loaded.config[setting]) !== JSON.stringify(this.config[setting])) {
        this.#log.warn(`A changed "${setting}" takes effect at the next start.`);
      }
    }
    if (loaded.config.learning.warm_start !== this.config.learning.warm_start) {
      this.#log.warn('A changed "learning.warm_start" takes effect at the next start.');
    }
    for (const line of disabledProviders(loaded)) this.#log.warn(line);
    // What is fixed at the start stays as it was then.
    const { server, storage, embedding, logging } = this.config;
    const learning = { ...loaded.config.learning, warm_start: this.config.learning.warm_start };
    const asStarted = { ...loaded.config, server, storage, embedding, logging, learning };
    this.#loaded = withoutGatewayKeys({ ...loaded, config: asStarted });
  }

  /** Turns the readiness probe, and goes on serving for as long as load balancers may need to see it. */
  async drain(): Promise<void> {
    this.#notReady = SHUTTING_DOWN;
    await new Promise<void>((resolve) => this.#clock.after(this.config.server.drain_s * 1000, resolve));
  }

  /** Stops accepting, lets running answers end within the configured time, writes everything down. */
  async close(): Promise<void> {
    this.#notReady = SHUTTING_DOWN;
    const cancel = this.#clock.after(this.config.server.shutdown_s * 1000, () => {
      this.#log.warn('Some answers took longer than the shutdown may: their connections are closed.');
      this.server.server.closeAllConnections();
    });
    // A connection whose answer ends only now would idle on until its keep-alive runs out.
    const sweep = setInterval(() => this.server.server.closeIdleConnections(), IDLE_SWEEP_MS);
    await this.server.close();
    clearInterval(sweep);
    cancel();
    // A connection that was cut ends its request a moment later; that end is to be in the log.
    await Promise.race([this.#chat.idle(), new Promise((resolve) => setTimeout(resolve, LAST_RECORDS_MS).unref())]);
    await this.eventLog.close();
    await this.learner.close();
    await this.store
      .close()
      .catch((error: unknown) => this.#log.error({ err: error }, 'The event store did not close.'));
    if (this.#embedder instanceof TransformersEmbedder) await this.#embedder.close();
    await Promise.all([...this.#runtime.providers.values()].map((provider) => provider.close()));
  }

  #embedderHealth(healthy: boolean, reason: string): void {
    this.metrics.degraded('embedder', !healthy, 'thread');
    if (healthy) {
      // Whatever failed in between, it works again, even if no query comes to show it.
      this.metrics.degraded('embedder', false);
      this.#log.info('The embedding model works again.');
    } else {
      this.metrics.embedderLosses.inc();
      this.#log.error(
        { reason },
        'The thread of the embedding model is lost and will be started again; until then queries are routed without their features.',
      );
    }
  }

  #warnOfShortKeys({ auth }: Config): void {
    for (const { name, key } of auth.keys) {
      if (key.length >= SHORTEST_KEY) continue;
      this.#log.warn({ key: name }, `This key has fewer than ${SHORTEST_KEY} characters: strangers may guess it.`);
    }
  }

  /** @throws StartError when no model can be called; nothing has changed then */
  #replaceRuntime(loaded: LoadedConfig): void {
    const previous = this.#runtime;
    const catalog = modelCatalog(loaded, this.learner.knowledge.modelChanges);
    this.#runtime = this.#buildRuntime(withCatalog(loaded, catalog), { loaded: this.#loaded, runtime: previous });
    for (const { id, problem } of catalog) {
      if (problem)
        this.#log.warn({ model: id, reason: problem.message }, 'Changes of a model by admins cannot be used.');
    }
    this.#retireProviders(previous);
    this.#introduceArms();
  }

  #applyModelChanges(): void {
    try {
      this.#replaceRuntime(this.#loaded);
    } catch (error) {
      this.#log.error({ err: error }, 'The models were not changed; what served before still does.');
    }
  }

  #buildRuntime(loaded: LoadedConfig, before: { loaded: LoadedConfig; runtime: Runtime } | null): Runtime {
    const { config } = loaded;
    const arms = enabledArms(loaded);
    if (arms.length === 0) throw noModel(loaded);
    for (const { id } of arms) this.metrics.breakerState.inc({ model: id }, 0);
    const reference = this.#referenceArm(config, arms);
    this.learner.setPriors(priorQualities(arms), priorSlopes(arms, this.#tierSlopes));
    this.learner.setDrift(config.learning.drift === 'off' ? null : config.learning.drift);
    this.learner.setSnapshotRemains(config.learning.snapshot_change.remains);
    const { latency, targets, stickiness } = config.routing;
    const { tries, budget_usd: budgetUsd } = config.learning.launch;
    const budget = budgetTarget(targets.budget);
    return {
      arms,
      providers: buildProviders(loaded, before),
      router: new Router(
        {
          arms,
          reference,
          exploration: config.learning.exploration,
          latency: { ...latency, budgetS: latency.budget_s },
          launch: { tries, budgetUsd },
          guard: targets.quality ?? null,
          budget,
        },
        () => this.learner.knowledge,
        this.#conditions,
        this.#random,
      ),
      reference,
      defaultWeight: config.routing.weight,
      budget,
      namedWeights: new Map(Object.entries(config.routing.weights)),
      resilience: {
        retries: config.resilience.retries,
        maxRetryAfterMs: config.resilience.max_retry_after_s * 1000,
      },
      // Who names a session wants it to stay together; nobody asked for that of the others.
      stickiness: { named: stickiness ?? 'strict', recognised: stickiness ?? 'price' },
      asking: { audit: auditOf(config).share, ask: config.learning.ask },
      implicit: implicitSettings(config),
    };
  }

  /** New arms among known ones begin with the launch recipe. */
  #introduceArms(): void {
    const { arms, reference, defaultWeight } = this.#runtime;
    this.learner.introduce({ arms, reference, weight: defaultWeight });
  }

  #breakerChanged(model: string, state: BreakerState, failures: number): void {
    this.metrics.breakerState.set({ model }, { closed: 0, 'half-open': 1, open: 2 }[state]);
    if (state === 'open') {
      this.metrics.breakerOpenings.inc({ model });
      this.#log.warn({ model, failures }, 'The breaker of a model opened: it is left out until a probe succeeds.');
    } else {
      this.#log.info({ model, state }, `The breaker of a model is ${state}.`);
    }
  }

  /** The configured one, or the dearest of those that can be called. */
  #referenceArm(config: Config, arms: Runtime['arms']): string {
    const { reference } = config.routing;
    if (arms.some(({ id }) => id === reference)) return reference as string;
    const dearest = arms.reduce((a, b) => (b.price.output > a.price.output ? b : a)).id;
    if (reference) this.#log.warn(`The reference model "${reference}" is off; "${dearest}" takes its place.`);
    return dearest;
  }

  /** Providers that the new runtime does not share, once no request can still be using them. */
  #retireProviders(previous: Runtime): void {
    const longest = Math.max(...previous.arms.map(({ timeouts }) => timeouts.totalMs));
    const current = new Set(this.#runtime.providers.values());
    for (const provider of previous.providers.values()) {
      if (current.has(provider)) continue;
      this.#clock.after(2 * longest, () => void provider.close());
    }
  }
}

/** The event log that a config names, to look at only: safe beside the gateway that writes it. @throws StartError */
export function openEventLog(config: Config): EventReader {
  const path = databasePath(config);
  if (path === ':memory:') throw new StartError('The config keeps the event log in memory: there is nothing to read.');
  if (!existsSync(path))
    throw new StartError(`There is no event log at ${path}: no gateway has run with this config here.`);
  return new SqliteEventReader(path);
}

/** The learner of a gateway with this config, before it has read anything of the log, as a replay asks for it. @throws StartError */
export function startReplayLearner(loaded: LoadedConfig, start: ReplayStart): ReplayLearner {
  const { featureMap, dimensions, target } = start;
  const warmStart = openWarmStart(loaded.config, start);
  // As the gateway does with one that was made of its own log.
  const own = warmStart?.decisions.some((decision) => start.decisions.has(decision));
  const learner = new LearnerState(featureMap, dimensions, own ? null : warmStart);
  const known = knownArms(loaded, start.modelChanges);
  for (const id of Object.keys(target.priors ?? {})) {
    if (known.some((arm) => arm.id === id)) continue;
    const ids = known.map((arm) => arm.id).join(', ');
    throw new StartError(`The policy has a prior for "${id}", and the config has no such model; it has: ${ids}`);
  }
  const arms = known
    .filter(({ id }) => start.models.includes(id))
    .map((arm) => ({ ...arm, prior: target.priors?.[arm.id] ?? arm.prior }));
  learner.policy.setPriorQualities(priorQualities(arms), priorSlopes(arms, tierSlopes(start)));
  return learner;
}

/** All models of the config and of admins. None is to be called, so none is off for want of a key or retired. */
function knownArms(loaded: LoadedConfig, changes: ModelChanges): Arm[] {
  const withKeys = { ...loaded, missingKeys: new Map<string, string>() };
  const catalog = modelCatalog(withKeys, changes).map((entry) => ({ ...entry, state: 'active' as const }));
  return enabledArms(withCatalog(withKeys, catalog));
}

function databasePath({ storage }: Config): string {
  return storage.url.replace(/^sqlite:/, '');
}

function reliabilityOf({ learning }: Config, source: string): Reliability | null {
  if (!Object.hasOwn(learning.sources, source)) return null;
  const { true_positive: truePositive, false_positive: falsePositive } = learning.sources[source];
  return { truePositive, falsePositive };
}

function auditOf({ learning: { audit } }: Config) {
  return typeof audit === 'number' ? { share: audit, sources: ['user'] } : audit;
}

function implicitSettings({ learning: { implicit } }: Config): ImplicitSettings {
  const { regenerate, abort } = implicit;
  return {
    regenerate: regenerate
      ? { score: regenerate.score, weight: regenerate.weight, withinMs: 1000 * regenerate.within_s }
      : null,
    abort: abort ?? null,
  };
}

type Targets = Config['routing']['targets'];

function budgetTarget(budget: Targets['budget']): BudgetTarget | null {
  if (!budget) return null;
  return 'usd_per_day' in budget ? { usdPerDay: budget.usd_per_day } : { usdPerRequest: budget.usd_per_request };
}

function breakerOptions({ resilience: { breaker } }: Config): BreakerOptions {
  return { failures: breaker.failures, cooldownMs: breaker.cooldown_s * 1000 };
}

function buildProviders(
  loaded: LoadedConfig,
  before: { loaded: LoadedConfig; runtime: Runtime } | null,
): Map<string, Provider> {
  const { config, missingKeys } = loaded;
  const providers = new Map<string, Provider>();
  for (const [name, provider] of Object.entries(config.providers)) {
    if (missingKeys.has(name)) continue;
    // An unchanged provider keeps its connections.
    const settings = (of: Config) => JSON.stringify(of.providers[name]);
    const same = before && settings(before.loaded.config) === settings(config);
    const reused = same ? before.runtime.providers.get(name) : undefined;
    providers.set(name, reused ?? buildProvider(name, provider));
  }
  return providers;
}

function buildProvider(name: string, provider: ProviderConfig): Provider {
  const options = {
    name,
    apiKey: provider.api_key ?? '',
    baseUrl: provider.base_url ?? null,
  };
  return provider.type === 'anthropic'
    ? new AnthropicProvider(options)
    : new OpenAIProvider({ ...options, streamUsage: provider.stream_usage });
}

/** @throws StartError that says how to make one */
function readProjection(model: string, map = DEFAULT_PROJECTION): Projection {
  try {
    return loadProjection(pathToFileURL(map));
  } catch (error) {
    throw new StartError(cannotUseMap(model, messageOf(error)));
  }
}

interface EmbedderParts {
  clock: Clock;
  onHealth(healthy: boolean, reason: string): void;
  startWorker: StartWorker | undefined;
}

/** Loads no model yet. @throws StartError when its map cannot be used */
function buildEmbedder({ embedding }: Config, parts: EmbedderParts): LexicalEmbedder | TransformersEmbedder {
  const { kind, model = '', map, timeout_ms: budgetMs } = embedding;
  if (kind === 'lexical') return new LexicalEmbedder(map ? loadLexicalMap(pathToFileURL(map)) : undefined);
  return new TransformersEmbedder({
    ...parts,
    model,
    map: readProjection(model, map),
    cacheFolder: HUB_CACHE,
    budgetMs,
  });
}

/** Makes contexts as the gateway with this config does, once `start` has loaded what must be loaded. */
export function buildFeaturizer(config: Config) {
  const embedder = buildEmbedder(config, { clock: systemClock, onHealth: () => {}, startWorker: undefined });
  const loads = embedder instanceof TransformersEmbedder ? embedder : null;
  return {
    featurizer: new Featurizer(embedder),
    start: async () => loads?.start(),
    close: async () => loads?.close(),
  };
}

/** What contexts are of. */
type FeatureSpace = Pick<Featurizer, 'featureMap' | 'dimensions'>;

/** The tiers' prior slopes, as far as they hold for these features. */
function tierSlopes({ featureMap, dimensions }: FeatureSpace): Map<Tier, Float64Array> {
  const { feature_map, tiers } = tierPriors();
  return new Map(
    TIERS.map((tier) => {
      const expected = tiers[tier].slopes.map((slope) => TIER_SLOPE_SHARE * slope);
      return [tier, coefficientsUnder([0, ...expected], feature_map, featureMap, dimensions)];
    }),
  );
}

/** The warm start that the config names, or null. @throws StartError when it cannot be used with these features */
export function openWarmStart({ learning }: Config, { featureMap, dimensions }: FeatureSpace): WarmStartFile | null {
  if (learning.warm_start === undefined) return null;
  try {
    return readWarmStart(learning.warm_start, featureMap, dimensions);
  } catch (error) {
    throw new StartError(messageOf(error));
  }
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${milliseconds / 1000} s`)), milliseconds);
  });
  await Promise.race([work, patience]).finally(() => clearTimeout(timer));
}

function hashedKeys(config: Config): HashedKey[] {
  return config.auth.keys.map(({ key, models, rpm = null, tpm = null, budget = null, ...limits }) => ({
    hash: hashKey(key),
    limits: { ...limits, rpm, tpm, budget, models: models.includes('*') ? null : new Set(models) },
  }));
}

/** In memory they are kept as hashes only. */
function withoutGatewayKeys(loaded: LoadedConfig): LoadedConfig {
  const { auth } = loaded.config;
  const keys = auth.keys.map((key) => ({ ...key, key: '' }));
  return { ...loaded, config: { ...loaded.config, auth: { ...auth, keys } } };
}

/** @throws StartError */
export function refuseOpenHost(config: Config): void {
  const { host } = config.server;
  if (isLoopback(host) || config.auth.keys.length > 0) return;
  throw new StartError(
    `The gateway would listen on ${host} and spend your money for whoever reaches it. Set auth.keys in the config, or listen on 127.0.0.1.`,
  );
}

function noModel(loaded: LoadedConfig): StartError {
  const variables = [...new Set(loaded.missingKeys.values())];
  const ways = variables.length > 0 ? `Set ${variables.join(' or ')}` : 'Add a provider with a key, and a model of it';
  return new StartError(
    `No model can be called: no provider has its key. ${ways}, or see it work without any key: npm run demo`,
  );
}
