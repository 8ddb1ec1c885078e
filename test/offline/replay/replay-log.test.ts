import { describe, expect, it } from 'vitest';
import type { ChosenBy } from '../../../src/domain/decision.ts';
import type { CompletedEvent, DecidedEvent, GatewayEvent, RatedEvent } from '../../../src/domain/events.ts';
import { mean } from '../../../src/util/statistics.ts';
import { modelEvent } from '../../gateway/unit/support.ts';
import { replayed, replaySimulated, simulate } from './simulation.ts';

/** A log in which every model has ratings, and none has nearly all of the traffic. */
const { events } = simulate({ decisions: 300, seed: 1, weight: 0.62, target: {} });

const isDecided = (event: GatewayEvent): event is DecidedEvent => event.type === 'decided';
const isCompleted = (event: GatewayEvent): event is CompletedEvent => event.type === 'completed';
const isRated = (event: GatewayEvent): event is RatedEvent => event.type === 'rated';
const numberOf = ({ decisionId }: GatewayEvent) => Number(decisionId?.slice(4));

/** The log with changes to the decisions before a given number. */
function withDecisions(before: number, change: (event: DecidedEvent) => GatewayEvent): GatewayEvent[] {
  return events.map((event) => (isDecided(event) && numberOf(event) < before ? change(event) : event));
}

