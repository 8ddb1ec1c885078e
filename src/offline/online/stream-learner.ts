import { DRIFT, LAUNCH } from '../../bandit/defaults.ts';
import { DriftMonitor } from '../../bandit/drift-monitor.ts';
import { LinearPolicy } from '../../bandit/linear-policy.ts';
import type { Offer, PolicyDecision, QualityGuard } from '../../bandit/policy.ts';
import type { Arm } from '../../domain/arm.ts';
import type { ExplorationKind } from '../../domain/exploration.ts';
import { type Reliability, weighedRating } from '../../domain/reliability.ts';
import { recordedOutputTokens } from '../../recorded/recorded-prices.ts';
import { ArmStatistics } from '../../routing/arm-statistics.ts';
import { AwaitedRatings } from '../../routing/awaited-ratings.ts';
import { bestByUtility } from '../../routing/best-by-utility.ts';
import { Launches } from '../../routing/launches.ts';
import { priorQualities } from '../../routing/priors.ts';
import type { Random } from '../../util/random.ts';
import type { Stream, StreamQuery } from './stream.ts';

/**
 * `production`: what the gateway runs. `flat`: LinUCB per arm as MixLLM's paper describes it, starting from A = I, b =
 * 0, with the bonus α xᵀA⁻¹x; costs are learned as in production.
 */
export type LearnerKind = 'production' | 'flat';

export interface StreamLearnerOptions {
  kind: LearnerKind;
  /** Whether drift alarms reset arms. */
  driftAlarms: boolean;
  guard: QualityGuard | null;
}

/** σ² = 1 and own variances of 1 make P1 the identity; with almost no shared variance the arms are independent. */
const FLAT_MODEL = {
  noiseVariance: 1,
  sharedVariance: { intercept: 1e-12, slope: 1e-12 },
  ownVariance: { intercept: 1, slope: 1 },
};

/**
 * Weight that determines the best-value arm when an arm is launched: that of ν = 0.1, the middle of the stream's range.
 */
const USUAL_WEIGHT = 1 / 1.1;

/**
 * The production policy, driven in the same way as by the gateway but without it: offers use list prices, lengths are
 * learned from each answer together with its prediction, and the unit of cost comes from the reference model's
 * predicted costs. Models are identified by their positions in the stream's list.
 */
export class StreamLearner {
  readonly policy: LinearPolicy;
  readonly #statistics = new ArmStatistics();
  readonly #launches = new Launches();
  readonly #awaited = new AwaitedRatings();
  /** Place of each query's newest answer. */
  readonly #places = new Map<StreamQuery, number>();
  readonly #drift = new DriftMonitor();
  readonly #stream: Stream;
  readonly #options: StreamLearnerOptions;
  readonly #exploration: ExplorationKind;
  readonly #random: Random;
  readonly #offers: Offer[];
  readonly #reference: Pick<Arm, 'id' | 'price'>;
  #answers = 0;
  #ratings = 0;
  /** The model of each drift alarm so far. */
  readonly alarms: number[] = [];

  constructor(options: StreamLearnerOptions, stream: Stream, random: Random) {
    this.#stream = stream;
    this.#options = options;
    this.#random = random;
    const flat = options.kind === 'flat';
    this.#exploration = flat ? 'ucb' : 'thompson';
    this.policy = new LinearPolicy(
      stream.dimensions,
      flat ? { qualityModels: [FLAT_MODEL], priorQuality: 0 } : undefined,
    );
    const prices = stream.prices.map(({ output }) => ({ input: 0, cachedInput: 0, cacheWrite: 0, output }));
    if (!flat) {
      const arms = stream.models.map((id, i) => ({ id, price: prices[i], prior: null }));
      this.policy.setPriorQualities(priorQualities(arms));
    }
    this.#reference = { id: stream.models[stream.reference], price: prices[stream.reference] };
    this.#offers = stream.models.map((arm, i) => ({
      arm,
      cost: (tokens) => (tokens * prices[i].output) / 1e6,
      penalty: 0,
    }));
  }

  /** @param models the models on offer, as positions in ascending order */
  decide(query: StreamQuery, nu: number, models: readonly number[]): PolicyDecision {
    const reference = this.#reference;
    const made = this.policy.decide({
      context: query.context,
      offers: models.map((model) => this.#offer(model)),
      weight: 1 / (1 + nu),
      reference: reference.id,
      referenceCost: (here) => this.#statistics.referenceCost(reference, here),
      exploration: this.#exploration,
      guard: this.#options.guard,
      random: this.#random,
    });
    const here = made.assessments.find(({ arm }) => arm === reference.id);
    if (here) this.#statistics.learnReference(reference.id, { input: 0, cachedInput: 0, output: here.outputTokens });
    if (made.chosenBy === 'launch') this.#launches.tried(made.assessments[made.chosen].arm, 0);
    return made;
  }

  /**
   * Adds a model that is expected to be as good as the one that currently has the best utility.
   * @param models the models that are already present
   */
  launch(model: number, models: readonly number[]): void {
    const reference = this.#reference;
    const like = bestByUtility(this.policy, {
      offers: models.map((other) => this.#offers[other]),
      weight: USUAL_WEIGHT,
      reference: reference.id,
      referenceCost: (here) => this.#statistics.referenceCost(reference, here),
    });
    const arm = this.#stream.models[model];
    this.policy.launch(arm, this.policy.priorAsGood(like));
    this.#launches.begin(arm);
  }

  /**
   * Learns from an answer at its recorded cost.
   * @param made the decision for this query
   */
  learnAnswer(query: StreamQuery, model: number, made: PolicyDecision): void {
    const arm = this.#stream.models[model];
    this.#launches.answered(arm);
    this.#places.set(query, ++this.#answers);
    this.#awaited.answered(arm, this.#answers);
    const outputTokens = recordedOutputTokens(this.#stream.prices[model], query.cost[model]);
    if (outputTokens === 0) return;
    const predictedTokens = made.assessments.find((assessment) => assessment.arm === arm)?.modelOutputTokens ?? null;
    this.policy.learn({ kind: 'length', arm, context: query.context, outputTokens, predictedTokens, weight: 1 });
  }

  /**
   * @param reliability error rates that the learner assumes of the rater; null: ratings are taken at face value
   */
  learnRating(query: StreamQuery, model: number, score: number, reliability: Reliability | null = null): void {
    const { context } = query;
    this.#awaited.rated(this.#places.get(query) ?? 0);
    const arm = this.#stream.models[model];
    const { reward, weight } = weighedRating(score, reliability);
    const residual = this.policy.standardisedResidual(arm, context, reward, reliability);
    this.policy.learn({ kind: 'quality', arm, context, reward, weight });
    if (!this.#options.driftAlarms) return;
    this.#drift.observe(arm, residual, ++this.#ratings, DRIFT);
    if (!this.#drift.alarmOf(arm)) return;
    this.alarms.push(model);
    this.policy.resetLevel(arm, DRIFT.remains);
    this.#drift.reset(arm);
  }

  #offer(model: number): Offer {
    const offer = this.#offers[model];
    const limits = { tries: LAUNCH.tries, budgetUsd: Number.POSITIVE_INFINITY };
    return {
      ...offer,
      launch: this.#launches.launchOf(offer.arm, limits, 0),
      awaited: this.#awaited.of(offer.arm),
    };
  }
}
