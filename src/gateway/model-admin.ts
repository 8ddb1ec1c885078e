import type { JsonObject } from '../domain/chat.ts';
import { GatewayError, invalidRequest } from '../domain/errors.ts';
import type { ModelChangeEvent, StoredEvent } from '../domain/events.ts';
import { changedBy, type ModelChanges } from '../domain/model-changes.ts';
import type { Load } from '../routing/load.ts';
import type { Clock } from '../util/clock.ts';
import type { EventLog } from './event-log.ts';
import type { DriftReset } from './learning/arm-resets.ts';
import type { Learner } from './learning/learner.ts';
import type { UpstreamModelChange } from './learning/upstream-versions.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { modelNotFound } from './model-choice.ts';

/** A model as it results from the config and the admins' changes; see `config/model-catalog.ts`. */
export interface ModelListing {
  id: string;
  source: 'config' | 'admin';
  state: 'active' | 'off' | 'retired' | 'refused';
  model: JsonObject | null;
  changed: JsonObject | null;
  problems: readonly { param: string | null; message: string; leftOut: readonly string[] }[];
}

export interface ModelStatus extends ModelListing {
  /** The number of ratings that were learned for the model. */
  ratings: number;
  /** Upstream calls under way. */
  inFlight: number;
  /** The last change of its upstream model; lessons from before it count less. */
  snapshotChange: UpstreamModelChange | null;
  /** The last drift alarm; ratings from before it count less. */
  drift: DriftReset | null;
}

export interface ModelAdminParts {
  eventLog: EventLog;
  learner: Learner;
  load: Load;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Returns the models under the current config and the given changes. */
  catalog(changes: ModelChanges): ModelListing[];
}

/**
 * How long the reply waits for the learner to read the change and so put it into effect. The change is already durable
 * by then.
 */
const IN_FORCE_WITHIN_MS = 5000;

/** `take_back` follows a `retire` that would have left no model. */
type AdminChange = 'add' | 'change' | 'retire' | 'reset' | 'take_back';

/**
 * The use cases of /admin/models. Every change is an event, and takes effect when the learner reads it from the log:
 * here, after a restart and in every other process alike. Changes run one at a time, so that each is checked against
 * the state that it will change.
 */
export class ModelAdmin {
  readonly #parts: ModelAdminParts;
  #last: Promise<unknown> = Promise.resolve();
  /** Changes in the log that the learner has not read yet, as it may still be reading a long log. */
  #ahead: StoredEvent<ModelChangeEvent>[] = [];

  constructor(parts: ModelAdminParts) {
    this.#parts = parts;
  }

  list(): ModelStatus[] {
    return this.#parts.catalog(this.#changes).map((listing) => this.#status(listing));
  }

  /** @throws GatewayError 404 */
  get(id: string): ModelStatus {
    const found = this.#find(id);
    if (!found) throw modelNotFound(id);
    return this.#status(found);
  }