describe('replaying a log', () => {
  it('reproduces the logged propensities and means if nothing is changed', async () => {
    const everything = { weight: 0.62, exploration: 'thompson', models: ['small', 'mid', 'big'] } as const;
    for (const target of [{}, { priors: {} }, everything]) {
      const { samples } = await replayed(events, target);
      expect(samples).toHaveLength(300);
      for (const { ratio } of samples) expect(ratio).toBeCloseTo(1, 9);
      const { logged, estimates, difference, effective_sample_size, rated, cost_unit_usd } = await replaySimulated(
        events,
        target,
      );
      expect(estimates?.ips.cost_usd.mean).toBeCloseTo(logged?.cost_usd.mean ?? 0, 12);
      expect(estimates?.snips.quality).toEqual({
        mean: expect.closeTo(logged?.quality.mean ?? 0, 9),
        low: expect.closeTo(logged?.quality.low ?? 0, 9),
        high: expect.closeTo(logged?.quality.high ?? 0, 9),
      });
      expect(difference?.utility.low).toBeLessThan(0);
      expect(difference?.utility.high).toBeGreaterThan(0);
      // Models are rated at different rates, which lowers it a little.
      expect(effective_sample_size).toBeGreaterThan(0.8 * rated);
      expect(effective_sample_size).toBeLessThanOrEqual(rated);
      for (const name of ['ips', 'snips', 'dr'] as const) {
        expect(estimates?.[name].effective_sample_size).toBe(effective_sample_size);
      }
      expect(cost_unit_usd).toBeGreaterThan(0);
    }
  });

  it('reproduces them in logs that hardly tried a model, with intervals that are no narrower', async () => {
    for (const seed of [2, 3, 4, 5]) {
      const simulated = simulate({ decisions: 300, seed, weight: 0.62, target: {} }).events;
      for (const { ratio } of (await replayed(simulated, {})).samples) expect(ratio).toBeCloseTo(1, 9);
      const { logged, estimates } = await replaySimulated(simulated, {});
      const [found, known] = [estimates?.snips.quality, logged?.quality].map(
        (estimate) => estimate ?? expect.unreachable(),
      );
      expect(found.mean).toBeCloseTo(known.mean, 9);
      // Little is known about a model that almost never answers.
      expect((found.high - found.low) / (known.high - known.low)).toBeGreaterThan(1 - 1e-9);
    }
  });

  it('takes what was known from the decision, whatever order the log has it in and whatever it has lost', async () => {
    // Ratings that were on their way when the gateway decided, and so in the log before the decision.
    const isEarly = (event: GatewayEvent) => isRated(event) && numberOf(event) < 40;
    const place = events.findIndex((event) => numberOf(event) === 60);
    const early = [...events.slice(0, place).filter((event) => !isEarly(event)), ...events.slice(place)];
    early.splice(
      early.findIndex((event) => numberOf(event) === 45),
      0,
      ...events.filter(isEarly),
    );
    const pruned = events.filter((event) => numberOf(event) >= 150);
    for (const log of [early, pruned]) {
      for (const { ratio } of (await replayed(log, {})).samples) expect(ratio).toBeCloseTo(1, 9);
      // With the priors of the config, the learner says what was known, by the order of the log.
      const rebuilt = (await replayed(log, { priors: {} })).samples.map(({ ratio }) => Math.abs(Math.log(ratio)));
      expect(Math.max(...rebuilt)).toBeGreaterThan(0.1);
    }
  });

  it('uses at each decision only what the log had taught by then', async () => {
    const target = { weight: 0.57, priors: {} };
    const { samples } = await replayed(events, target);
    const cut = events.findIndex((event) => isDecided(event) && numberOf(event) === 150);
    const upended = events.map((event, i) => (isRated(event) && i > cut ? { ...event, score: 0 } : event));
    const other = (await replayed(upended, target)).samples;
    const predictions = (all: typeof samples) => all.map(({ ratio, predicted }) => [ratio, predicted.quality]);
    expect(predictions(other).slice(0, 151)).toEqual(predictions(samples).slice(0, 151));
    expect(predictions(other).slice(200)).not.toEqual(predictions(samples).slice(200));
  });

  it('learns from decisions before the period, but uses only those within it', async () => {
    const hour = (number: number) => 1_700_000_000_000 + number * 3_600_000;
    const timed = events.map((event) => (isDecided(event) ? { ...event, time: hour(numberOf(event)) } : event));
    const all = await replayed(timed, { weight: 0.57 });
    const some = await replayed(timed, { weight: 0.57 }, { since: hour(100), until: hour(250) });
    expect(some.decisions).toBe(150);
    expect([some.first, some.last]).toEqual([hour(100), hour(249)]);
    expect(some.samples).toEqual(all.samples.slice(100, 250));
    const back = timed.map((event) =>
      isDecided(event) && numberOf(event) === 99 ? { ...event, time: hour(900) } : event,
    );
    const { first, last } = await replayed(back, { weight: 0.57 });
    expect([first, last]).toEqual([hour(0), hour(900)]);
  });

  it('changes shares in the direction of the policy', async () => {
    const logs = [1, 2, 3, 4].map((seed) => simulate({ decisions: 300, seed, weight: 0.62, target: {} }).events);
    const share = async (target: object, model: string) => {
      const reports = await Promise.all(logs.map((log) => replaySimulated(log, target)));
      return mean(reports.map(({ support }) => support.models.find((one) => one.model === model)?.target_share ?? 0));
    };
    expect(await share({ weight: 0.5 }, 'small')).toBeGreaterThan((await share({}, 'small')) + 0.05);
    expect(await share({ priors: { small: { quality: 0.95 } } }, 'small')).toBeGreaterThan(
      (await share({}, 'small')) + 0.05,
    );
    expect(await share({ models: ['mid', 'big'] }, 'small')).toBe(0);
    const greedy = await replayed(events, { exploration: 'none' });
    for (const { ratio } of greedy.samples) expect(ratio === 0 || ratio >= 1).toBe(true);
  });

  it('counts what the client got as the outcome of the choice, whichever model answered', async () => {
    const expected = (await replayed(events, {})).samples;
    const fallbacks = events.map((event) => (isCompleted(event) ? { ...event, arm: 'big' } : event));
    const { samples } = await replayed(fallbacks, {});
    expect(samples.map(({ arm, costUsd, quality }) => [arm, costUsd, quality])).toEqual(
      expected.map(({ arm, costUsd, quality }) => [arm, costUsd, quality]),
    );
  });

  it("does not take the outcomes of a model that the policy lacks for the policy's own", async () => {
    // The small model fails in every second call, and the big one, four times as expensive, answers instead.
    const log = simulate({ decisions: 600, seed: 2, weight: 0.57, target: {} }).events;
    const chosen = new Map(log.filter(isDecided).map(({ decisionId, decision }) => [decisionId, decision.arm]));
    const fallbacks = log.map((event) => {
      if (numberOf(event) % 2 === 1 || chosen.get(event.decisionId ?? '') !== 'small') return event;
      if (isCompleted(event)) return { ...event, arm: 'big', costUsd: 4 * (event.costUsd ?? 0) };
      return isRated(event) ? { ...event, score: 1 } : event;
    });
    const without = { models: ['small'] };
    const [before, after] = [await replaySimulated(log, without), await replaySimulated(fallbacks, without)];
    for (const name of ['ips', 'snips', 'dr'] as const) {
      const [expected, found] = [before, after].map((report) => report.estimates?.[name] ?? expect.unreachable());
      expect(found.cost_usd.mean / expected.cost_usd.mean).toBeCloseTo(1, 1);
      expect(found.quality.mean).toBeCloseTo(expected.quality.mean, 1);
    }
    expect(after.support.unknown_outcome_share).toBeGreaterThan(0.2);
    // Unknown costs are no evidence: about half of the costs of the model's choices are left.
    const [all, left] = [before, after].map(({ support }) => support.effective_sample_size);
    expect(left.cost_usd / all.cost_usd).toBeCloseTo(0.5, 1);
    expect(left.expected_cost_usd / all.expected_cost_usd).toBeCloseTo(0.5, 1);
    // What the log achieved, and a policy that has the model, are as they were.
    expect(after.logged?.cost_usd.mean).toBeGreaterThan(1.2 * (before.logged?.cost_usd.mean ?? 0));
    const same = await replaySimulated(fallbacks, {});
    expect(same.support.unknown_outcome_share).toBe(0);
    expect(same.logged?.cost_usd).toEqual(after.logged?.cost_usd);
  });

  it('omits and counts decisions that were not random, not answered, or made on other features', async () => {
    const chosenBy = (by: ChosenBy) =>
      withDecisions(20, (event) => ({ ...event, decision: { ...event.decision, chosenBy: by } }));
    for (const [by, reason] of [
      ['request', 'named'],
      ['session', 'conversation'],
      ['tool_calls', 'conversation'],
      ['reference', 'learner_failed'],
    ] as const) {
      expect((await replaySimulated(chosenBy(by), {})).left_out).toEqual({ [reason]: 20 });
    }
    const unanswered = events.map((event) =>
      isCompleted(event) && numberOf(event) < 30 ? { ...event, arm: null, costUsd: null } : event,
    );
    const running = unanswered.filter((event) => !(isCompleted(event) && numberOf(event) < 5));
    expect(await replaySimulated(running, {})).toMatchObject({ left_out: { unanswered: 30 }, usable: 270 });
    const older = withDecisions(40, (event) => ({
      ...event,
      context: { featureMap: 'map-0', values: Float32Array.of(1, 2, 3) },
    }));
    expect(await replaySimulated(older, {})).toMatchObject({ left_out: { other_features: 40 }, usable: 260 });
    const otherwise = withDecisions(40, (event) => ({
      ...event,
      decision: { ...event.decision, exploration: 'of another version' },
    }));
    expect(await replaySimulated(otherwise, {})).toMatchObject({ left_out: { unknown_exploration: 40 }, usable: 260 });
    expect((await replaySimulated(otherwise, { exploration: 'thompson' })).left_out).toEqual({});
  });

  it('counts the decisions that depend on what the log chose in earlier turns', async () => {
    const cached = withDecisions(30, (event) => {
      const arms = event.decision.arms.map((arm, i) => ({ ...arm, cachedTokens: i === 0 ? 50 : 0 }));
      return { ...event, decision: { ...event.decision, arms } };
    });
    expect(await replaySimulated(cached, {})).toMatchObject({ usable: 300, continued: 30 });
    expect(await replaySimulated(events, {})).toMatchObject({ usable: 300, continued: 0 });
  });

  it('can replace the configured weight alone, and counts the decisions that had another', async () => {
    const mixed = withDecisions(100, (event) => ({
      ...event,
      decision: { ...event.decision, weightFrom: numberOf(event) % 2 === 0 ? 'model' : 'budget' },
    }));
    const [all, configured] = [
      await replayed(mixed, { weight: 0.57 }),
      await replayed(mixed, { default_weight: 0.57 }),
    ];
    expect(configured.ownWeights).toBe(100);
    expect(configured.samples.slice(100)).toEqual(all.samples.slice(100));
    for (const { weight, ratio } of configured.samples.slice(0, 100)) {
      expect(weight).toBe(0.62);
      expect(ratio).toBeCloseTo(1, 9);
    }
  });

  it('forgets what the gateway forgot', async () => {
    const at = events.findIndex((event) => isDecided(event) && numberOf(event) === 250);
    const reset = [...events.slice(0, at), modelEvent('mid', 'model_reset'), ...events.slice(at)];
    const samplesOf = async (log: readonly GatewayEvent[]) => (await replayed(log, { priors: {} })).samples;
    const [before, after] = [await samplesOf(events), await samplesOf(reset)];
    expect(after.slice(0, 250)).toEqual(before.slice(0, 250));
    expect(after.slice(250)).not.toEqual(before.slice(250));
  });
});

