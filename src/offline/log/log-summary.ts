import type { CompletedEvent } from '../../domain/events.ts';
import type { DecisionRecord } from './decision-records.ts';
import { meanScore } from './export-row.ts';

/** What one model did in a period. A mean is null when there are no values. */
export interface ModelSummary {
  model: string;
  answers: number;
  /** Of all answers, 0..1. */
  share: number;
  rated: number;
  /** Over the rated answers, 0..1. */
  mean_rating: number | null;
  cost_usd: number;
  mean_cost_usd: number | null;
  mean_input_tokens: number | null;
  mean_output_tokens: number | null;
  /** Seconds that the model itself took. */
  mean_latency_s: number | null;
}

export interface LogSummary {
  decisions: number;
  /** Decisions that some model answered, even if not to the end. */
  answered: number;
  /** Answers with a rating that counts. */
  rated: number;
  /** Cost over all decisions: of the answers, and also of calls that the client left before an answer. */
  cost_usd: number;
  /** Times of the first and the last decision, ISO 8601; null when there is none. */
  first: string | null;
  last: string | null;
  /** Decisions by the id of the feature map that they used. */
  feature_maps: Record<string, number>;
  /** Ordered by number of answers, most first. */
  models: ModelSummary[];
}

/** Summarises decisions, one at a time. */
export class LogSummarizer {
  #decisions = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #costUsd = 0;
  readonly #featureMaps = new Map<string, number>();
  readonly #models = new Map<string, ModelSums>();

  add({ decided, completed, ratings }: DecisionRecord): void {
    this.#decisions++;
    this.#first = Math.min(this.#first, decided.time);
    this.#last = Math.max(this.#last, decided.time);
    const { featureMap } = decided.context;
    this.#featureMaps.set(featureMap, (this.#featureMaps.get(featureMap) ?? 0) + 1);
    this.#costUsd += completed?.costUsd ?? 0;
    if (!completed || completed.arm === null) return;
    const sums = this.#models.get(completed.arm) ?? new ModelSums();
    this.#models.set(completed.arm, sums);
    sums.add(completed, meanScore(ratings));
  }

  summary(): LogSummary {
    const sums = [...this.#models.values()];
    const total = (of: (sums: ModelSums) => number) => sums.reduce((sum, model) => sum + of(model), 0);
    const answered = total(({ answers }) => answers);
    const isoTime = (time: number) => (this.#decisions > 0 ? new Date(time).toISOString() : null);
    return {
      decisions: this.#decisions,
      answered,
      rated: total(({ rating }) => rating.count),
      cost_usd: this.#costUsd,
      first: isoTime(this.#first),
      last: isoTime(this.#last),
      feature_maps: Object.fromEntries(this.#featureMaps),
      models: [...this.#models]
        .map(([model, sums]) => sums.summary(model, answered))
        .sort((a, b) => b.answers - a.answers || (a.model < b.model ? -1 : 1)),
    };
  }
}

class ModelSums {
  answers = 0;
  readonly rating = new Mean();
  readonly cost = new Mean();
  readonly #inputTokens = new Mean();
  readonly #outputTokens = new Mean();
  readonly #latencyS = new Mean();

  add({ costUsd, usage, serviceMs }: CompletedEvent, rating: number | null): void {
    this.answers++;
    this.rating.add(rating);
    this.cost.add(costUsd);
    this.#inputTokens.add(usage?.inputTokens);
    this.#outputTokens.add(usage?.outputTokens);
    this.#latencyS.add(serviceMs === null ? null : serviceMs / 1000);
  }

  summary(model: string, answered: number): ModelSummary {
    return {
      model,
      answers: this.answers,
      share: this.answers / answered,
      rated: this.rating.count,
      mean_rating: this.rating.value,
      cost_usd: this.cost.sum,
      mean_cost_usd: this.cost.value,
      mean_input_tokens: this.#inputTokens.value,
      mean_output_tokens: this.#outputTokens.value,
      mean_latency_s: this.#latencyS.value,
    };
  }
}

/** Mean of the known values. */
class Mean {
  count = 0;
  sum = 0;

  add(value: number | null | undefined): void {
    if (value === null || value === undefined) return;
    this.count++;
    this.sum += value;
  }

  get value(): number | null {
    return this.count > 0 ? this.sum / this.count : null;
  }
}
