import { LinearPolicy } from '../../bandit/linear-policy.ts';
import type { ExplorationKind, Offer, PolicyDecision } from '../../bandit/policy.ts';
import { priorQualities } from '../../bandit/priors.ts';
import { recordedOutputTokens } from '../../recorded/recorded-prices.ts';
import { ArmStatistics } from '../../routing/arm-statistics.ts';
import type { Random } from '../../util/random.ts';
import type { Stream, StreamQuery } from './stream.ts';

/**
 * `production`: what the gateway runs. `flat`: what MixLLM's paper describes, LinUCB per arm with A = I, b = 0 at the
 * start and the bonus α xᵀA⁻¹x; costs are learned as in production.
 */
export type LearnerKind = 'production' | 'flat';

/** σ² = 1 and own variances of 1 make P1 the identity; with next to no shared variance the arms are disjoint. */
const FLAT_MODEL = {
  noiseVariance: 1,
  sharedVariance: { intercept: 1e-12, slope: 1e-12 },
  ownVariance: { intercept: 1, slope: 1 },
};

/**
 * The production policy as the gateway drives it, without the gateway: offers priced by list prices, length learned
 * from each answer with what had been predicted for it, the unit of cost from the reference model's predicted costs.
 * Models are positions in the stream's list.
 */
export class StreamLearner {
  readonly policy: LinearPolicy;
  readonly #statistics = new ArmStatistics();
  readonly #stream: Stream;
  readonly #exploration: ExplorationKind;
  readonly #random: Random;
  readonly #offers: Offer[];

  constructor(kind: LearnerKind, stream: Stream, random: Random) {
    this.#stream = stream;
    this.#random = random;
    this.#exploration = kind === 'flat' ? 'ucb' : 'thompson';
    this.policy = new LinearPolicy(
      stream.dimensions,
      kind === 'flat' ? { qualityModels: [FLAT_MODEL], priorQuality: 0 } : undefined,
    );
    const prices = stream.prices.map(({ output }) => ({ input: 0, cachedInput: 0, cacheWrite: 0, output }));
    if (kind === 'production') {
      const arms = stream.models.map((id, i) => ({ id, price: prices[i], prior: null }));
      this.policy.setPriorQualities(priorQualities(arms));
    }
    this.#offers = stream.models.map((arm, i) => ({
      arm,
      cost: (tokens) => (tokens * prices[i].output) / 1e6,
      penalty: 0,
    }));
  }

  /** @param models on offer, positions in ascending order */
  decide(query: StreamQuery, nu: number, models: readonly number[]): PolicyDecision {
    const reference = this.#stream.models[this.#stream.reference];
    const made = this.policy.decide({
      context: query.context,
      offers: models.map((model) => this.#offers[model]),
      weight: 1 / (1 + nu),
      reference,
      referenceCost: (here) => this.#statistics.referenceCost(reference, here),
      exploration: this.#exploration,
      random: this.#random,
    });
    const here = made.assessments.find(({ arm }) => arm === reference)?.costUsd;
    if (here !== undefined) this.#statistics.learnReferenceCost(reference, here);
    return made;
  }

  /** An answer has come, at its recorded cost. @param made the decision for this query */
  learnAnswer(query: StreamQuery, model: number, made: PolicyDecision): void {
    const outputTokens = recordedOutputTokens(this.#stream.prices[model], query.cost[model]);
    if (outputTokens === 0) return;
    const arm = this.#stream.models[model];
    const predictedTokens = made.assessments.find((assessment) => assessment.arm === arm)?.modelOutputTokens ?? null;
    this.policy.learn({ kind: 'length', arm, context: query.context, outputTokens, predictedTokens, weight: 1 });
  }

  learnRating(query: StreamQuery, model: number, reward: number): void {
    this.policy.learn({
      kind: 'quality',
      arm: this.#stream.models[model],
      context: query.context,
      reward,
      weight: 1,
    });
  }
}
