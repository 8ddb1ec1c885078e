import { describe, expect, it } from 'vitest';
import { DRIFT } from '../../../src/bandit/defaults.ts';
import { DriftMonitor } from '../../../src/bandit/drift-monitor.ts';
import type { CompletedEvent, DecidedEvent, GatewayEvent, RatedEvent } from '../../../src/domain/events.ts';
import { selectionWeight } from '../../../src/domain/selection.ts';
import { FeedbackRequests } from '../../../src/gateway/feedback-requests.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
import { VolunteerCalibration } from '../../../src/gateway/learning/volunteer-calibration.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { mean } from '../../../src/util/statistics.ts';
import { predictions } from '../../bandit/support.ts';
import { ARMS, completed, DIMENSIONS, decided, FEATURE_MAP, numbered, rated, withdrawn } from './support.ts';

const AUDIT = 0.02;
/** Half of those asked rate. Of the others, a quarter complain of a bad answer, and one in 20 praises a good one. */
const RATES = { asked: 0.5, volunteered: { good: 0.05, bad: 0.25 } };
const LEVELS = [0.85, 0.75, 0.6];
const SLOPES = [0.05, -0.04, 0.03];

const trueQuality = (arm: number, x: ArrayLike<number>) =>
  SLOPES.reduce((sum, slope, i) => sum + slope * x[i + 1], LEVELS[arm]);

interface SimulatedRating {
  arm: number;
  context: number[];
  score: number;
  audit: boolean;
}

/** The ratings given for this many answers of randomly chosen arms: thumbs up or down. Unrated answers are left out. */
function simulatedRatings(answers: number, seed: number, audit: number): SimulatedRating[] {
  const random = seededRandom(seed);
  const uniform = () => random.uniform();
  return Array.from({ length: answers }, () => {
    const arm = Math.floor(ARMS.length * uniform());
    const context = [1, random.normal(), random.normal(), random.normal()].map(Math.fround);
    const score = uniform() < trueQuality(arm, context) ? 1 : 0;
    const marked = uniform() < audit;
    const rate = marked ? RATES.asked : RATES.volunteered[score === 1 ? 'good' : 'bad'];
    return { arm, context, score, audit: marked, given: uniform() < rate };
  }).filter(({ given }) => given);
}

/** The events of an answer as the gateway logs them, with what it knows at the time. */
function lifeOf(
  { arm, context, score, audit }: SimulatedRating,
  id: string,
  state: LearnerState,
): [DecidedEvent, CompletedEvent, RatedEvent] {
  const ask = { audit, auditProbability: AUDIT, teaches: false };
  const rating = { ...rated(id, `fb-${id}`, score), volunteered: state.volunteers.weightsOf('user') };
  return [decided(id, { ask }, context), completed(id, { arm: ARMS[arm], usage: null }), rating];
}

function foldInto(state: LearnerState, life: readonly GatewayEvent[]): void {
  const stored = numbered(life);
  stored.forEach((event, i) => void state.fold(event, stored.slice(0, i)));
}

type Scheme = (ratings: readonly SimulatedRating[], state: LearnerState) => void;

const production: Scheme = (ratings, state) =>
  ratings.forEach((rating, i) => void foldInto(state, lifeOf(rating, `d${i}`, state)));

/** Gives every rating a weight of its own. */
const weighted =
  (weight: (rating: SimulatedRating) => number): Scheme =>
  (ratings, { policy }) => {
    for (const rating of ratings) {
      const context = Float64Array.from(rating.context);
      const lesson = { arm: ARMS[rating.arm], context, reward: rating.score, weight: weight(rating) };
      if (lesson.weight > 0) policy.learn({ kind: 'quality', ...lesson });
    }
  };

/** Learned minus true quality, over arms and contexts. */
function errorsOf(scheme: Scheme, seed: number, audit = AUDIT): number[] {
  const state = new LearnerState(FEATURE_MAP, DIMENSIONS);
  scheme(simulatedRatings(20_000, seed, audit), state);
  const random = seededRandom(99);
  return Array.from({ length: 50 }, () =>
    Float64Array.of(1, random.normal(), random.normal(), random.normal()),
  ).flatMap((x) => predictions(state.policy, ARMS, x).map(({ quality }, arm) => quality - trueQuality(arm, x)));
}

/** The figures in volunteer-calibration.ts are those of eight seeds. */
const SEEDS = [1, 2];
const over = (scheme: Scheme, audit?: number) => {
  const errors = SEEDS.map((seed) => errorsOf(scheme, seed, audit));
  return { bias: mean(errors.map(mean)), rmse: Math.sqrt(mean(errors.flat().map((error) => error ** 2))) };
};

