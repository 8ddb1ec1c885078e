import type { LoadedConfig } from '../config/load.ts';
import { type CatalogEntry, knownArms, modelCatalog, withCatalog } from '../config/model-catalog.ts';
import type { Config } from '../config/schema.ts';
import { FormerSeries } from '../gateway/former-series.ts';
import type { Metrics } from '../gateway/metrics.ts';
import { isSameUpstream, type Runtime } from '../gateway/runtime.ts';
import type { Provider } from '../providers/provider.ts';
import { likenedArms, priorQualities, priorSlopes } from '../routing/priors.ts';
import { asStarted, waitingForStart } from './fixed-settings.ts';
import { withoutGatewayKeys } from './keys.ts';
import { buildRuntime, type RuntimeParts } from './runtime.ts';
import { StartError } from './start-error.ts';

export interface ServingParts extends RuntimeParts {
  metrics: Metrics;
  /** Resolves once the requests that are running now have ended. */
  requestsEnded(): Promise<void>;
}

/**
 * Within this time every request that used the old runtime has been decided, because no text may take longer to embed
 * (embedding.timeout_ms).
 */
const DECIDED_WITHIN_MS = 60_000;

/** What serves requests now. Replaces it when the config changes, or when an admin changes the models. */
export class Serving {
  readonly #parts: ServingParts;
  /** Does not contain the gateway's own keys, because what is not kept cannot leak. */
  #loaded: LoadedConfig;
  #runtime: Runtime;
  readonly #series: FormerSeries;
  /** Whether the log has been read: from then on, each change of a model takes effect when it arrives. */
  #begun = false;

  /** @throws StartError when no model can be called */
  constructor(loaded: LoadedConfig, parts: ServingParts) {
    this.#parts = parts;
    this.#series = new FormerSeries(parts.metrics, parts.clock);
    this.#loaded = withoutGatewayKeys(loaded);
    this.#runtime = buildRuntime(loaded, null, parts);
    this.#applySettings(loaded.config);
    this.#followModels(modelCatalog(this.#loaded, parts.learner.knowledge.modelChanges));
    this.#tellPriors(this.#loaded);
  }

  get runtime(): Runtime {
    return this.#runtime;
  }

  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  get config(): Config {
    return this.#loaded.config;
  }

