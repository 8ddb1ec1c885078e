import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from 'prom-client';

const SECONDS_FAST = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5];
const SECONDS_SLOW = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300];

/** Parts of the gateway that may be impaired while requests are still served. */
export type DegradablePart = 'store' | 'learner' | 'embedder';

/** Tag label of decisions on queries whose kind is unknown because the embedder failed or recognises no kinds. */
export const UNTAGGED = 'unknown';

/** What a metric series may be about. */
export type SeriesSubject = 'model' | 'key';

const LABELS: Record<SeriesSubject, readonly string[]> = { model: ['model', 'from', 'to'], key: ['key'] };

/** Everything that /metrics reports. One registry per gateway, so that several gateways can live in one process. */
export class Metrics {
  readonly registry = new Registry();
  readonly #labelled: { metric: Metric; labelNames: readonly string[] }[] = [];
  readonly requests = this.#counter('requests_total', 'Chat requests by answering model and status.', [
    'model',
    'provider',
    'status',
  ]);
  readonly refusedRequests = this.#counter(
    'refused_requests_total',
    'Requests that the gateway itself answered with an error.',
    ['status', 'code'],
  );
  readonly decisions = this.#counter('decisions_total', 'Decisions by chosen model and by what chose it.', [
    'model',
    'chosen_by',
  ]);
  // A separate counter, because combining labels for the tag, the model and what chose it would create thousands of
  // series.
  readonly tagDecisions = this.#counter('tag_decisions_total', 'Decisions by kind of query and chosen model.', [
    'tag',
    'model',
  ]);
  readonly keyDecisions = this.#counter('key_decisions_total', 'Decisions by the key that asked.', ['key']);
  readonly decisionSeconds = this.#histogram(
    'decision_seconds',
    'Time for features, scores and choice.',
    [],
    SECONDS_FAST,
  );
  readonly overheadSeconds = this.#histogram(
    'overhead_seconds',
    'From the last byte of a request to its first upstream call.',
    [],
    SECONDS_FAST,
  );
  readonly timeToFirstTokenSeconds = this.#histogram(
    'upstream_time_to_first_token_seconds',
    'From the upstream call to the first content.',
    ['model'],
    SECONDS_SLOW,
  );
  readonly upstreamSeconds = this.#histogram(
    'upstream_duration_seconds',
    'From the upstream call to the end of the answer.',
    ['model'],
    SECONDS_SLOW,
  );
  readonly tokens = this.#counter('tokens_total', 'Tokens as the upstream reports them; estimated where it does not.', [
    'model',
    'kind',
  ]);
  readonly keyTokens = this.#counter('key_tokens_total', 'The same tokens, by the key that asked.', ['key', 'kind']);
  readonly costUsd = this.#counter('cost_usd_total', 'USD spent, by the configured prices.', ['model']);
  readonly referenceCostUsd = this.#counter(
    'reference_cost_usd_total',
    'USD that the reference model was predicted to cost for the same routed requests.',
    [],
  );
  readonly savedUsd = this.#gauge(
    'saved_usd',
    'USD saved against always using the reference model, since start: its predicted cost minus what was spent.',
    [],
  );
  readonly upstreamErrors = this.#counter('upstream_errors_total', 'Failed upstream calls.', [
    'model',
    'failure',
    'status',
  ]);
  readonly rateLimited = this.#counter(
    'rate_limited_total',
    'Upstream calls that ended with a 429 or any retry-after.',
    ['model'],
  );
  readonly breakerState = this.#gauge('breaker_state', 'Circuit breaker: 0 closed, 1 half-open, 2 open.', ['model']);
  readonly breakerOpenings = this.#counter('breaker_openings_total', 'Times a circuit breaker opened.', ['model']);
  readonly fallbacks = this.#counter('fallbacks_total', 'Requests answered by another model than the chosen one.', [
    'from',
    'to',
  ]);
  readonly inFlight = this.#gauge('in_flight_requests', 'Upstream calls in progress.', ['model']);
  readonly bodyBytes = this.#gauge('in_flight_body_bytes', 'Bytes held by the bodies of running requests.', []);
  readonly overloads = this.#counter(
    'overloaded_requests_total',
    'Requests refused because the bodies of running requests leave no memory for theirs.',
    ['key'],
  );
  readonly feedbackRequests = this.#counter('feedback_requests_total', 'Answers for which a rating was requested.', [
    'reason',
  ]);
  readonly ratings = this.#counter('ratings_total', 'Ratings accepted.', []);
  readonly implicitSignals = this.#counter(
    'implicit_signals_total',
    'Implicit feedback signals: a repeated query, or an abandoned answer.',
    ['signal'],
  );
  readonly ratingsWithdrawn = this.#counter('ratings_withdrawn_total', 'Ratings withdrawn.', []);
  readonly driftAlarms = this.#counter('drift_alarms_total', 'Models whose ratings drifted from the predictions.', [
    'model',
    'direction',
  ]);
  readonly snapshotChanges = this.#counter('snapshot_changes_total', 'Changes of the upstream model behind a model.', [
    'model',
  ]);
  readonly budgetTargetUsd = this.#gauge('budget_target_usd', 'Target of the routing budget, in USD.', ['per']);
  readonly budgetSpentUsd = this.#gauge('budget_spent_usd', 'USD spent: today (UTC), or the mean per request.', [
    'per',
  ]);
  readonly budgetWeight = this.#gauge(
    'budget_weight',
    'Weight of quality against cost that the routing budget has arrived at.',
    [],
  );
  readonly limitedRequests = this.#counter('limited_requests_total', 'Requests refused by a limit of their key.', [
    'key',
    'limit',
  ]);
  readonly keySpentUsd = this.#counter('key_spent_usd_total', "USD counted against each key's budget, since start.", [
    'key',
  ]);
  readonly modelOff = this.#gauge(
    'model_off',
    "1 for a model of the config that cannot be called because its provider's key is not set, else 0.",
    ['model'],
  );
  readonly configReloaded = this.#gauge(
    'config_last_reload_successful',
    'Whether the config file last read can be used: 0 while an older one is in force, or while the next start would fail.',
    [],
  );
  readonly adminChanges = this.#counter('admin_changes_total', 'Changes to models by admins.', ['change']);
  readonly learnerLag = this.#gauge('learner_lag_events', 'Events in the log that the learner has yet to read.', []);
  readonly learnerSkipped = this.#counter('learner_skipped_events_total', 'Events that could not be learned from.', []);
  readonly foreignContexts = this.#gauge(
    'learner_foreign_contexts',
    'Decisions from another feature map that are learned from, by what is kept: the intercept alone, or structural features too.',
    ['kept'],
  );
  readonly snapshotsRejected = this.#counter('learner_snapshots_rejected_total', 'Damaged snapshots set aside.', []);
  readonly eventsWaiting = this.#gauge('events_waiting', 'Events that are yet to be written to the log.', []);
  readonly eventsLost = this.#counter('events_lost_total', 'Events lost while the store was down.', []);
  readonly eventsPruned = this.#counter('events_pruned_total', 'Events deleted because of their age.', []);
  readonly storeErrors = this.#counter(
    'store_errors_total',
    'Failed commits to the event store, and failed look-ups in it.',
    [],
  );
  readonly degradedDecisions = this.#counter(
    'degraded_decisions_total',
    'Decisions made without the embedder or the learner, by part.',
    ['part'],
  );
  readonly embedderLosses = this.#counter(
    'embedder_losses_total',
    'Times the thread of the sentence-embedding model was lost or could not be restarted.',
    [],
  );
  readonly #degradedCauses = new Map<DegradablePart, Set<string>>();
  readonly #degradedParts = this.#gauge('degraded', '1 while a part of the gateway is degraded.', ['part']);

  constructor() {
    for (const part of ['store', 'learner', 'embedder'] satisfies DegradablePart[]) this.degraded(part, false);
    this.configReloaded.set(1);
  }

  /** Adds the process's own figures (memory, CPU, event-loop lag). */
  collectProcessMetrics(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  /**
   * Starts the series of these models and keys at 0, because Prometheus sees no increase in a series that first appears
   * with its first event. Existing counts stay.
   * @param keys all keys; empty if none is required
   */
  begin(models: readonly string[], keys: readonly { name: string; budget?: unknown }[]): void {
    for (const model of models) {
      this.breakerState.inc({ model }, 0);
      this.breakerOpenings.inc({ model }, 0);
      this.snapshotChanges.inc({ model }, 0);
      for (const direction of ['better', 'worse']) this.driftAlarms.inc({ model, direction }, 0);
    }
    for (const { name: key, budget } of keys) {
      if (budget) this.limitedRequests.inc({ key, limit: 'budget' }, 0);
      this.overloads.inc({ key }, 0);
      this.keyDecisions.inc({ key }, 0);
    }
    if (keys.length === 0) this.overloads.inc({ key: '' }, 0);
    this.refusedRequests.inc({ status: 429, code: 'budget_spent' }, 0);
  }

  /**
   * Removes every series about a model or key that is gone. Reads only metrics with such labels, because reading the
   * process's own figures resets them.
   * @param isGone whether the model or key of this name is gone
   */
  async forget(kind: SeriesSubject, isGone: (name: string) => boolean): Promise<void> {
    for (const { metric, labelNames } of this.#labelled) {
      if (!LABELS[kind].some((label) => labelNames.includes(label))) continue;
      for (const { labels } of (await metric.get()).values) {
        // A histogram's buckets are parts of one series.
        const { le: _, ...own } = labels as Record<string, string>;
        if (LABELS[kind].some((label) => own[label] !== undefined && isGone(own[label]))) metric.remove(own);
      }
    }
  }

  /** Sets or clears one cause of degradation. A part is degraded while any of its causes is set. */
  degraded(part: DegradablePart, yes: boolean, cause = 'use'): void {
    const causes = this.#degradedCauses.get(part) ?? new Set();
    // Return early, because this method runs with every request.
    if (causes.has(cause) === yes && this.#degradedCauses.has(part)) return;
    if (yes) causes.add(cause);
    else causes.delete(cause);
    this.#degradedCauses.set(part, causes);
    this.#degradedParts.set({ part }, causes.size > 0 ? 1 : 0);
  }

  #kept<M>(metric: M, labelNames: readonly string[]): M {
    if (labelNames.length > 0) this.#labelled.push({ metric: metric as Metric, labelNames });
    return metric;
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return this.#kept(
      new Counter({ name: `mixllm_${name}`, help, labelNames, registers: [this.registry] }),
      labelNames,
    );
  }

  #gauge<L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> {
    return this.#kept(new Gauge({ name: `mixllm_${name}`, help, labelNames, registers: [this.registry] }), labelNames);
  }

  #histogram<L extends string>(name: string, help: string, labelNames: L[], buckets: number[]): Histogram<L> {
    const options = { name: `mixllm_${name}`, help, labelNames, buckets, registers: [this.registry] };
    return this.#kept(new Histogram(options), labelNames);
  }
}