describe('an audit of ratings that are not missing at random', () => {
  it('removes the bias, which is a third of the scale without it', () => {
    const without = over(
      weighted(() => 1),
      0,
    );
    expect(without.bias).toBeLessThan(-0.3);
    const audited = over(production);
    // With 200 requested ratings per seed the level is known to ± 0.03.
    expect(Math.abs(audited.bias)).toBeLessThan((3 * 0.03) / Math.sqrt(SEEDS.length));
    // Ratings weighted only by inverse inclusion probabilities stay biased.
    const diluted = over(weighted(({ audit }) => (audit ? 1 / AUDIT : 1)));
    expect(diluted.bias).toBeLessThan(-0.04);
    // Calibrated volunteers teach what the requested ratings alone cannot.
    const askedOnly = over(weighted(({ audit }) => Number(audit)));
    expect(audited.rmse).toBeLessThan(0.8 * askedOnly.rmse);
    expect(audited.rmse).toBeLessThan(0.5 * diluted.rmse);
  });

  it('raises no drift alarm because of complaints by volunteers', () => {
    const state = new LearnerState(FEATURE_MAP, DIMENSIONS);
    const unweighted = new DriftMonitor();
    simulatedRatings(6000, 5, 0.2).forEach((rating, i) => {
      const { context, score } = rating;
      const arm = ARMS[rating.arm];
      unweighted.observe(arm, state.policy.standardisedResidual(arm, Float64Array.from(context), score), i, DRIFT);
      foldInto(state, lifeOf(rating, `d${i}`, state));
    });
    expect(state.drift.alarmed).toEqual([]);
    // If all residuals counted alike, complaints would look like drift.
    expect(unweighted.alarmed.length).toBeGreaterThan(0);
  });

  it('marks its share at random, independent of the decision, and draws no random number if the share is 0', () => {
    const { decision } = decided('d');
    const requests = new FeedbackRequests(seededRandom(3));
    const marked = Array.from({ length: 20_000 }, () => requests.of(decision, { audit: 0.1, ask: 0 })?.audit).filter(
      Boolean,
    ).length;
    expect(Math.abs(marked - 2000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.1 * 0.9));
    const unused = { uniform: () => expect.unreachable(), normal: () => expect.unreachable() };
    expect(new FeedbackRequests(unused).of(decision, { audit: 0, ask: 0 })).toBeUndefined();
  });
});

describe('VolunteerCalibration', () => {
  const ask = (audit: boolean) => ({ ask: { audit, auditProbability: 0.1, teaches: false } });
  let next = 0;
  function rate(calibration: VolunteerCalibration, score: number, audit: boolean, count = 1): void {
    for (let i = 0; i < count; i++) {
      const id = `d${next++}`;
      const rating = { ...rated(id, `fb-${id}`, score), volunteered: { good: 0, bad: 0 } };
      calibration.fold(rating, [decided(id, ask(audit)), completed(id)]);
    }
  }

  it('weights thumbs by the odds of audited ratings over those of volunteers; the larger weight is 1', () => {
    const calibration = new VolunteerCalibration();
    rate(calibration, 1, true, 79);
    rate(calibration, 0, true, 19);
    rate(calibration, 1, false, 39);
    rate(calibration, 0, false, 49);
    const ratio = 79.5 / 19.5 / (39.5 / 49.5);
    expect(calibration.weightsOf('user').good).toBe(1);
    expect(calibration.weightsOf('user').bad).toBeCloseTo(1 / ratio, 12);
    expect(calibration.weightsOf('judge')).toEqual({ good: 0, bad: 0 });
  });

  it('weights scores between the thumbs so that the mean of volunteers matches that of audited ratings', () => {
    const calibration = new VolunteerCalibration();
    const random = seededRandom(8);
    for (let i = 0; i < 4000; i++) rate(calibration, random.uniform() ** 0.5, true);
    // Low scores are volunteered more often.
    const scores = Array.from({ length: 8000 }, () => random.uniform() ** 0.5).filter(
      (s) => random.uniform() > 0.8 * s,
    );
    for (const score of scores) rate(calibration, score, false);
    const weights = calibration.weightsOf('user');
    const total = scores.reduce((sum, score) => sum + selectionWeight(score, false, weights), 0);
    const weighted = scores.reduce((sum, score) => sum + score * selectionWeight(score, false, weights), 0) / total;
    expect(mean(scores)).toBeLessThan(0.6);
    expect(Math.abs(weighted - 2 / 3)).toBeLessThan(0.02);
  });

  it('ignores volunteers until 20 audited answers are rated, 5 of them well and 5 badly', () => {
    const calibration = new VolunteerCalibration();
    rate(calibration, 0, true, 5);
    rate(calibration, 1, true, 14);
    rate(calibration, 0, false, 50);
    expect(calibration.weightsOf('user')).toEqual({ good: 0, bad: 0 });
    rate(calibration, 1, true);
    expect(calibration.weightsOf('user').good).toBe(1);
  });

  it('stays within bounds when all volunteers say the same', () => {
    for (const [score, weights] of [
      [0, { good: 1, bad: 0.02 }],
      [0.2, { good: 1, bad: 0.02 }],
      [1, { good: 0.02, bad: 1 }],
    ] as const) {
      const calibration = new VolunteerCalibration();
      rate(calibration, 1, true, 20);
      rate(calibration, 0, true, 20);
      rate(calibration, score, false, 5000);
      expect(calibration.weightsOf('user')).toEqual(weights);
    }
  });

  it('ignores a rating that was withdrawn or replaced', () => {
    const calibration = new VolunteerCalibration();
    rate(calibration, 1, true, 20);
    rate(calibration, 0, true, 10);
    rate(calibration, 0, false, 10);
    const before = calibration.weightsOf('user');
    const rating = (id: string, score: number) => ({ ...rated('x', id, score), volunteered: { good: 1, bad: 1 } });
    const life = [decided('x', ask(false)), completed('x'), rating('a', 0.3), rating('b', 0.7)];
    const end = [withdrawn('x', 'b'), withdrawn('x', 'a')];
    [...life, ...end].forEach((event, i, events) => void calibration.fold(event, events.slice(0, i)));
    expect(calibration.weightsOf('user').bad).toBeCloseTo(before.bad, 12);
  });
});
