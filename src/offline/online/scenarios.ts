import type { LinearPolicy } from '../../bandit/linear-policy.ts';
import { seededRandom } from '../../util/random.ts';
import { mean } from '../../util/statistics.ts';
import { LABELLED, PLAIN, type Ratings, requireQueries, runStream, type StreamSettings } from './run-stream.ts';
import { type Stream, utility } from './stream.ts';

/** Something that happens to a learner in production, and how the result is measured. */
export interface Scenario {
  title: string;
  /** The figure that represents the scenario. */
  headline: string;
  /** Figures by name, for one stream. */
  measure(stream: Stream): Record<string, number>;
}

/** Mean utility over the stream with these ratings, from a cold start and after 50 labelled queries. */
function withRatings(title: string, ratings: Partial<Ratings>): Scenario {
  const meanUtility = (stream: Stream, labelled: number) =>
    mean(runStream(stream, { ...PLAIN, labelled, ratings: { ...PLAIN.ratings, ...ratings } }).utilities);
  return {
    title,
    headline: 'warm50',
    measure: (stream) => ({ warm50: meanUtility(stream, LABELLED), cold: meanUtility(stream, 0) }),
  };
}

const FLIPPED = 0.2;

/**
 * Flipped thumbs, learned both as they are and corrected by the error rate, which the operator knows and has
 * configured.
 */
const flip20: Scenario = {
  ...withRatings('thumbs, 20 % of them flipped', { kind: 'thumbs', flipped: FLIPPED }),
  measure(stream) {
    const thumbs = { kind: 'thumbs', flipped: FLIPPED } as const;
    const reliability = { truePositive: 1 - FLIPPED, falsePositive: FLIPPED };
    const known = withRatings('', { ...thumbs, reliability }).measure(stream);
    const unknown = withRatings('', thumbs).measure(stream);
    return { ...unknown, warm50_corrected: known.warm50, cold_corrected: known.cold };
  },
};

/** A tenth of the answers is rated: those that the gateway's rule asks about, or the same number at random. */
const asked10: Scenario = {
  title:
    '10 % of answers rated, asked for by the rule or at random; utility, and squared error of predicted quality × 1,000',
  headline: 'warm50',
  measure(stream) {
    const run = (labelled: number, asked: Ratings['asked']) => {
      const settings = { ...PLAIN, labelled, ratings: { ...PLAIN.ratings, share: 0.1, asked } };
      const { utilities, policy } = runStream(stream, settings);
      return { utility: mean(utilities), error: 1000 * squaredError(stream, policy) };
    };
    const [rule, lot] = [run(LABELLED, 'rule'), run(LABELLED, 'lot')];
    const [coldRule, coldLot] = [run(0, 'rule'), run(0, 'lot')];
    return {
      warm50: rule.utility,
      warm50_lot: lot.utility,
      warm50_error: rule.error,
      warm50_lot_error: lot.error,
      cold: coldRule.utility,
      cold_lot: coldLot.utility,
    };
  },
};

/** The share of the best model's quality that the quality target requires. */
const GUARD_SHARE = 0.97;

/** Whether the guard's share of the best single model's quality was really reached: 1 or 0 for one stream. */
const guard: Scenario = {
  title: 'quality target of 0.97; share of streams that reached it, by the confidence asked for, and quality',
  headline: 'hit50',
  measure(stream) {
    const qualityAt = (confidence: number) => {
      const settings = { ...PLAIN, labelled: LABELLED, guard: { share: GUARD_SHARE, confidence } };
      const { models } = runStream(stream, settings);
      const got = models.map((model, position) => stream.queries[LABELLED + position].quality[model]);
      return mean(got) / stream.bestQuality;
    };
    const [even, sure] = [qualityAt(0.5), qualityAt(0.8)];
    const hit = (quality: number) => Number(quality >= GUARD_SHARE);
    return { hit50: hit(even), hit80: hit(sure), quality50: 100 * even, quality80: 100 * sure };
  },
};

