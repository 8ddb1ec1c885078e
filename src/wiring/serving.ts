import type { LoadedConfig } from '../config/load.ts';
import { type CatalogEntry, knownArms, modelCatalog, withCatalog } from '../config/model-catalog.ts';
import type { Config } from '../config/schema.ts';
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
  /** Resolves once the requests that are under way now have ended. */
  requestsEnded(): Promise<void>;
}

/**
 * Within this time every request that saw the old runtime is decided: no text may be embedded longer
 * (embedding.timeout_ms).
 */
const DECIDED_WITHIN_MS = 60_000;

/** What serves requests now, and what takes its place when the config changes, or an admin the models. */
export class Serving {
  readonly #parts: ServingParts;
  /** Without the gateway's own keys: what need not be kept cannot leak. */
  #loaded: LoadedConfig;
  #runtime: Runtime;
  /** The log was read: from here on each change of a model is put in force as it comes. */
  #begun = false;

  /** @throws StartError when no model can be called */
  constructor(loaded: LoadedConfig, parts: ServingParts) {
    this.#parts = parts;
    this.#loaded = withoutGatewayKeys(loaded);
    this.#runtime = buildRuntime(loaded, null, parts);
    this.#applySettings(loaded.config);
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

  /** What admins changed before is in force from here on. @throws StartError when that leaves no model */
  begin(): void {
    this.#begun = true;
    if (this.#parts.learner.knowledge.modelChanges.size > 0) this.#replace(this.#loaded);
    else this.#introduceArms();
  }

  /**
   * For the requests that come from now on; running ones keep what they have.
   * @returns the settings that have changed and wait for the next start
   * @throws StartError when it cannot be served; nothing has changed then
   */
  reload(loaded: LoadedConfig): readonly string[] {
    this.#replace(loaded);
    const waiting = waitingForStart(loaded.config, this.config);
    for (const setting of waiting) {
      this.#parts.log.warn(`A changed "${setting}" takes effect at the next start.`);
    }
    this.#loaded = withoutGatewayKeys({ ...loaded, config: asStarted(loaded.config, this.config) });
    return waiting;
  }

  /** The learner knows of a change by an admin, or knows all anew. */
  modelsChanged(): void {
    if (!this.#begun) {
      this.#tellPriors(this.#loaded);
      return;
    }
    try {
      this.#replace(this.#loaded);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'The models were not changed; what served before still does.');
    }
  }

  /** What the parts that outlive a runtime take from the config. */
  #applySettings({ auth, learning }: Config): void {
    const { learner, metrics } = this.#parts;
    const ids = this.#runtime.arms.map(({ id }) => id);
    metrics.begin(
      ids,
      auth.keys.filter(({ budget }) => budget).map(({ name }) => name),
    );
    learner.setDrift(learning.drift === 'off' ? null : learning.drift);
    learner.setVersionRemains(learning.snapshot_change.remains);
  }

  /**
   * Of all models that are known, on offer or not: the ratings of one that is retired would else be told against another
   * prior, and move what is predicted of all others. While the log is read each change gives the priors that it gave when
   * it came. With those of the file alone the same would be learned, but for the last bit: where the priors change
   * everything derived is computed anew.
   */
  #tellPriors(loaded: LoadedConfig): void {
    const { learner, tierSlopes } = this.#parts;
    const arms = knownArms(loaded, learner.knowledge.modelChanges);
    learner.setPriors(priorQualities(arms), priorSlopes(arms, tierSlopes), likenedArms(arms));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#runtime.providers.values()].map((provider) => provider.close()));
  }

  /** @throws StartError when no model can be called; nothing has changed then */
  #replace(loaded: LoadedConfig): void {
    const previous = this.#runtime;
    const catalog = modelCatalog(loaded, this.#parts.learner.knowledge.modelChanges);
    refuseAllRetired(catalog);
    const before = { loaded: this.#loaded, runtime: previous };
    this.#runtime = buildRuntime(withCatalog(loaded, catalog), before, this.#parts);
    this.#applySettings(loaded.config);
    this.#tellPriors(loaded);
    for (const { id, problems } of catalog) {
      for (const { message, leftOut } of problems) {
        const told = { model: id, reason: message, leftOut };
        this.#parts.log.warn(told, 'Changes of a model by admins cannot be used.');
      }
    }
    this.#forgetUpstreamsOf(previous);
    this.#retireProviders(previous);
    this.#introduceArms();
  }

  /** That an upstream failed, or asked for a pause, says nothing of the one that now stands behind the same arm. */
  #forgetUpstreamsOf(previous: Runtime): void {
    const { conditions, metrics } = this.#parts;
    for (const arm of previous.arms) {
      if (isSameUpstream(arm, previous, this.#runtime)) continue;
      conditions.breakers.forget(arm.id);
      conditions.rateLimits.forget(arm.id);
      if (!this.#runtime.arms.some(({ id }) => id === arm.id)) metrics.breakerState.remove({ model: arm.id });
    }
  }

  /** New arms among known ones begin with the launch recipe. */
  #introduceArms(): void {
    const { arms, reference, defaultWeight } = this.#runtime;
    this.#parts.learner.introduce({ arms, reference, weight: defaultWeight });
  }

  async #closeAfterRequests(provider: Provider): Promise<void> {
    await this.#parts.requestsEnded();
    await provider
      .close()
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'A provider that was replaced did not close.'));
  }

  /**
   * Closes the providers that the new runtime does not share, once no request can use them any more, not even as a
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

/** @throws StartError when there is a provider and a model, and it was the admins who left none in service */
function refuseAllRetired(catalog: readonly CatalogEntry[]): void {
  const retired = catalog.filter(({ state }) => state === 'retired').map(({ id }) => `"${id}"`);
  if (retired.length === 0 || catalog.some(({ state }) => state === 'active' || state === 'off')) return;
  throw new StartError(
    `No model can be called: admins have retired ${retired.join(', ')}. POST /admin/models with {"id": …} takes one back; ` +
      'where no gateway runs any more, it starts again with a model of another id in the config.',
  );
}