describe('a question that the log cannot answer is refused', () => {
  const refusal = async (log: readonly GatewayEvent[], target: object) => {
    const report = await replaySimulated(log, target);
    expect(report.estimates).toBeNull();
    expect(report.difference).toBeNull();
    return report.refused?.join('\n');
  };

  it('because of too few decisions or ratings', async () => {
    const few = events.filter((event) => numberOf(event) < 60);
    expect(await refusal(few, {})).toMatch(/60 of 60 decisions can be used; 100 are needed/);
    const rated = events.filter((event) => !isRated(event) || numberOf(event) < 40);
    expect(await refusal(rated, {})).toMatch(/^\d\d of them are rated; 50 are needed/m);
    expect(await refusal([], {})).toMatch(/0 of 0 decisions/);
  });

  it('about models that the log never offered or hardly chose', async () => {
    expect(await refusal(events, { models: ['mid', 'huge'] })).toMatch(/^huge was not a candidate in any decision/m);
    expect(await refusal(events, { models: ['big'] })).toMatch(/^big would get 100\.0 % .* holds \d ratings/m);
    const excluded = withDecisions(100, (event) => ({
      ...event,
      decision: {
        ...event.decision,
        arms: event.decision.arms.map((arm) => (arm.arm === 'big' ? arm : { ...arm, excluded: 'too small' })),
      },
    }));
    const reasons = await refusal(excluded, { models: ['mid', 'small'] });
    expect(reasons).toMatch(/none of the policy's models could have served 33\.3 % of the decisions/);
  });

  it('about a weight at which other models win', async () => {
    const reasons = await refusal(events, { weight: 1 });
    expect(reasons).toMatch(/% of its choices had no chance in the log \(big/);
    const { events: cheap } = simulate({ decisions: 300, seed: 3, weight: 0.55, target: {} });
    const told = /^its (\d+) ratings are worth (\d+\.\d) of the policy's own \(effective sample size\); 50 are needed$/;
    const [, rated, worth] = told.exec((await refusal(cheap, { weight: 0.7 })) ?? '') ?? expect.unreachable();
    expect(Number(rated)).toBe(cheap.filter(isRated).length);
    expect(Number(worth)).toBeGreaterThan(1);
    expect(Number(worth)).toBeLessThan(50);
  });

  it.each(['none', 'ucb'] as const)('about any change, if the log was made with exploration %s', async (kind) => {
    const certain = simulate({ decisions: 200, seed: 3, weight: 0.62, exploration: kind, target: {} }).events;
    expect((await replaySimulated(certain, {})).refused).toBeNull();
    const reasons = await refusal(certain, { weight: 0.95 });
    expect(reasons).toMatch(/had no chance in the log .*; 100\.0 % of the decisions left nothing to chance/);
  });

  it('about models without ratings', async () => {
    const small = new Set(
      events.filter(isDecided).flatMap(({ decision, decisionId }) => (decision.arm === 'small' ? [decisionId] : [])),
    );
    const unrated = events.filter((event) => !(isRated(event) && small.has(event.decisionId)));
    expect(await refusal(unrated, {})).toMatch(/^[\d.]+ % of its choices go to models that have no rating/m);
  });
});
