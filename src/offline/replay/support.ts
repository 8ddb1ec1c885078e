import type { OfferAssessment } from '../../bandit/policy.ts';
import { effectiveSampleSize, type Widening } from './estimators.ts';
import type { Sample } from './sample.ts';

/** Requirements on the log. If they are not met, the replay is refused. */
const LIMITS = {
  decisions: 100,
  rated: 50,
  /** Minimum number of ratings of each model that the target chooses more often than `seldom`. */
  ratedPerModel: 10,
  /** A model with a larger share of the target's choices than this needs `ratedPerModel` ratings. */
  seldom: 0.05,
  effectiveSampleSize: 50,
  /**
   * Largest share of the target's choices that may have no propensity in the log: the estimates may be off by that
   * share of the scale.
   */
  unsupportedShare: 0.01,
};

/** What the log can say about one model. Shares are of all decisions that are used, 0..1. */
export interface ModelSupport {
  model: string;
  /** How often the log chose it, and how often the target would. */
  logged_share: number;
  target_share: number;
  /** The share of the target's choices of this model that the logging policy could not have made. */
  unsupported_share: number;
  /** How often the log chose it, and how many of those answers were rated. */
  decisions: number;
  rated: number;
  mean_rating: number | null;
  mean_cost_usd: number | null;
}

export interface Support {
  /** Share of the target's choices that the logging policy could not have made. */
  unsupported_share: number;
  /** Share of the target's choices that fall on models without any rating. */
  unrated_share: number;
  /**
   * Share of the target's choices whose model failed and was replaced by one that the target does not have: that
   * model's other answers stand for these.
   */
  unknown_outcome_share: number;
  /** Share of the otherwise usable decisions that no model of the target could have served. */
  unservable_share: number;
  /**
   * (Σ w)² / Σ w² over the decisions with a known rating and over those with a known cost, and the values to expect from
   * the propensities alone.
   */
  effective_sample_size: { quality: number; cost_usd: number; expected_quality: number; expected_cost_usd: number };
  /**
   * The mean and the maximum of the ratio of propensities. The mean is 1 in expectation when the support is complete.
   */
  mean_ratio: number;
  largest_ratio: number;
  /** Ordered by the target's share, largest first. */
  models: ModelSupport[];
}

class ModelTally {
  decisions = 0;
  /** Decisions whose outcome is known. */
  known = 0;
  rated = 0;
  ratings = 0;
  costUsd = 0;
  target = 0;
  unsupported = 0;
  /** Σ target² / logged: this model's contribution to the second moment of the ratio. */
  secondMoment = 0;

  get knownShare(): number {
    return this.decisions > 0 ? this.known / this.decisions : 0;
  }

  get ratedShare(): number {
    return this.decisions > 0 ? this.rated / this.decisions : 0;
  }
}

/** Measures how far the logged propensities cover the target's. */
export class SupportTally {
  readonly #models = new Map<string, ModelTally>();
  readonly #ratios: number[] = [];
  readonly #known: { arm: string; ratio: number }[] = [];
  readonly #rated: { arm: string; ratio: number }[] = [];
  unservable = 0;
  /** Σ ratio of the samples that a model answered which the target does not have. */
  #unknownOutcome = 0;

  /**
   * @param propensities the log's propensities by model; absent means 0
   * @param assessments the target's assessments
   */
  add(sample: Sample, propensities: ReadonlyMap<string, number>, assessments: readonly OfferAssessment[]): void {
    this.#ratios.push(sample.ratio);
    const chosen = this.#of(sample.arm);
    chosen.decisions++;
    chosen.costUsd += sample.costUsd;
    if (sample.isOutcomeUnknown) this.#unknownOutcome += sample.ratio;
    else this.#addOutcome(sample, chosen);
    for (const { arm, propensity } of assessments) {
      const tally = this.#of(arm);
      const logged = propensities.get(arm) ?? 0;
      tally.target += propensity;
      if (logged > 0) tally.secondMoment += propensity ** 2 / logged;
      else tally.unsupported += propensity;
    }
  }

