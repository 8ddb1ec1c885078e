import { mean, standardDeviation } from '../../util/statistics.ts';
import type { Sample } from './sample.ts';

/** A mean with its 95 % interval. */
export interface Estimate {
  mean: number;
  low: number;
  high: number;
}

/** Estimates of the rating on [0, 1], of USD per decision, and of weight · rating − (1 − weight) · cost / unit. */
export interface OutcomeEstimates {
  quality: Estimate;
  cost_usd: Estimate;
  utility: Estimate;
}

/** A mean over decisions: its value, and one term per decision (its influence). The mean of the terms is the value. */
interface Influence {
  value: number;
  terms: number[];
}

type Influences = Record<keyof OutcomeEstimates, Influence>;

/** 97.5 % quantile of the standard normal. */
const Z = 1.959963984540054;

/** One kind of outcome of all samples: y, null where it is unknown, and its predictions. */
interface Outcome {
  arms: string[];
  values: (number | null)[];
  predicted: number[];
  expected: number[];
}

type Estimator = (ratios: readonly number[], outcome: Outcome) => Influence;

/**
 * Inverse propensity scoring (Horvitz & Thompson 1952): the mean of ratio · y. Unbiased if the log covers the target's
 * choices.
 */
const ips: Estimator = (ratios, { arms, values }) => meanOf(withStandIns(arms, times(values, ratios)));

/** Self-normalised (Swaminathan & Joachims 2015): Σ ratio · y / Σ ratio, with linearised terms. */
const snips: Estimator = (ratios, { arms, values }) => {
  const known = values.map((value, i) => (value === null ? null : ratios[i]));
  const total = mean(withStandIns(arms, known));
  const value = mean(withStandIns(arms, times(values, ratios))) / total;
  const residuals = values.map((y, i) => (y === null ? null : (ratios[i] * (y - value)) / total));
  return { value, terms: withStandIns(arms, residuals).map((residual) => value + residual) };
};

/** Doubly robust (Dudík, Langford & Li 2011): the expected prediction plus ratio · (y − prediction). */
const dr: Estimator = (ratios, { arms, values, predicted, expected }) => {
  const residuals = values.map((value, i) => (value === null ? null : ratios[i] * (value - predicted[i])));
  return meanOf(withStandIns(arms, residuals).map((residual, i) => expected[i] + residual));
};

export interface Estimates {
  ips: OutcomeEstimates;
  snips: OutcomeEstimates;
  dr: OutcomeEstimates;
}

/** Factors, at least 1, by which intervals are widened. */
export interface Widening {
  quality: number;
  cost_usd: number;
}

/**
 * What the target policy would have achieved, as a mean over the decisions. Intervals assume normality, with the
 * variance of the terms: each ratio is known before its outcome, so the errors are martingale differences even though
 * the policy learns.
 */
export class ReplayEstimators {
  readonly #samples: readonly Sample[];
  readonly #unitUsd: number;
  readonly #widening: Widening;

  /** @param unitUsd what costs are divided by in the utility; > 0 */
  constructor(samples: readonly Sample[], unitUsd: number, widening: Widening) {
    this.#samples = samples;
    this.#unitUsd = unitUsd;
    this.#widening = widening;
  }

  /** `snips` is NaN when the target gives no probability to any rated choice. */
  estimates(): Estimates {
    const of = (estimator: Estimator) => this.#intervals(this.#ofTarget(estimator));
    return { ips: of(ips), snips: of(snips), dr: of(dr) };
  }

  /** What the logging policy achieved. Each model's rated answers stand for its unrated ones. */
  logged(): OutcomeEstimates {
    return this.#intervals(this.#logged(), { quality: 1, cost_usd: 1 });
  }