/** Mean utility over the second half, in which the models' quality has changed without notice. */
function withChange(title: string, change: (quality: number[], byValue: readonly number[]) => void): Scenario {
  const meanUtility = (stream: Stream, driftAlarms: boolean) => {
    const half = halfOf(stream);
    const value = byValue(stream);
    const queries = stream.queries.map((query, position) => {
      if (position < half) return query;
      const quality = [...query.quality];
      change(quality, value);
      return { ...query, quality };
    });
    const { utilities } = runStream({ ...stream, queries }, { ...PLAIN, labelled: LABELLED, driftAlarms });
    return mean(utilities.slice(half - LABELLED));
  };
  return {
    title: `${title} halfway through the stream; second half`,
    headline: 'warm50',
    measure: (stream) => ({ warm50: meanUtility(stream, true), without_alarms: meanUtility(stream, false) }),
  };
}

/** The best-value model is added halfway through the stream; measures its share of the last quarter. */
const newArm: Scenario = {
  title: 'the best-value model is added halfway through the stream; its share of the last quarter',
  headline: 'launched',
  measure(stream) {
    const [model] = byValue(stream);
    const from = halfOf(stream);
    const share = (settings: Partial<StreamSettings>) => {
      const { models } = runStream(stream, { ...PLAIN, labelled: LABELLED, ...settings });
      const last = models.slice(-Math.floor(stream.queries.length / 4));
      return mean(last.map((chosen) => Number(chosen === model)));
    };
    return {
      launched: share({ newcomer: { model, from, launched: true } }),
      ordinary: share({ newcomer: { model, from, launched: false } }),
      full: share({ seesAll: true }),
    };
  },
};

/** Spending is held at this share of the cost of always using the best model. */
const BUDGET_SHARE = 0.2418;

/** Spending and quality as a percentage of always using the best model. */
const budget: Scenario = {
  title: 'budget of 24.18 % of the best model; spent and quality in % of the best model',
  headline: 'spent',
  measure(stream) {
    const settings = { ...PLAIN, labelled: LABELLED, budgetUsd: BUDGET_SHARE * stream.referenceCost };
    const run = runStream(stream, settings);
    const meanOf = (column: 'cost' | 'quality') =>
      mean(run.models.map((model, position) => stream.queries[LABELLED + position][column][model]));
    return {
      spent: (100 * meanOf('cost')) / stream.referenceCost,
      quality: (100 * meanOf('quality')) / stream.bestQuality,
    };
  },
};

export const SCENARIOS = {
  delay300: withRatings('ratings 300 requests late', { delay: 300 }),
  rated10: withRatings('10 % of answers rated', { share: 0.1 }),
  asked10,
  flip20,
  swap: withChange('the best-value and the worst-value model swap quality', (quality, value) => {
    const [best, worst] = [value[0], value[value.length - 1]];
    [quality[best], quality[worst]] = [quality[worst], quality[best]];
  }),
  degrade: withChange('the best-value model loses 0.2 of quality', (quality, [best]) => {
    quality[best] -= 0.2;
  }),
  new_arm: newArm,
  budget,
  guard,
} satisfies Record<string, Scenario>;

/** Mean squared error of predicted quality, over all models and queries of the stream. */
function squaredError({ models, queries }: Stream, policy: LinearPolicy): number {
  const common = { weight: 1, reference: models[0], referenceCost: () => 1, exploration: 'none' as const };
  const offers = models.map((arm) => ({ arm, cost: () => 0, penalty: 0 }));
  const random = seededRandom(0);
  return mean(
    queries.flatMap(({ context, quality }) =>
      policy
        .decide({ ...common, context, offers, random })
        .assessments.map((assessment, model) => (assessment.quality - quality[model]) ** 2),
    ),
  );
}

/** Positions of the models, by mean utility, the best first. */
function byValue(stream: Stream): number[] {
  const values = stream.models.map((_, model) => mean(stream.queries.map((query) => utility(stream, query, model))));
  return [...values.keys()].sort((a, b) => values[b] - values[a]);
}

/**
 * Position of the middle of the stream.
 * @throws Error when the labelled queries would reach into the second half
 */
function halfOf(stream: Stream): number {
  requireQueries(stream, 2 * LABELLED);
  return Math.floor(stream.queries.length / 2);
}

export type ScenarioName = keyof typeof SCENARIOS;