  #addOutcome({ arm, ratio, quality }: Sample, chosen: ModelTally): void {
    chosen.known++;
    this.#known.push({ arm, ratio });
    if (quality === null) return;
    chosen.rated++;
    chosen.ratings += quality;
    this.#rated.push({ arm, ratio });
  }

  support(): Support {
    const count = Math.max(1, this.#ratios.length);
    const tallies = [...this.#models.values()];
    const sum = (of: (tally: ModelTally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
    // Models that were never rated are reported by `unrated_share`.
    const expected = (shareOf: (tally: ModelTally) => number) => {
      const ifKnown = (of: (tally: ModelTally) => number) => sum((tally) => (shareOf(tally) > 0 ? of(tally) : 0));
      const secondMoment = ifKnown((tally) => tally.secondMoment / shareOf(tally));
      return secondMoment > 0 ? ifKnown(({ target, unsupported }) => target - unsupported) ** 2 / secondMoment : 0;
    };
    return {
      unsupported_share: sum(({ unsupported }) => unsupported) / count,
      unrated_share: sum(({ rated, target }) => (rated === 0 ? target : 0)) / count,
      unknown_outcome_share: this.#unknownOutcome / (total(this.#ratios) || 1),
      unservable_share: this.unservable / Math.max(1, this.#ratios.length + this.unservable),
      effective_sample_size: {
        quality: effectiveSampleSize(this.#rated.map(({ arm, ratio }) => ratio / this.#of(arm).ratedShare)),
        cost_usd: effectiveSampleSize(this.#known.map(({ arm, ratio }) => ratio / this.#of(arm).knownShare)),
        expected_quality: expected(({ ratedShare }) => ratedShare),
        expected_cost_usd: expected(({ knownShare }) => knownShare),
      },
      mean_ratio: total(this.#ratios) / count,
      largest_ratio: this.#ratios.reduce((largest, ratio) => Math.max(largest, ratio), 0),
      models: [...this.#models]
        .map(([model, tally]) => modelSupport(model, tally, count))
        .sort((a, b) => b.target_share - a.target_share || (a.model < b.model ? -1 : 1)),
    };
  }

  #of(arm: string): ModelTally {
    let tally = this.#models.get(arm);
    if (!tally) {
      tally = new ModelTally();
      this.#models.set(arm, tally);
    }
    return tally;
  }
}

function modelSupport(model: string, tally: ModelTally, count: number): ModelSupport {
  const { decisions, rated, ratings, costUsd, target, unsupported } = tally;
  return {
    model,
    logged_share: decisions / count,
    target_share: target / count,
    unsupported_share: unsupported / count,
    decisions,
    rated,
    mean_rating: rated > 0 ? ratings / rated : null,
    mean_cost_usd: decisions > 0 ? costUsd / decisions : null,
  };
}

/**
 * Factors by which intervals are widened. Large ratios are rare, and by chance a log may contain fewer of them than its
 * propensities imply; the variance of the terms then lacks what they would have contributed. The factor is the square
 * root of the effective sample size over its expected value, at least 1.
 */
export function wideningFor({ effective_sample_size: size }: Support): Widening {
  const factor = (seen: number, expected: number) => (expected > 0 ? Math.sqrt(Math.max(1, seen / expected)) : 1);
  return {
    quality: factor(size.quality, size.expected_quality),
    cost_usd: factor(size.cost_usd, size.expected_cost_usd),
  };
}

/**
 * @param neverOffered models of the target that were not a candidate in any decision
 * @returns the reasons, in words; empty when the log can answer
 */
export function refusals(
  support: Support,
  counts: { decisions: number; usable: number; rated: number; certain: number },
  neverOffered: readonly string[],
): string[] {
  const { usable, rated, certain } = counts;
  const reasons = neverOffered.map((model) => `${model} was not a candidate in any decision of this period`);
  if (usable < LIMITS.decisions) {
    reasons.push(`${usable} of ${counts.decisions} decisions can be used; ${LIMITS.decisions} are needed`);
  }
  if (rated < LIMITS.rated) reasons.push(`${rated} of them are rated; ${LIMITS.rated} are needed`);
  const { unsupported_share, unservable_share, effective_sample_size } = support;
  if (unservable_share > LIMITS.unsupportedShare) {
    reasons.push(`none of the policy's models could have served ${percent(unservable_share)} of the decisions`);
  }
  if (unsupported_share > LIMITS.unsupportedShare) reasons.push(unsupported(support, certain, usable));
  for (const model of support.models) {
    if (model.target_share <= LIMITS.seldom || model.rated >= LIMITS.ratedPerModel) continue;
    const share = percent(model.target_share);
    reasons.push(
      `${model.model} would get ${share} of the decisions, and the log holds ${model.rated} ratings of its choices; ${LIMITS.ratedPerModel} are needed`,
    );
  }
  if (support.unrated_share > LIMITS.unsupportedShare) {
    reasons.push(`${percent(support.unrated_share)} of its choices go to models that have no rating in the log`);
  }
  const effective = Math.min(effective_sample_size.quality, effective_sample_size.expected_quality);
  if (rated >= LIMITS.rated && effective < LIMITS.effectiveSampleSize) {
    reasons.push(
      `its ${rated} ratings are worth ${effective.toFixed(1)} of the policy's own (effective sample size); ${LIMITS.effectiveSampleSize} are needed`,
    );
  }
  return reasons;
}

function unsupported({ unsupported_share, models }: Support, certain: number, usable: number): string {
  const where = models
    .filter(({ unsupported_share: share }) => share >= 0.001)
    .sort((a, b) => b.unsupported_share - a.unsupported_share)
    .map(({ model, unsupported_share: share }) => `${model} ${percent(share)}`);
  const why =
    2 * certain > usable
      ? `; ${percent(certain / usable)} of the decisions left nothing to chance (a single plausible model, or exploration ucb or none)`
      : '';
  return `${percent(unsupported_share)} of its choices had no chance in the log (${where.join(', ')})${why}`;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
