import { LinearPolicy } from '../../bandit/linear-policy.ts';
import type { Offer, OfferAssessment } from '../../bandit/policy.ts';
import type { Arm } from '../../domain/arm.ts';
import type { ExplorationKind } from '../../domain/exploration.ts';
import { recordedOutputTokens, recordedPrices } from '../../recorded/recorded-prices.ts';
import { ArmStatistics } from '../../routing/arm-statistics.ts';
import { priorQualities } from '../../routing/priors.ts';
import { derivedSeed, drawIndex, type Random, seededRandom } from '../../util/random.ts';
import { teach } from '../arms/train-arms.ts';
import type { EvaluationRow } from '../evaluate/predictor.ts';
import { observationsOf } from '../evaluate/production.ts';
import type { OnlineData } from '../online-data.ts';
import { type Gain, gainOf, type Scale, WEIGHT } from './scoring.ts';

/** Numbers of the independent random streams, by purpose. */
export const PURPOSE = { prices: 1, choices: 2, raters: 3, arrivals: 4, services: 5 };

/** A choice, and the predicted length of the chosen model's answer. */
export interface Choice {
  /** Position of the model. */
  model: number;
  predictedTokens: number;
}

export interface Asked {
  /** Positions of the models on offer; default: all. */
  models?: readonly number[];
  /** Penalty per model, in units of the score; default: none. */
  penalties?: readonly number[];
}

/**
 * The production policy, driven as by the gateway, at one weight: list prices scatter around what answers really cost,
 * lengths are learned from each answer together with its prediction, and costs are in units of the reference model's
 * predicted costs. Models are identified by their positions in the data's list.
 */
export class PolicyDriver {
  readonly statistics = new ArmStatistics();
  readonly #policy: LinearPolicy;
  readonly #models: readonly string[];
  readonly #reference: Pick<Arm, 'id' | 'price'>;
  readonly #exploration: ExplorationKind;
  readonly #prices: readonly { output: number }[];
  readonly #random: Random;

  /**
   * @param reference position of the model whose cost is the unit
   * @param exploration `none` for a router that does not learn
   */
  constructor(data: OnlineData, seed: number, reference: number, exploration: ExplorationKind = 'thompson') {
    this.#models = data.models;
    this.#exploration = exploration;
    this.#random = seededRandom(derivedSeed(seed, PURPOSE.choices));
    this.#policy = new LinearPolicy(data.dimensions);
    this.#prices = recordedPrices(data, derivedSeed(seed, PURPOSE.prices));
    const arms = data.models.map((id, k) => {
      const price = { input: 0, cachedInput: 0, cacheWrite: 0, output: this.#prices[k].output };
      return { id, price, prior: null };
    });
    this.#reference = arms[reference];
    this.#policy.setPriorQualities(priorQualities(arms));
  }

  /** List prices, USD per million output tokens. */
  get prices(): readonly number[] {
    return this.#prices.map(({ output }) => output);
  }

  /** Teaches a warm start: every model's outcome on every row. */
  teach(rows: readonly EvaluationRow[]): void {
    teach(
      this.#policy,
      rows.flatMap((row) => observationsOf(row, this.#models, this.#prices)),
    );
  }

  choose(context: Float64Array, { models, penalties }: Asked = {}): Choice {
    const offers = (models ?? [...this.#models.keys()]).map((model) => this.#offer(model, penalties?.[model] ?? 0));
    const made = this.#assess(context, offers, this.#exploration);
    const { id } = this.#reference;
    const here = made.assessments.find(({ arm }) => arm === id);
    if (here) this.statistics.learnReference(id, { input: 0, cachedInput: 0, output: here.outputTokens });
    const chosen: OfferAssessment = made.assessments[made.chosen];
    return { model: this.#models.indexOf(chosen.arm), predictedTokens: chosen.modelOutputTokens };
  }

  /** Learns from an answer at its recorded cost. */
  answered({ context, cost }: EvaluationRow, { model, predictedTokens }: Choice): void {
    const outputTokens = recordedOutputTokens(this.#prices[model], cost[model]);
    if (outputTokens === 0) return;
    this.#policy.learn({ kind: 'length', arm: this.#models[model], context, outputTokens, predictedTokens, weight: 1 });
  }

  /**
   * @param reward 0..1
   */
  rated({ context }: EvaluationRow, model: number, reward: number): void {
    this.#policy.learn({ kind: 'quality', arm: this.#models[model], context, reward, weight: 1 });
  }

  #offer(model: number, penalty: number): Offer {
    const { output } = this.#prices[model];
    return { arm: this.#models[model], cost: (tokens) => (tokens * output) / 1e6, penalty };
  }

  #assess(context: Float64Array, offers: readonly Offer[], exploration: ExplorationKind) {
    return this.#policy.decide({
      context,
      offers,
      weight: WEIGHT,
      reference: this.#reference.id,
      referenceCost: (here) => this.statistics.referenceCost(this.#reference, here),
      exploration,
      random: this.#random,
    });
  }
}

/**
 * `grades`: the recorded quality; `thumbs`: up with a probability equal to the recorded quality; `none`: nothing is
 * learned.
 */
export type Feedback = 'none' | 'grades' | 'thumbs';

export interface StreamOptions {
  feedback: Feedback;
  /** Seed of the raters. */
  seed: number;
  /** Models on offer for the query at this position; default: all. */
  modelsAt?(position: number): readonly number[];
}

/** Sends the rows through the driver one by one; each answer and its rating are known before the next decision. */
export function streamThrough(
  driver: PolicyDriver,
  rows: readonly EvaluationRow[],
  scale: Scale,
  { feedback, seed, modelsAt }: StreamOptions,
): { models: number[]; gains: Gain[] } {
  const raters = seededRandom(derivedSeed(seed, PURPOSE.raters));
  const models: number[] = [];
  rows.forEach((row, position) => {
    const choice = driver.choose(row.context, { models: modelsAt?.(position) });
    models.push(choice.model);
    if (feedback === 'none') return;
    driver.answered(row, choice);
    const quality = row.quality[choice.model];
    driver.rated(row, choice.model, feedback === 'grades' ? quality : drawIndex([1 - quality, quality], raters));
  });
  return { models, gains: rows.map((row, i) => gainOf(row, models[i], scale)) };
}