  /**
   * Doubly robust estimate minus logged result. Both are on the same queries, so the interval is not that of two
   * independent means.
   */
  difference(): OutcomeEstimates {
    const [target, logged] = [this.#ofTarget(dr), this.#logged()];
    return this.#intervals({
      quality: combined(target.quality, logged.quality, -1),
      cost_usd: combined(target.cost_usd, logged.cost_usd, -1),
      utility: combined(target.utility, logged.utility, -1),
    });
  }

  #ofTarget(estimator: Estimator): Influences {
    const ratios = this.#samples.map(({ ratio }) => ratio);
    return this.#influences(estimator, ratios, ({ isOutcomeUnknown }) => !isOutcomeUnknown);
  }

  #logged(): Influences {
    const ratios = this.#samples.map(() => 1);
    return this.#influences(snips, ratios, () => true);
  }

  /** @param isKnown whether the sample's outcome is known */
  #influences(estimator: Estimator, ratios: readonly number[], isKnown: (sample: Sample) => boolean): Influences {
    const quality = this.#quality(isKnown);
    const cost = this.#cost(isKnown);
    const weights = this.#samples.map(({ weight }) => weight);
    const gain = estimator(ratios, scaled(quality, weights));
    const loss = estimator(
      ratios,
      scaled(
        cost,
        weights.map((weight) => (1 - weight) / this.#unitUsd),
      ),
    );
    return {
      quality: estimator(ratios, quality),
      cost_usd: estimator(ratios, cost),
      utility: combined(gain, loss, -1),
    };
  }

  #quality(isKnown: (sample: Sample) => boolean): Outcome {
    return {
      arms: this.#samples.map(({ arm }) => arm),
      values: this.#samples.map((sample) => (isKnown(sample) ? sample.quality : null)),
      predicted: this.#samples.map(({ predicted }) => predicted.quality),
      expected: this.#samples.map(({ expected }) => expected.quality),
    };
  }

  #cost(isKnown: (sample: Sample) => boolean): Outcome {
    return {
      arms: this.#samples.map(({ arm }) => arm),
      values: this.#samples.map((sample) => (isKnown(sample) ? sample.costUsd : null)),
      predicted: this.#samples.map(({ predicted }) => predicted.costUsd),
      expected: this.#samples.map(({ expected }) => expected.costUsd),
    };
  }

  #intervals({ quality, cost_usd, utility }: Influences, widening = this.#widening): OutcomeEstimates {
    return {
      quality: interval(quality, widening.quality),
      cost_usd: interval(cost_usd, widening.cost_usd),
      utility: interval(utility, Math.max(widening.quality, widening.cost_usd)),
    };
  }
}

/**
 * (Σ w)² / Σ w² (Kish 1965): the number of decisions by the target itself that would be equally informative. 0 without
 * weights.
 */
export function effectiveSampleSize(weights: readonly number[]): number {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const squares = weights.reduce((total, weight) => total + weight ** 2, 0);
  return squares > 0 ? sum ** 2 / squares : 0;
}

/**
 * Lets the known values of each arm stand for its unknown ones. With the arm's mean m and share ρ of known values, the
 * terms are m where the value is unknown and m + (v − m) / ρ where it is known. Their mean weights each v by 1 / ρ, and
 * their variance accounts for ρ being estimated. Arms without any known value count as 0.
 */
function withStandIns(arms: readonly string[], values: readonly (number | null)[]): number[] {
  const tallies = new Map<string, { all: number; known: number; sum: number }>();
  values.forEach((value, i) => {
    const tally = tallies.get(arms[i]) ?? { all: 0, known: 0, sum: 0 };
    tallies.set(arms[i], tally);
    tally.all++;
    if (value === null) return;
    tally.known++;
    tally.sum += value;
  });
  return values.map((value, i) => {
    const { all, known, sum } = tallies.get(arms[i]) ?? { all: 0, known: 0, sum: 0 };
    const armMean = known > 0 ? sum / known : 0;
    return value === null ? armMean : armMean + ((value - armMean) * all) / known;
  });
}

function times(values: readonly (number | null)[], by: readonly number[]): (number | null)[] {
  return values.map((value, i) => (value === null ? null : value * by[i]));
}

function scaled({ arms, values, predicted, expected }: Outcome, by: readonly number[]): Outcome {
  return {
    arms,
    values: times(values, by),
    predicted: predicted.map((value, i) => value * by[i]),
    expected: expected.map((value, i) => value * by[i]),
  };
}

function meanOf(terms: number[]): Influence {
  return { value: mean(terms), terms };
}

function combined(a: Influence, b: Influence, factor: number): Influence {
  return { value: a.value + factor * b.value, terms: a.terms.map((term, i) => term + factor * b.terms[i]) };
}

function interval({ value, terms }: Influence, widening: number): Estimate {
  const half = (widening * Z * standardDeviation(terms)) / Math.sqrt(terms.length);
  return { mean: value, low: value - half, high: value + half };
}