  /**
   * Applies earlier changes by admins.
   * @throws StartError when they leave no model
   */
  begin(): void {
    this.#begun = true;
    if (this.#parts.learner.knowledge.modelChanges.size > 0) this.#replace(this.#loaded);
    else this.#introduceArms();
  }

  /**
   * Applies another config to new requests; running requests keep theirs.
   * @returns the changed settings that take effect only at the next start
   * @throws StartError when the config cannot be served; nothing changes then
   */
  reload(loaded: LoadedConfig): readonly string[] {
    this.#replace(loaded);
    const waiting = waitingForStart(loaded.config, this.config);
    for (const setting of waiting) {
      this.#parts.log.warn(`The change to "${setting}" takes effect at the next start.`);
    }
    this.#loaded = withoutGatewayKeys({ ...loaded, config: asStarted(loaded.config, this.config) });
    return waiting;
  }

  /** Called when the learner has read a change by an admin, or was rebuilt. */
  modelsChanged(): void {
    if (!this.#begun) {
      this.#tellPriors(this.#loaded);
      return;
    }
    try {
      this.#replace(this.#loaded);
    } catch (error) {
      const { log } = this.#parts;
      const told = 'The models were not changed; the previous ones keep serving.';
      if (error instanceof StartError) log.error(`${told} With the change: ${error.message}`);
      else log.error({ err: error }, told);
    }
  }

  /** Applies the config to the parts that outlive a runtime. */
  #applySettings({ auth, learning }: Config): void {
    const { learner, metrics } = this.#parts;
    const ids = this.#runtime.arms.map(({ id }) => id);
    metrics.begin(ids, auth.keys);
    this.#series.present(
      'key',
      auth.keys.map(({ name }) => name),
    );
    learner.setDrift(learning.drift === 'off' ? null : learning.drift);
    learner.setVersionRemains(learning.snapshot_change.remains);
  }

  /**
   * Updates the metrics of the existing models. A model that is off is reported, because its absence makes no request
   * fail.
   */
  #followModels(catalog: readonly CatalogEntry[]): void {
    const { modelOff } = this.#parts.metrics;
    const present = catalog.filter(({ state }) => state !== 'retired');
    this.#series.present(
      'model',
      present.map(({ id }) => id),
    );
    modelOff.reset();
    for (const { id, state } of present) {
      if (state !== 'refused') modelOff.set({ model: id }, Number(state === 'off'));
    }
  }

  /**
   * Sets the priors of all known models, on offer or not: otherwise a retired model's ratings would be compared with a
   * different prior, and would move the predictions for all others. While the log is being read, each change of a model
   * sets the same priors as when it originally arrived. The config's priors alone would teach the same except for the
   * last bit, because everything that depends on the priors is recomputed whenever they change.
   */
  #tellPriors(loaded: LoadedConfig): void {
    const { learner, tierSlopes } = this.#parts;
    const arms = knownArms(loaded, learner.knowledge.modelChanges);
    learner.setPriors(priorQualities(arms), priorSlopes(arms, tierSlopes), likenedArms(arms));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#runtime.providers.values()].map((provider) => provider.close()));
  }

  /** @throws StartError when no model can be called; nothing changes then */
  #replace(loaded: LoadedConfig): void {
    const previous = this.#runtime;
    const catalog = modelCatalog(loaded, this.#parts.learner.knowledge.modelChanges);
    refuseAllRetired(catalog);
    const before = { loaded: this.#loaded, runtime: previous };
    this.#runtime = buildRuntime(withCatalog(loaded, catalog), before, this.#parts);
    this.#applySettings(loaded.config);
    this.#followModels(catalog);
    this.#tellPriors(loaded);
    for (const { id, problems } of catalog) {
      for (const { message, leftOut } of problems) {
        const told = { model: id, reason: message, leftOut };
        this.#parts.log.warn(told, 'Changes to a model by admins cannot be used.');
      }
    }
    this.#forgetUpstreamsOf(previous);
    this.#retireProviders(previous);
    this.#introduceArms();
  }

  /**
   * Forgets what is known about former upstreams: the failures and pauses of an old upstream say nothing about the one
   * that the same arm has now.
   */
  #forgetUpstreamsOf(previous: Runtime): void {
    const { conditions, metrics } = this.#parts;
    for (const arm of previous.arms) {
      if (isSameUpstream(arm, previous, this.#runtime)) continue;
      conditions.breakers.forget(arm.id);
      conditions.rateLimits.forget(arm.id);
      conditions.silence.forget(arm.id);
      if (!this.#runtime.arms.some(({ id }) => id === arm.id)) metrics.breakerState.remove({ model: arm.id });
    }
  }

  /** Launches arms that are new when others are already known. */
  #introduceArms(): void {
    const { arms, reference, defaultWeight } = this.#runtime;
    this.#parts.learner.introduce({ arms, reference, weight: defaultWeight });
  }

  async #closeAfterRequests(provider: Provider): Promise<void> {
    await this.#parts.requestsEnded();
    await provider
      .close()
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'A replaced provider did not close.'));
  }

  /**
   * Closes providers that the new runtime does not share, once no request can use them any more, not even as a
   * fallback.
   */
  #retireProviders(previous: Runtime): void {
    const current = new Set(this.#runtime.providers.values());
    for (const provider of previous.providers.values()) {
      if (current.has(provider)) continue;
      this.#parts.clock.after(DECIDED_WITHIN_MS, () => void this.#closeAfterRequests(provider));
    }
  }
}

/** @throws StartError when admins have retired models and no other is left, not even one whose provider has no key */
function refuseAllRetired(catalog: readonly CatalogEntry[]): void {
  const retired = catalog.filter(({ state }) => state === 'retired').map(({ id }) => `"${id}"`);
  if (retired.length === 0 || catalog.some(({ state }) => state === 'active' || state === 'off')) return;
  throw new StartError(
    `No model can be called: admins have retired ${retired.join(', ')}. POST /admin/models with {"id": …} restores one; ` +
      'if no gateway is running, add a model with another id to the config.',
  );
}
