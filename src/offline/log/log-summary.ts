import type { CompletedEvent, DecidedEvent } from '../../domain/events.ts';
import type { DecisionRecord } from './decision-records.ts';
import { meanScore } from './export-row.ts';

/** Answers in a period. A mean is null when there are no values. */
export interface AnswerSummary {
  answers: number;
  /** Fraction of all answers, 0..1. */
  share: number;
  rated: number;
  /** Over the rated answers, 0..1. */
  mean_rating: number | null;
  /** Including calls that the client abandoned before an answer. */
  cost_usd: number;
  /** Of an answer. */
  mean_cost_usd: number | null;
  mean_input_tokens: number | null;
  mean_output_tokens: number | null;
  /** Seconds that the model itself took. */
  mean_latency_s: number | null;
}

export type ModelSummary = { model: string } & AnswerSummary;
export type KeySummary = { key: string } & AnswerSummary;

export interface LogSummary {
  decisions: number;
  /** Decisions that some model answered, even if not to the end. */
  answered: number;
  /** Answers with a rating that counts. */
  rated: number;
  /** Cost over all decisions: that of the answers, and of calls that the client abandoned before an answer. */
  cost_usd: number;
  /** Times of the first and the last decision, ISO 8601; null when there is none. */
  first: string | null;
  last: string | null;
  /** Number of decisions by the id of the feature map that they used. */
  feature_maps: Record<string, number>;
  /** Ordered by number of answers, largest first. */
  models: ModelSummary[];
  /** By gateway key, in the same order; empty where no key was required. */
  keys: KeySummary[];
}

/** Summarises decisions, one at a time. */
export class LogSummarizer {
  #decisions = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #costUsd = 0;
  readonly #featureMaps = new Map<string, number>();
  readonly #models = new Groups();
  readonly #keys = new Groups();

  add({ decided, completed, ratings }: DecisionRecord): void {
    this.#decisions++;
    this.#first = Math.min(this.#first, decided.time);
    this.#last = Math.max(this.#last, decided.time);
    const { featureMap } = decided.context;
    this.#featureMaps.set(featureMap, (this.#featureMaps.get(featureMap) ?? 0) + 1);
    this.#costUsd += completed?.costUsd ?? 0;
    if (!completed) return;
    if (completed.arm === null) {
      if (completed.costUsd) this.#addAbandoned(decided, completed, completed.costUsd);
      return;
    }
    const rating = meanScore(ratings);
    this.#models.of(completed.arm).add(completed, rating);
    if (decided.key !== null) this.#keys.of(decided.key).add(completed, rating);
  }

  /** Adds the cost of a call that the client abandoned to the model that was called, so that the costs add up. */
  #addAbandoned({ key, decision }: DecidedEvent, { attempts }: CompletedEvent, costUsd: number): void {
    this.#models.of(attempts.at(-1)?.arm ?? decision.arm).abandonedUsd += costUsd;
    if (key !== null) this.#keys.of(key).abandonedUsd += costUsd;
  }

  summary(): LogSummary {
    const models = this.#models.summaries(this.#models.answers);
    const total = (of: (summary: AnswerSummary) => number) => models.reduce((sum, [, model]) => sum + of(model), 0);
    const isoTime = (time: number) => (this.#decisions > 0 ? new Date(time).toISOString() : null);
    return {
      decisions: this.#decisions,
      answered: total(({ answers }) => answers),
      rated: total(({ rated }) => rated),
      cost_usd: this.#costUsd,
      first: isoTime(this.#first),
      last: isoTime(this.#last),
      feature_maps: Object.fromEntries(this.#featureMaps),
      models: models.map(([model, summary]) => ({ model, ...summary })),
      keys: this.#keys.summaries(this.#models.answers).map(([key, summary]) => ({ key, ...summary })),
    };
  }
}

/** Answers grouped by name. */
class Groups {
  readonly #sums = new Map<string, AnswerSums>();

  of(name: string): AnswerSums {
    let sums = this.#sums.get(name);
    if (!sums) {
      sums = new AnswerSums();
      this.#sums.set(name, sums);
    }
    return sums;
  }

  get answers(): number {
    return [...this.#sums.values()].reduce((sum, { answers }) => sum + answers, 0);
  }

  /**
   * The groups with the most answers first.
   * @param all total number of answers, to which the shares refer
   */
  summaries(all: number): [string, AnswerSummary][] {
    return [...this.#sums]
      .map(([name, sums]): [string, AnswerSummary] => [name, sums.summary(all)])
      .sort(([a, { answers: ofA }], [b, { answers: ofB }]) => ofB - ofA || (a < b ? -1 : 1));
  }
}

class AnswerSums {
  answers = 0;
  abandonedUsd = 0;
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

  summary(all: number): AnswerSummary {
    return {
      answers: this.answers,
      share: all > 0 ? this.answers / all : 0,
      rated: this.rating.count,
      mean_rating: this.rating.value,
      cost_usd: this.cost.sum + this.abandonedUsd,
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
