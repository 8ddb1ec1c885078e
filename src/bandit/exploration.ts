import type { ExplorationKind } from '../domain/exploration.ts';
import { drawIndex, type Random } from '../util/random.ts';
import { LAUNCH, THOMPSON, UCB_ALPHA } from './defaults.ts';
import { winProbabilities } from './win-probabilities.ts';

/** One arm as exploration sees it. Its score is weight · quality − handicap. */
export interface Prospect {
  quality: number;
  sd: number;
  /** sd² / noise variance = xᵀA⁻¹x, the quantity in the paper's bonus. */
  leverage: number;
  /** Width of a Thompson draw, in standard deviations. */
  width: number;
  /** Whether a new arm's forced try may choose it. */
  forced: boolean;
  handicap: number;
  /** Cost in units of the reference arm's mean cost. */
  relativeCost: number;
}

export interface Choice {
  chosen: number;
  chosenBy: 'score' | 'floor' | 'launch';
  explored: number[];
  propensities: number[];
}

type Exploration = (prospects: readonly Prospect[], weight: number, random: Random) => Choice;

/** Greedy: the best prediction wins. */
const none: Exploration = (prospects, weight) =>
  certain(
    prospects,
    weight,
    prospects.map((prospect) => prospect.quality),
  );

/** MixLLM's optimistic bonus α · xᵀA⁻¹x (arXiv 2502.18482). */
const ucb: Exploration = (prospects, weight) =>
  certain(
    prospects,
    weight,
    prospects.map((prospect) => prospect.quality + UCB_ALPHA * prospect.leverage),
  );

/**
 * Thompson sampling with clipped draws. With a small probability the arm is instead drawn from those that could still
 * win, preferring cheap ones, so that every plausible arm keeps a propensity by which the log can be reweighted.
 */
const thompson: Exploration = (prospects, weight, random) => {
  const explored: number[] = [];
  const means: number[] = [];
  const spreads: number[] = [];
  for (const { quality, sd, width, handicap } of prospects) {
    explored.push(quality + sd * width * clipped(random.normal()));
    means.push(weight * quality - handicap);
    spreads.push(weight * (sd * width));
  }
  const propensities = winProbabilities(means, spreads, THOMPSON.clip);
  const floor = floorProbabilities(prospects, weight);
  for (let i = 0; i < floor.length; i++) {
    propensities[i] = (1 - THOMPSON.floor) * propensities[i] + THOMPSON.floor * floor[i];
  }
  const byFloor = random.uniform() < THOMPSON.floor;
  return {
    chosen: byFloor ? drawIndex(floor, random) : best(scores(prospects, weight, explored)),
    chosenBy: byFloor ? 'floor' : 'score',
    explored,
    propensities,
  };
};

/**
 * Gives new arms forced tries: with probability p = `LAUNCH.tryProbability` one of them answers, whatever the scores.
 * The propensities are those of the mixture: (1 − p) · the exploration's, plus p / (number of arms with tries left) for
 * each such arm.
 */
function withForcedTries(explore: Exploration): Exploration {
  return (prospects, weight, random) => {
    const choice = explore(prospects, weight, random);
    if (!prospects.some((prospect) => prospect.forced)) return choice;
    const forced = prospects.map((prospect) => (prospect.forced ? 1 : 0));
    const count = forced.filter(Boolean).length;
    const tried = random.uniform() < LAUNCH.tryProbability;
    return {
      explored: choice.explored,
      propensities: choice.propensities.map(
        (propensity, i) => (1 - LAUNCH.tryProbability) * propensity + (LAUNCH.tryProbability * forced[i]) / count,
      ),
      chosen: tried ? drawIndex(forced, random) : choice.chosen,
      chosenBy: tried ? 'launch' : choice.chosenBy,
    };
  };
}

export const EXPLORATIONS: Record<ExplorationKind, Exploration> = {
  none,
  ucb: withForcedTries(ucb),
  thompson: withForcedTries(thompson),
};

function certain(prospects: readonly Prospect[], weight: number, explored: number[]): Choice {
  const chosen = best(scores(prospects, weight, explored));
  return { chosen, chosenBy: 'score', explored, propensities: prospects.map((_, i) => (i === chosen ? 1 : 0)) };
}

function scores(prospects: readonly Prospect[], weight: number, qualities: readonly number[]): number[] {
  return prospects.map((prospect, i) => weight * qualities[i] - prospect.handicap);
}

/** Index of the largest value; the first one if several are equal. */
function best(values: readonly number[]): number {
  return values.reduce((winner, value, i) => (value > values[winner] ? i : winner), 0);
}

function clipped(z: number): number {
  return Math.min(THOMPSON.clip, Math.max(-THOMPSON.clip, z));
}

/**
 * Proportional to 1 / (offset + relative cost) over the arms that could beat the best expected score; otherwise 0.
 */
function floorProbabilities(prospects: readonly Prospect[], weight: number): number[] {
  let bestExpected = Number.NEGATIVE_INFINITY;
  for (const p of prospects) bestExpected = Math.max(bestExpected, weight * p.quality - p.handicap);
  let total = 0;
  const shares = prospects.map((p) => {
    const optimistic = weight * (p.quality + THOMPSON.plausibleSds * p.sd) - p.handicap;
    const share = optimistic >= bestExpected ? 1 / (THOMPSON.floorCostOffset + p.relativeCost) : 0;
    total += share;
    return share;
  });
  for (let i = 0; i < shares.length; i++) shares[i] /= total;
  return shares;
}
