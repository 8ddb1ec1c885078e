import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DecisionInput, Observation, Policy } from '../../src/bandit/policy.ts';
import type { ExplorationKind } from '../../src/domain/exploration.ts';
import { seededRandom } from '../../src/util/random.ts';
import { inputOf, type OfferSpec, offer, predictions, randomContext, randomObservations } from './support.ts';

const D = 5;
const ARMS = ['ref', 'b', 'c', 'd', 'e', 'f'];

interface Scenario {
  offers: OfferSpec[];
  weight: number;
  seed: number;
  lessons: number;
  referenceMean: number;
}

const price = fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 100, noNaN: true }));
const scenarios: fc.Arbitrary<Scenario> = fc.record({
  offers: fc
    .array(fc.record({ price, penalty: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3, noNaN: true })) }), {
      minLength: 1,
      maxLength: ARMS.length,
    })
    .map((specs) => specs.map((spec, i) => ({ ...spec, arm: ARMS[i] }))),
  weight: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
  seed: fc.integer(),
  lessons: fc.integer({ min: 0, max: 60 }),
  referenceMean: fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1, noNaN: true })),
});

/** What every `Policy` guarantees about `decide` with one kind of exploration, and about `learn`. */
export function describePolicyContract(
  name: string,
  exploration: ExplorationKind,
  create: (d: number) => Policy,
): void {
  const build = ({ offers, weight, seed, lessons, referenceMean }: Scenario): [Policy, DecisionInput] => {
    const policy = create(D);
    const random = seededRandom(seed);
    for (const observation of randomObservations(ARMS, D, lessons, random)) policy.learn(observation);
    const input = inputOf({
      offers: offers.map(offer),
      context: randomContext(D, random),
      weight,
      exploration,
      referenceCost: (here) => referenceMean || (here ?? 0),
      random: seededRandom(seed + 1),
    });
    return [policy, input];
  };

  describe(`Policy contract: ${name}, ${exploration}`, () => {
    it('chooses one of the offers, with finite numbers and propensities that add up to 1', () => {
      fc.assert(
        fc.property(scenarios, (scenario) => {
          const [policy, input] = build(scenario);
          const made = policy.decide(input);
          expect(made.assessments.map(({ arm }) => arm)).toEqual(input.offers.map(({ arm }) => arm));
          expect(made.chosen).toBeOneOf([...input.offers.keys()]);
          expect(made.costUnitUsd).toBeGreaterThan(0);
          for (const { arm, keptOut, ...figures } of made.assessments) {
            expect(keptOut).toBeNull();
            expect(Object.values(figures).every(Number.isFinite), arm).toBe(true);
            expect(figures.qualitySd).toBeGreaterThan(0);
            expect(figures.propensity).toBeGreaterThanOrEqual(0);
          }
          expect(made.assessments.reduce((sum, { propensity }) => sum + propensity, 0)).toBeCloseTo(1, 12);
          expect(made.assessments[made.chosen].propensity).toBeGreaterThan(0);
        }),
      );
    });

    it('scores as weight · explored quality − (1 − weight) · cost in units of the reference − penalty', () => {
      fc.assert(
        fc.property(scenarios, (scenario) => {
          const [policy, input] = build(scenario);
          const { assessments, chosen, chosenBy, costUnitUsd } = policy.decide(input);
          assessments.forEach(({ exploredQuality, costUsd, outputTokens, penalty, score }, i) => {
            expect(costUsd).toBe(input.offers[i].cost(outputTokens));
            expect(penalty).toBe(input.offers[i].penalty);
            const expected = input.weight * exploredQuality - ((1 - input.weight) * costUsd) / costUnitUsd - penalty;
            expect(score).toBeCloseTo(expected, 10);
          });
          const best = Math.max(...assessments.map(({ score }) => score));
          if (chosenBy === 'score') expect(assessments[chosen].score).toBe(best);
          const here = assessments.find(({ arm }) => arm === input.reference)?.costUsd ?? null;
          const dearest = Math.max(...assessments.map(({ costUsd }) => costUsd));
          expect(costUnitUsd).toBe(input.referenceCost(here) || dearest || 1);
        }),
      );
    });

    it('chooses as often as its propensities say', () => {
      const draws = 3000;
      const offers = [
        { arm: 'ref', price: 10 },
        { arm: 'b', price: 4, penalty: 0.01 },
        { arm: 'c', price: 1 },
        { arm: 'd', price: 400 },
      ];
      for (const [seed, weight] of [0.95, 0.8, 1].entries()) {
        const [policy, input] = build({ offers, weight, seed, lessons: 40, referenceMean: 0 });
        const counts = offers.map(() => 0);
        for (let i = 0; i < draws; i++) counts[policy.decide(input).chosen]++;
        policy.decide(input).assessments.forEach(({ arm, propensity: p }, i) => {
          // 4.5 standard errors, plus a little for the quadrature.
          const bound = 4.5 * Math.sqrt((p * (1 - p)) / draws) + 1e-6;
          expect(Math.abs(counts[i] / draws - p), `${arm} at ${weight}: ${p}`).toBeLessThanOrEqual(bound);
        });
      }
    });

    it('repeats its decision with the same seed, and learns nothing from deciding', () => {
      fc.assert(
        fc.property(scenarios, (scenario) => {
          const [policy, input] = build(scenario);
          const once = policy.decide(input);
          const again = policy.decide({ ...input, random: seededRandom(scenario.seed + 1) });
          expect(again).toEqual(once);
        }),
        { numRuns: 50 },
      );
    });

    it('predicts the same for an arm whatever other arms are offered', () => {
      fc.assert(
        fc.property(scenarios, (scenario) => {
          const [policy, input] = build(scenario);
          const together = policy.decide(input).assessments;
          input.offers.forEach((alone, i) => {
            const [single] = policy.decide({ ...input, offers: [alone] }).assessments;
            for (const field of ['quality', 'qualitySd', 'outputTokens', 'costUsd'] as const) {
              expect(single[field]).toBe(together[i][field]);
            }
            expect(single.propensity).toBe(1);
          });
        }),
        { numRuns: 50 },
      );
    });

    it('throws rather than decide on a non-finite number', () => {
      const offers = [offer({ arm: 'ref', price: 10 }), offer({ arm: 'b', price: 1 })];
      const context = Float64Array.of(1, 0, 0, 0, 0);
      const good = () => inputOf({ offers, context, exploration });
      const policy = create(D);
      expect(() => policy.decide(good())).not.toThrow();
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        for (const weight of [0, 0.5, 1]) {
          const spoilt = { arm: 'c', cost: () => bad, penalty: 0 };
          expect(() => policy.decide({ ...good(), weight, offers: [...offers, spoilt] }), `cost ${bad}`).toThrow();
        }
        const late = { ...offers[1], penalty: bad };
        expect(() => policy.decide({ ...good(), offers: [offers[0], late] }), `penalty ${bad}`).toThrow();
        expect(() => policy.decide({ ...good(), weight: bad }), `weight ${bad}`).toThrow();
        expect(() => policy.decide({ ...good(), context: Float64Array.of(1, bad, 0, 0, 0) }), `x ${bad}`).toThrow();
      }
      for (const length of [D - 1, D + 1]) {
        const other = new Float64Array(length).fill(1);
        expect(() => policy.decide({ ...good(), context: other }), `${length} dimensions`).toThrow();
      }
    });

    it('learns, and unlearns exactly', () => {
      fc.assert(
        fc.property(fc.integer(), fc.integer({ min: 1, max: 20 }), (seed, count) => {
          const random = seededRandom(seed);
          const kept = randomObservations(ARMS, D, 20, random);
          const withdrawn = randomObservations(ARMS, D, count, random);
          const [taught, never] = [create(D), create(D)];
          for (const observation of kept) never.learn(observation);
          for (const observation of [...withdrawn, ...kept]) taught.learn(observation);
          const context = randomContext(D, random);
          expect(predictions(taught, ARMS, context)).not.toEqual(predictions(never, ARMS, context));
          for (const observation of withdrawn) taught.learn({ ...observation, weight: -observation.weight });
          const expected = predictions(never, ARMS, context);
          predictions(taught, ARMS, context).forEach((prediction, i) => {
            expect(prediction.quality).toBeCloseTo(expected[i].quality, 9);
            expect(prediction.qualitySd).toBeCloseTo(expected[i].qualitySd, 9);
            expect(prediction.outputTokens / expected[i].outputTokens).toBeCloseTo(1, 9);
          });
        }),
        { numRuns: 40 },
      );
    });

    it('rejects observations that are non-finite or have other dimensions, and stays unchanged', () => {
      const policy = create(D);
      for (const observation of randomObservations(ARMS, D, 20, seededRandom(3))) policy.learn(observation);
      const context = Float64Array.of(1, 1, -1, 0.5, 0);
      const before = predictions(policy, ARMS, context);
      const rating: Observation = { kind: 'quality', arm: 'b', context, reward: 0.5, weight: 1 };
      const length: Observation = {
        kind: 'length',
        arm: 'b',
        context,
        outputTokens: 90,
        predictedTokens: 80,
        weight: 1,
      };
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => policy.learn({ ...rating, reward: bad })).toThrow(RangeError);
        expect(() => policy.learn({ ...length, outputTokens: bad })).toThrow(RangeError);
        for (const lesson of [rating, length]) {
          expect(() => policy.learn({ ...lesson, weight: bad })).toThrow(RangeError);
          expect(() => policy.learn({ ...lesson, context: Float64Array.of(1, bad, 0, 0, 0) })).toThrow(RangeError);
          expect(() => policy.learn({ ...lesson, context: Float64Array.of(1, 0) })).toThrow(RangeError);
        }
      }
      expect(predictions(policy, ARMS, context)).toEqual(before);
    });
  });
}