  /**
   * Adds a model, or brings a retired one back.
   * @param entry an entry as in the config's `models`; for a model in the config file, the file supplies what the entry
   * omits
   * @param by name of the key of the request
   * @throws GatewayError 400 for an entry that cannot be used, 409 for an id that is taken, 503 when the store is
   * unavailable
   */
  add(entry: JsonObject, by: string | null): Promise<ModelStatus> {
    return this.#inTurn(async () => {
      const { id, ...settings } = entry;
      if (typeof id !== 'string') throw invalidRequest('"id" must be the id of the model.', 'id');
      const found = this.#find(id);
      if (found && found.state !== 'retired') {
        const message = `The model "${id}" already exists. PATCH /admin/models/${id} changes it.`;
        throw new GatewayError(409, message, { param: 'id', code: 'model_exists' });
      }
      return this.#record({ ...this.#event(id, by), type: 'model_set', settings, added: true }, 'add');
    });
  }

  /**
   * Changes the settings of a model.
   * @param patch JSON merge patch of the entry; null reverts an earlier change
   * @throws GatewayError 400, 404, 503
   */
  change(id: string, patch: JsonObject, by: string | null): Promise<ModelStatus> {
    return this.#inTurn(async () => {
      this.#serving(id);
      const { id: named = id, ...settings } = patch;
      if (named !== id) throw invalidRequest('The id of a model cannot be changed: add another model.', 'id');
      if (Object.keys(settings).length === 0)
        throw invalidRequest('The patch changes nothing: name at least one setting.');
      return this.#record({ ...this.#event(id, by), type: 'model_set', settings, added: false }, 'change');
    });
  }

  /**
   * Stops sending new requests to the model. Running requests finish, and late ratings are still accepted.
   * @throws GatewayError 404, 409, 503
   */
  retire(id: string, by: string | null): Promise<ModelStatus> {
    return this.#inTurn(async () => {
      this.#serving(id);
      if (this.#isLast(id)) throw lastModel(id);
      const { settings = {} } = this.#changes.get(id) ?? {};
      const status = await this.#record({ ...this.#event(id, by), type: 'model_retired' }, 'retire');
      // While the event was being written, a reload may have removed the other models, or another gateway may have
      // retired them. Without any model, the retirement would not take effect here, and the next start would refuse to
      // serve.
      if (!this.#isLast(id)) return status;
      await this.#write({ ...this.#event(id, by), type: 'model_set', settings, added: true }, 'take_back');
      throw lastModel(id);
    });
  }

  /**
   * Forgets everything learned about the model up to now.
   * @throws GatewayError 404, 503
   */
  reset(id: string, by: string | null): Promise<ModelStatus> {
    return this.#inTurn(async () => {
      if (!this.#find(id)) throw modelNotFound(id);
      return this.#record({ ...this.#event(id, by), type: 'model_reset' }, 'reset');
    });
  }

  get #changes(): ModelChanges {
    const { sequence, modelChanges } = this.#parts.learner.knowledge;
    const ahead = this.#ahead.filter((event) => event.sequence > sequence);
    return ahead.reduce<ModelChanges>((changes, event) => changedBy(changes, event), modelChanges);
  }

  /** True when no other model can serve requests. */
  #isLast(id: string): boolean {
    return !this.#parts.catalog(this.#changes).some((other) => other.state === 'active' && other.id !== id);
  }

  #find(id: string, changes = this.#changes): ModelListing | undefined {
    return this.#parts.catalog(changes).find((listing) => listing.id === id);
  }

  #serving(id: string): void {
    const found = this.#find(id);
    if (!found || found.state === 'retired') throw modelNotFound(id);
  }

  #event(model: string, by: string | null) {
    return { decisionId: null, time: this.#parts.clock.now(), model, by };
  }

  async #record(event: ModelChangeEvent, change: AdminChange): Promise<ModelStatus> {
    const wasOff = this.#find(event.model)?.state === 'off';
    const outcome = this.#find(event.model, changedBy(this.#changes, event));
    if (!outcome) throw invalidRequest(`The patch would leave nothing of "${event.model}". DELETE retires a model.`);
    if (event.type === 'model_set') refuseUnusable(outcome, wasOff, event.settings);
    await this.#write(event, change);
    return this.#status(outcome);
  }

  /** @throws GatewayError 503 when the store is unavailable */
  async #write(event: ModelChangeEvent, change: AdminChange): Promise<void> {
    const { eventLog, learner, metrics, log } = this.#parts;
    const stored = await eventLog.recordDurably(event).catch(() => {
      // A write that timed out may still take effect in the store.
      const message =
        'The event store did not confirm the change. It may still take effect: check GET /admin/models before you try again.';
      throw new GatewayError(503, message, { code: 'store_unavailable' });
    });
    const { sequence } = learner.knowledge;
    this.#ahead = this.#ahead.filter((earlier) => earlier.sequence > sequence);
    this.#ahead.push(stored as StoredEvent<ModelChangeEvent>);
    metrics.adminChanges.inc({ change });
    log.info({ model: event.model, change, by: event.by }, 'An admin changed a model.');
    await learner.learned(stored.sequence, IN_FORCE_WITHIN_MS);
  }

  #status(listing: ModelListing): ModelStatus {
    const { learner, load } = this.#parts;
    const { policy, upstreamVersions } = learner.knowledge;
    const drift = learner.knowledge.resets.lastDrift(listing.id);
    const ratings = policy.ratingsOf(listing.id);
    const snapshotChange = upstreamVersions.lastChange(listing.id);
    return { ...listing, ratings, inFlight: load.inFlight(listing.id), snapshotChange, drift };
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { eventLog, learner } = this.#parts;
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    const result = await turn;
    // The events that the learner records in response (a launch, a change of upstream model) also take effect through
    // the log.
    await eventLog.flush();
    await learner.learned(Number.POSITIVE_INFINITY, IN_FORCE_WITHIN_MS);
    return result;
  }
}

function lastModel(id: string): GatewayError {
  return new GatewayError(409, `"${id}" is the last model that can serve; add another first.`, { code: 'last_model' });
}

/**
 * Refuses a change whose settings could not be used. Settings that were already unusable before are no reason to refuse
 * a change of something else.
 * @param wasOff whether the model was already off: it may then be changed and stay off
 * @param settings the settings that the change sets
 * @throws GatewayError 400
 */
function refuseUnusable({ state, problems, model }: ModelListing, wasOff: boolean, settings: JsonObject): void {
  const atFault = problems.find(({ leftOut }) => leftOut.some((name) => Object.hasOwn(settings, name)));
  const problem = atFault ?? (model === null ? problems.at(-1) : undefined);
  if (problem) {
    const { param, message } = problem;
    throw invalidRequest(param ? `"${param}": ${message}` : message, param);
  }
  if (state !== 'off' || wasOff) return;
  throw invalidRequest(
    `The provider "${model?.provider}" is off: it has no key. Set the key, then add the model.`,
    'provider',
    'provider_disabled',
  );
}
