import { describe, expect, it } from 'vitest';
import type { DecidedEvent, GatewayEvent } from '../../../src/domain/events.ts';
import { mean, standardDeviation } from '../../../src/util/statistics.ts';
import { replayed, replaySimulated, type SimulationOptions, simulate } from './simulation.ts';

const GUARD = { share: 0.93, confidence: 0.5 };
const LOG = { decisions: 300, seed: 7, weight: 0.62, target: {} };
const isDecided = (event: GatewayEvent): event is DecidedEvent => event.type === 'decided';

const decisionsOf = (events: readonly GatewayEvent[]) => events.filter(isDecided).map(({ decision }) => decision);
const shareOf = async (events: readonly GatewayEvent[], target: object, model: string) =>
  (await replaySimulated(events, target)).support.models.find((candidate) => candidate.model === model)?.target_share;

/** Doubly robust quality minus the truth, over simulated logs. */
async function errors(runs: number, options: Omit<SimulationOptions, 'decisions' | 'seed' | 'weight'>) {
  const found: number[] = [];
  for (let seed = 500; seed < 500 + runs; seed++) {
    const { events, truth } = simulate({ ...LOG, ...options, seed });
    const { estimates } = await replaySimulated(events, options.target);
    if (estimates) found.push(estimates.dr.quality.mean - truth.quality);
  }
  return found;
}

const isWithinNoise = (found: readonly number[]) =>
  Math.abs(mean(found)) < (3 * standardDeviation(found)) / Math.sqrt(found.length);

describe('the quality target in a replay', () => {
  it('is reproduced unchanged, and is lifted if the policy says so', async () => {
    const { events } = simulate({ ...LOG, guard: GUARD });
    const keptOut = decisionsOf(events).filter(({ arms }) => arms.some((arm) => arm.keptOut === 'quality'));
    expect(keptOut.length).toBeGreaterThan(50);
    for (const { ratio } of (await replayed(events, {})).samples) expect(ratio).toBeCloseTo(1, 9);
    for (const { ratio } of (await replayed(events, { quality: GUARD })).samples) expect(ratio).toBeCloseTo(1, 9);
    // Arms that the target excluded had no chance in the log, so the log cannot answer without it, and says so.
    const { support, refused } = await replaySimulated(events, { quality: 'off' });
    expect(support.unsupported_share).toBeGreaterThan(0.01);
    expect(refused?.join()).toContain('had no chance in the log');
  });

  it('excludes from the policy the models that the live gateway would exclude', async () => {
    const { events } = simulate(LOG);
    expect(await shareOf(events, {}, 'small')).toBeGreaterThan(0.2);
    expect(await shareOf(events, { quality: { share: 1, confidence: 0.5 } }, 'small')).toBeLessThan(
      0.5 * ((await shareOf(events, {}, 'small')) ?? 0),
    );
    // Only among the models of the policy: a single one is always the best.
    expect(await shareOf(events, { models: ['small'], quality: { share: 1, confidence: 0.9 } }, 'small')).toBe(1);
  });

  it('leads to the true quality of such a policy', async () => {
    // A stricter target leaves most logs without support, because they nearly always chose what it excludes.
    const found = await errors(35, { target: { quality: { share: 0.84, confidence: 0.5 } } });
    expect(found.length).toBeGreaterThan(12);
    expect(isWithinNoise(found)).toBe(true);
  });
});

describe('launches in a replay', () => {
  it('are used, including forced tries, with the propensities they had', async () => {
    const { events } = simulate({ ...LOG, launched: 'big' });
    const forced = decisionsOf(events).filter(({ chosenBy }) => chosenBy === 'launch');
    expect(forced).toHaveLength(30);
    const { samples, leftOut } = await replayed(events, {});
    expect([samples.length, leftOut]).toEqual([300, {}]);
    for (const { ratio } of samples) expect(ratio).toBeCloseTo(1, 9);
    // Without exploration there are no forced tries, as in the gateway.
    const greedy = await replayed(events, { exploration: 'none' });
    for (const { ratio } of greedy.samples) expect(ratio === 0 || ratio >= 1).toBe(true);
  });

  it('lead to the true quality of a policy that also launches', async () => {
    const found = await errors(25, { target: { weight: 0.6 }, launched: 'big' });
    expect(found.length).toBeGreaterThan(20);
    expect(isWithinNoise(found)).toBe(true);
  });

  it('are omitted if the log does not say when a try could be forced', async () => {
    const { events } = simulate({ ...LOG, launched: 'big' });
    const older = events.map((event) => {
      if (!isDecided(event)) return event;
      const arms = event.decision.arms.map(({ launch, ...arm }) => ({
        ...arm,
        launch: launch && { tries: launch.tries, of: launch.of },
      }));
      return { ...event, decision: { ...event.decision, arms } };
    });
    expect((await replayed(older, {})).leftOut).toEqual({ unknown_propensity: 30 });
  });
});

describe('ratings by unreliable people', () => {
  const reliability = { truePositive: 0.9, falsePositive: 0.3 };

  it('are corrected for their errors, which leads to the true quality', async () => {
    const found = await errors(25, { target: {}, reliability });
    expect(found.length).toBeGreaterThan(20);
    expect(isWithinNoise(found)).toBe(true);
    // Uncorrected they would be off by 0.9 q + 0.3 (1 - q) - q, a tenth or more.
    expect(Math.abs(mean(found))).toBeLessThan(0.03);
  });

  it('are weighted by how much they tell if an answer has several', async () => {
    const { events } = simulate(LOG);
    const id = events.find(isDecided)?.decisionId as string;
    const rating = (source: string, score: number, by: object) =>
      ({
        type: 'rated',
        decisionId: id,
        time: 0,
        feedbackId: source,
        score,
        source,
        idempotencyKey: null,
        ...by,
      }) as GatewayEvent;
    const others = events.filter((event) => event.type !== 'rated');
    const both = [...others, rating('user', 0.5, {}), rating('crowd', 1, { reliability })];
    const [sample] = (await replayed(both, {})).samples.filter(({ quality }) => quality !== null);
    // (1 − 0.3) / 0.6 with the weight 0.36.
    expect(sample.quality).toBeCloseTo((0.5 + 0.36 * (0.7 / 0.6)) / 1.36, 12);
  });
});
