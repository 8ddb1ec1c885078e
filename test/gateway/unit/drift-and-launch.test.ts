import { describe, expect, it } from 'vitest';
import { DRIFT, PAST_LEVEL_PRECISION } from '../../../src/bandit/defaults.ts';
import { LinearPolicy } from '../../../src/bandit/linear-policy.ts';
import type { DriftedEvent, GatewayEvent, LaunchedEvent, StoredEvent } from '../../../src/domain/events.ts';
import { Learner } from '../../../src/gateway/learning/learner.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
import type { WarmStartFile } from '../../../src/gateway/learning/warm-start-file.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { predictions } from '../../bandit/support.ts';
import { armOf } from '../../routing/support.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  ARMS,
  bitsOf,
  completed,
  DIMENSIONS,
  decided,
  explanationOf,
  FEATURE_MAP,
  metricValue,
  modelEvent,
  numbered,
  RecordingLogger,
  randomStream,
  rated,
  withdrawn,
} from './support.ts';

function drifted(model: string, at: number, remains = 0.1): DriftedEvent {
  const fields = { direction: 'worse' as const, statistic: 15.3, threshold: 15, at, remains };
  return { type: 'drifted', decisionId: null, time: 0, model, ...fields };
}

function launched(model: string, priorMean: number[], featureMap = FEATURE_MAP): LaunchedEvent {
  return { type: 'launched', decisionId: null, time: 0, model, like: 'big', featureMap, priorMean };
}

function fold(events: readonly GatewayEvent[], state = new LearnerState(FEATURE_MAP, DIMENSIONS)): LearnerState {
  const stored = numbered(events);
  stored.forEach((event, i) => {
    state.fold(
      event,
      stored.slice(0, i).filter(({ decisionId }) => decisionId === event.decisionId),
    );
  });
  return state;
}

const random = seededRandom(4);
/** The events of an answered decision with a context of its own. */
const answered = (id: string): GatewayEvent[] => [
  decided(id, {}, [1, random.normal(), random.normal(), random.normal()]),
  completed(id),
];

/** What an arm's level rests on after an alarm that has left n ratings: n κ / (κ + n). */
const levelLeft = (ratings: number) => (ratings * PAST_LEVEL_PRECISION) / (PAST_LEVEL_PRECISION + ratings);

const CONTEXT = Float64Array.of(1, 0.4, -0.3, 1);
const figuresOf = (state: LearnerState) =>
  predictions(state.policy, ARMS, CONTEXT).flatMap(({ quality, qualitySd }) => [quality, qualitySd]);

function expectEqual(one: LearnerState, other: LearnerState): void {
  const expected = figuresOf(other);
  figuresOf(one).forEach((figure, i) => void expect(Math.abs(figure - expected[i])).toBeLessThan(1e-9));
}

describe('a drift alarm in the log', () => {
  const lives = ['a', 'b', 'c', 'd'].flatMap(answered);
  const ratings = ['a', 'b', 'c'].map((id, i) => rated(id, `fb-${id}`, i / 2));

  it('keeps a tenth of what was learned before it, almost nothing of the level, and everything later', () => {
    const state = fold([...lives, ...ratings, drifted('big', 11), rated('d', 'fb-d', 1)]);
    expect(state.policy.ratingsOf('big')).toBeCloseTo(levelLeft(0.3) + 1, 12);
  });

  it('keeps all of an older rating whose answer came later, as it was learned only then', () => {
    const late = decided('e');
    const state = fold([...lives, late, rated('e', 'fb-e', 1), drifted('big', 10), completed('e')]);
    expect(state.policy.ratingsOf('big')).toBe(1);
  });

  it('a withdrawal removes what is left of an older rating, as if it had never been given', () => {
    const alarm = drifted('big', 8);
    const without = fold([...lives, ...ratings.slice(0, 2), alarm, rated('d', 'fb-d', 1), drifted('big', 11, 0.5)]);
    const all = [...lives, ...ratings, alarm, rated('d', 'fb-d', 1), drifted('big', 12, 0.5)];
    expectEqual(fold([...all, withdrawn('c', 'fb-c')]), without);
    expectEqual(fold([...all, rated('c', 'newer', 0.7), withdrawn('c', 'newer'), withdrawn('c', 'fb-c')]), without);
  });

  it('reduces a rating in the same way if it counts again because a newer or explicit one is withdrawn', () => {
    for (const source of ['user', 'implicit:abort']) {
      const before = [...lives, rated('a', 'first', 0.2, source), drifted('big', 9)];
      const after = [...before, rated('a', 'second', 1), withdrawn('a', 'second')];
      expectEqual(fold(after), fold(before));
      expectEqual(fold([...after, withdrawn('a', 'first')]), fold(lives));
    }
  });

  it('removes a later rating completely when it is withdrawn', () => {
    const events = [...lives, ...ratings, drifted('big', 11), rated('d', 'fb-d', 1)];
    expectEqual(fold([...events, withdrawn('d', 'fb-d')]), fold(events.slice(0, -1)));
  });

  it('reduces a late rating of an answer from before the change as much as an early one', () => {
    const alarm = { ...drifted('big', 11), changedAt: 5 };
    const late = rated('b', 'late', 1, 'judge');
    const [watched, unwatched] = [fold([...lives, ratings[0], alarm, late]), fold([...lives, ratings[0], alarm])];
    expectEqual(watched, fold([...lives, ratings[0], late, alarm]));
    expect(watched.drift.statisticOf('big')).toBe(unwatched.drift.statisticOf('big'));
    expectEqual(fold([...lives, ratings[0], alarm, late, withdrawn('b', 'late')]), unwatched);
    // A rating of an answer from after the change is about the current level.
    const now = fold([...lives, ratings[0], alarm, rated('d', 'now', 1, 'judge')]);
    expect(now.policy.ratingsOf('big')).toBeCloseTo(levelLeft(0.1) + 1, 12);
    expect(now.drift.statisticOf('big')).not.toBe(unwatched.drift.statisticOf('big'));
  });

  it('counts once if two processes raised it', () => {
    const events = [...lives, ...ratings, drifted('big', 11)];
    expectEqual(fold([...events, drifted('big', 11)]), fold(events));
  });

  it('survives a snapshot, including what older ratings still count', () => {
    const events = [...lives, ...ratings, drifted('big', 11)];
    const state = fold(events);
    const restored = new LearnerState(FEATURE_MAP, DIMENSIONS);
    restored.deserialise(state.serialise(), state.sequence);
    const last = { ...withdrawn('c', 'fb-c'), sequence: 13 };
    const history = numbered(events).filter(({ decisionId }) => decisionId === 'c');
    for (const each of [state, restored]) each.fold(last, history);
    expect(bitsOf(restored)).toBe(bitsOf(state));
  });
});

describe('the residual of a corrected rating', () => {
  it('is measured in units of the spread of such ratings', () => {
    const reliability = { truePositive: 0.8, falsePositive: 0.2 };
    const context = [1, 0.4, -0.3, 1];
    const events = [decided('d', {}, context), completed('d'), { ...rated('d', 'fb', 0), reliability }];
    const { policy } = fold(events.slice(0, 2));
    const { quality, qualitySd } = predictions(policy, ['big'], Float64Array.from(context))[0];
    const up = 0.2 + 0.6 * quality;
    const scatter = Math.sqrt((up * (1 - up)) / 0.36 + qualitySd ** 2);
    expect(fold(events).drift.statisticOf('big')).toBeCloseTo((quality + 0.2 / 0.6) / scatter - DRIFT.slack, 9);
  });
});

describe('ratings while drift detection is off', () => {
  it('add nothing to a later alarm', () => {
    const state = new LearnerState(FEATURE_MAP, DIMENSIONS);
    state.driftOptions = null;
    const badly = Array.from({ length: 40 }, (_, i) => [...answered(`d${i}`), rated(`d${i}`, `fb${i}`, 0)]).flat();
    expect(fold(badly, state).drift.statisticOf('big')).toBe(0);
    expect(fold(badly).drift.statisticOf('big')).toBeGreaterThan(1);
  });
});

describe('a budget whose keys all cap the weight below its starting weight', () => {
  it('still follows the spending', () => {
    const bound = { weight: 0.5, weightFrom: 'key', budgetWeight: 0.8, budgetUsd: 0.001 } as const;
    const { routingSpend } = fold([decided('a', bound), completed('a', { costUsd: 0.003 })]);
    // From its starting weight, ν = 1 / 4, and not from the key's: ln ν += 0.1 (3 − 1), and what it cost more than
    // predicted, two targets, is to be saved within 200 requests.
    expect(routingSpend.nu(0.9)).toBeCloseTo(0.25 * Math.exp(0.2 + (0.1 * 2) / 200), 12);
  });

  it('does not start from a weight that a client named and a key capped', () => {
    const { routingSpend } = fold([
      decided('a', { weight: 0.05, weightFrom: 'key', budgetUsd: 0.001 }),
      completed('a'),
    ]);
    expect(routingSpend.nu(0.8)).toBeCloseTo(0.25, 12);
  });

  it('does not treat a failed request as one that spent nothing of its target', () => {
    const bound = { weight: 0.8, weightFrom: 'budget', budgetUsd: 0.001 } as const;
    const lives = (fields: object) => ['a', 'b', 'c'].flatMap((id) => [decided(id, bound), completed(id, fields)]);
    const failed = { arm: null, outcome: 'failed', status: 503, usage: null } as const;
    const { routingSpend } = fold([...lives({ costUsd: 0.001 }), ...lives({ ...failed, costUsd: 0 })]);
    expect(routingSpend.nu(0.8)).toBeCloseTo(0.25, 12);
    expect(routingSpend.meanUsd).toBeCloseTo(0.001, 12);
    // What it cost anyway counts.
    const dear = fold([...lives({ costUsd: 0.001 }), ...lives({ ...failed, costUsd: 0.003 })]);
    expect(dear.routingSpend.meanUsd).toBeCloseTo(0.002, 12);
  });
});

describe('a budget of routing', () => {
  const bound = { weight: 0.8, weightFrom: 'budget', budgetUsd: 0.001 } as const;

  it('starts from its own weight', () => {
    const { routingSpend } = fold([decided('a', bound), completed('a', { costUsd: 0.001 })]);
    expect(routingSpend.nu(0.5)).toBeCloseTo(0.25, 12);
  });

  it('predicts the cost of every choice of a request', () => {
    const three = { ...bound, budgetUsd: 0.003, choices: 3 };
    const { routingSpend } = fold([decided('a', three), completed('a', { costUsd: 0.003 })]);
    expect(routingSpend.nu(0.8)).toBeCloseTo(0.25, 12);
  });

  it.each([null, Number.NaN])('waits for the real cost where the predicted one is %s', (costUsd) => {
    const asked = decided('a', { ...bound, arms: [explanationOf('big', { costUsd })] });
    const spent = (usd: number) => fold([asked, completed('a', { costUsd: usd })]).routingSpend.nu(0.8);
    expect(spent(0.001)).toBeCloseTo(0.25, 12);
    expect(spent(0.003)).toBeGreaterThan(0.25);
  });
});

describe('a launch in the log', () => {
  it('gives the arm its prior once, and counts its tries, their cost and its answers', () => {
    const arms = [...ARMS, 'new'].map((arm) => explanationOf(arm, { costUsd: 0.004 }));
    const state = fold([
      launched('new', [0.6, 0.1, 0, 0]),
      launched('new', [0.1, 0, 0, 0]),
      decided('forced', { arm: 'new', chosenBy: 'launch', arms }),
      decided('free', { arm: 'new', chosenBy: 'score', arms }),
      completed('forced', { arm: 'new', costUsd: 0.005 }),
      completed('free', { arm: 'new', costUsd: 0.005 }),
    ]);
    expect(predictions(state.policy, ['new'], CONTEXT)[0].quality).toBeCloseTo(0.6 + 0.1 * 0.4, 12);
    expect(state.launches.progressOf('new')).toEqual({ tries: 1, spentUsd: expect.closeTo(0.005, 12), answers: 2 });
    expect(state.launches.launchOf('new', { tries: 30, budgetUsd: 1 }, 0)).toEqual({
      tries: 1,
      wide: true,
      forced: true,
    });
    expect(state.launches.launchOf('new', { tries: 30, budgetUsd: 0.004 }, 0)).toEqual({
      tries: 1,
      wide: true,
      forced: false,
    });
    expect(state.launches.launchOf('new', { tries: 1, budgetUsd: 1 }, 0)).toEqual({
      tries: 1,
      wide: true,
      forced: false,
    });
    expect(state.launches.launchOf('big', { tries: 30, budgetUsd: 1 }, 0)).toBeNull();
  });

  it('is not charged for the answer of another model after a fallback', () => {
    const arms = [...ARMS, 'new'].map((arm) => explanationOf(arm, { costUsd: 0.004 }));
    const state = fold([
      launched('new', [0.6, 0.1, 0, 0]),
      decided('forced', { arm: 'new', chosenBy: 'launch', arms }),
      completed('forced', { arm: 'big', costUsd: 0.8 }),
    ]);
    expect(state.launches.progressOf('new')).toMatchObject({ tries: 1, spentUsd: expect.closeTo(0, 12) });
  });

  it('keeps only the level of a prior for other features', () => {
    const state = fold([launched('new', [0.6, 0.5, 0.5], 'map-0')]);
    expect(predictions(state.policy, ['new'], CONTEXT)[0].quality).toBeCloseTo(0.6, 12);
  });
});

describe("an admin's reset of a model after drift and launch", () => {
  const reset = (model: string) => modelEvent(model, 'model_reset');
  const lives = ['a', 'b', 'c', 'd'].flatMap(answered);
  const ratings = ['a', 'b', 'c'].map((id, i) => rated(id, `fb-${id}`, i / 2));
  const arms = [...ARMS, 'new'].map((arm) => explanationOf(arm, { costUsd: 0.004 }));
  const forced = (id: string) => decided(id, { arm: 'new', chosenBy: 'launch', arms });
  const answer = (id: string) => completed(id, { arm: 'new', costUsd: 0.005 });

  it('leaves nothing of them, and the arm is new again', () => {
    const launch = [launched('new', [0.6, 0.1, 0, 0]), forced('e'), answer('e'), rated('e', 'fb-e', 1)];
    const state = fold([...lives, ...ratings, drifted('big', 11), ...launch, reset('big'), reset('new')]);
    expectEqual(state, fold([]));
    expect(predictions(state.policy, ['new'], CONTEXT)[0]).toMatchObject(
      predictions(fold([]).policy, ['new'], CONTEXT)[0],
    );
    expect(state.launches.progressOf('new')).toBeNull();
    expect([...state.known].sort()).toEqual(['mid', 'small']);
  });

  it('clears the sums of the drift monitor, and voids an older alarm that arrives later', () => {
    const bad = Array.from({ length: 6 }, (_, i) => [...answered(`x${i}`), rated(`x${i}`, `fb-x${i}`, 0)]).flat();
    expect(fold(bad).drift.statisticOf('big')).toBeGreaterThan(0);
    expect(fold([...bad, reset('big')]).drift.statisticOf('big')).toBe(0);
    const later = [...answered('y'), rated('y', 'fb-y', 1)];
    const state = fold([...bad, reset('big'), ...later, drifted('big', 18)]);
    expect(state.policy.ratingsOf('big')).toBe(1);
    // An alarm from after it counts.
    expect(fold([...bad, reset('big'), ...later, drifted('big', 22)]).policy.ratingsOf('big')).toBeCloseTo(
      levelLeft(0.1),
      12,
    );
  });

  it('does not affect withdrawals of later ratings, whatever drift there was before', () => {
    const early = [...lives, ...ratings, drifted('big', 11), reset('big')];
    const later = [...answered('y'), rated('y', 'fb-y', 1)];
    expectEqual(fold([...early, ...later, withdrawn('y', 'fb-y')]), fold([]));
    expectEqual(fold([...early, ...later, withdrawn('a', 'fb-a')]), fold(later));
  });

  it('does not count tries of the first launch for the second', () => {
    const again = launched('new', [0.5, 0, 0, 0]);
    const state = fold([launched('new', [0.6, 0, 0, 0]), forced('e'), reset('new'), again, answer('e')]);
    expect(state.launches.progressOf('new')).toEqual({ tries: 0, spentUsd: 0, answers: 0 });
    expect(predictions(state.policy, ['new'], CONTEXT)[0].quality).toBeCloseTo(0.5, 12);
  });

  it('gives bit-identical results from a snapshot taken at any point', () => {
    const tries = [launched('new', [0.6, 0.1, 0, 0]), forced('e'), answer('e'), rated('e', 'fb-e', 1)];
    const [early, middle, late] = [20, 21, 22].map((seed) => randomStream(12, seed));
    const events: GatewayEvent[] = [...early, ...tries, drifted('big', early.length), ...middle];
    events.push(reset('big'), drifted('big', early.length), launched('big', [0.7, 0, 0.1, 0]), forced('f'));
    events.push(reset('new'), answer('f'), withdrawn('e', 'fb-e'), ...late);
    const stored = numbered(events);
    const historyOf = (event: StoredEvent, i: number) =>
      stored.slice(0, i).filter(({ decisionId }) => decisionId === event.decisionId);
    const whole = bitsOf(fold(events));
    for (let cut = 0; cut < events.length; cut += 3) {
      const restored = new LearnerState(FEATURE_MAP, DIMENSIONS);
      restored.deserialise(fold(events.slice(0, cut)).serialise(), cut);
      for (let i = cut; i < stored.length; i++) restored.fold(stored[i], historyOf(stored[i], i));
      expect(bitsOf(restored)).toBe(whole);
    }
  });
});

describe('Learner', () => {
  async function started(
    events: readonly GatewayEvent[],
    warmStart: WarmStartFile | null = null,
    drift: typeof DRIFT | null = DRIFT,
  ) {
    const [store, clock, metrics, log] = [new FakeStore(), new ManualClock(), new Metrics(), new RecordingLogger()];
    await store.append(events);
    const recorded: GatewayEvent[] = [];
    const record = (event: GatewayEvent) => void recorded.push(event);
    const options = { featureMap: FEATURE_MAP, dimensions: DIMENSIONS, store, clock, metrics, log, record, warmStart };
    const learner = new Learner(options);
    learner.setDrift(drift);
    await learner.start();
    return { learner, store, metrics, log, recorded };
  }

  /** An arm that answers well for a while, then badly. */
  const decline = Array.from({ length: 120 }, (_, i) => [
    ...answered(`d${i}`),
    rated(`d${i}`, `fb${i}`, i < 60 ? 1 : 0),
  ]).flat();

  it('raises an alarm once, reports it, and resets the arm when it reads the event', async () => {
    const { learner, store, metrics, log, recorded } = await started(decline);
    expect(recorded).toEqual([
      expect.objectContaining({ type: 'drifted', model: 'big', direction: 'worse', threshold: 15, remains: 0.5 }),
    ]);
    expect(await metricValue(metrics.driftAlarms)).toBe(1);
    expect(JSON.stringify(log)).toContain('Drift: the ratings of \\"big\\" have become worse');
    expect(learner.knowledge.policy.ratingsOf('big')).toBe(120);
    await store.append(recorded);
    learner.wake(await store.lastSequence());
    await learner.idle();
    expect(learner.knowledge.policy.ratingsOf('big')).toBeCloseTo(levelLeft(60), 9);
    expect(recorded).toHaveLength(1);
    // Another process, or a restart, ends in the same numbers and raises nothing.
    const other = await started([...decline, ...recorded]);
    expect(other.recorded).toEqual([]);
    expect(bitsOf(other.learner.knowledge)).toBe(bitsOf(learner.knowledge));
  });

  it('accumulates nothing while drift is off, at start, on a rebuild, or after a config change', async () => {
    const { learner, store, recorded } = await started(decline, null, null);
    expect(learner.knowledge.drift.statisticOf('big')).toBe(0);
    await learner.requestRefold();
    expect(learner.knowledge.drift.statisticOf('big')).toBe(0);
    for (const drift of [DRIFT, null]) learner.setDrift(drift);
    await store.append([...answered('late'), rated('late', 'fb-late', 1)]);
    learner.wake(await store.lastSequence());
    await learner.idle();
    expect(learner.knowledge.drift.statisticOf('big')).toBe(0);
    expect(recorded).toEqual([]);
  });

  it('counts forced tries that are not folded yet also after a rebuild', async () => {
    const { learner } = await started([...answered('a'), launched('new', [0.6, 0, 0, 0])]);
    learner.knowledge.launches.reserve('b', 'new', 0.1, 0);
    await learner.requestRefold();
    expect(learner.knowledge.launches.launchOf('new', { tries: 1, budgetUsd: 1 }, 0)?.forced).toBe(false);
  });

  it('launches an arm that is new among known ones, with the prior of the arm the config names', async () => {
    const { learner, recorded } = await started(decline.slice(0, 90));
    const arms = [...ARMS.map((id) => armOf(id)), armOf('new', { prior: { like: 'small' } }), armOf('newer')];
    learner.introduce({ arms, reference: 'big', weight: 0.9 });
    expect(recorded).toMatchObject([
      { type: 'launched', model: 'new', like: 'small' },
      { type: 'launched', model: 'newer', like: 'big' },
    ]);
    // Only an arm declared to be like another is expected to be good at the same queries.
    const slopes = recorded.map((event) => (event as LaunchedEvent).priorMean.slice(1));
    expect(slopes[0].some((slope) => slope !== 0)).toBe(true);
    expect(slopes[1]).toEqual([0, 0, 0]);
  });

  it('picks the most useful arm by utility on the same chat, whatever the real chats looked like', async () => {
    const arms = [armOf('big', { usd: 50 }), armOf('mid', { usd: 10 }), armOf('small', { usd: 1 }), armOf('new')];
    const levels = new Map([
      ['big', 0.9],
      ['mid', 0.85],
      ['small', 0.79],
    ]);
    for (const inputTokens of [0, 100_000]) {
      const read = (id: string) => explanationOf(id, { inputTokens });
      const events = [decided('d', { arms: ARMS.map(read) }), completed('d'), rated('d', 'fb', 0.9)];
      const { learner, recorded } = await started(events);
      learner.setPriors(levels);
      learner.introduce({ arms, reference: 'big', weight: 0.8 });
      // 0.8 · 0.85 − 0.2 · 0.2 is more than 0.8 · 0.79 − 0.2 · 0.02, and than 0.8 · 0.9 − 0.2.
      expect(recorded).toMatchObject([{ type: 'launched', model: 'new', like: 'mid' }]);
    }
  });

  it('launches an arm like one that has since been retired', async () => {
    const { learner, recorded } = await started(decline.slice(0, 90));
    const arms = [armOf('big'), armOf('mid'), armOf('new', { prior: { like: 'small' } })];
    learner.introduce({ arms, reference: 'big', weight: 0.9 });
    expect(recorded).toMatchObject([{ type: 'launched', model: 'new', like: 'small' }]);
  });

  it('launches with the tier slopes from the config, but no arm that a warm start has taught', async () => {
    const taught = new LinearPolicy(DIMENSIONS);
    taught.learn({ kind: 'quality', arm: 'carried', context: CONTEXT, reward: 1, weight: 1 });
    const common = { featureMap: FEATURE_MAP, dimensions: DIMENSIONS };
    const warmStart = { ...common, command: '', decisions: [], hash: 'h', sums: taught.sums() };
    const { learner, recorded } = await started(decline.slice(0, 90), warmStart);
    learner.setPriors(new Map([['new', 0.7]]), new Map([['new', Float64Array.of(0, 0.2, 0, -0.1)]]));
    const arms = [...ARMS.map((id) => armOf(id)), armOf('carried'), armOf('new', { prior: 'frontier' })];
    learner.introduce({ arms, reference: 'big', weight: 0.9 });
    expect(recorded).toMatchObject([{ type: 'launched', model: 'new', like: null, priorMean: [0.7, 0.2, 0, -0.1] }]);
  });

  it('launches an arm that is new beside those of a warm start, even before the first decision', async () => {
    const taught = new LinearPolicy(DIMENSIONS);
    for (const arm of ARMS) taught.learn({ kind: 'quality', arm, context: CONTEXT, reward: 1, weight: 1 });
    const common = { featureMap: FEATURE_MAP, dimensions: DIMENSIONS };
    const { learner, recorded } = await started([], {
      ...common,
      command: '',
      decisions: [],
      hash: 'h',
      sums: taught.sums(),
    });
    const arms = [...ARMS.map((id) => armOf(id)), armOf('new', { prior: { like: 'small' } })];
    learner.introduce({ arms, reference: 'big', weight: 0.9 });
    expect(recorded).toMatchObject([{ type: 'launched', model: 'new', like: 'small' }]);
  });

  it('delays launches until the log has been read, and launches each arm once until it is reset', async () => {
    const [store, clock, metrics, log] = [new FakeStore(), new ManualClock(), new Metrics(), new RecordingLogger()];
    await store.append(decline.slice(0, 30));
    const recorded: GatewayEvent[] = [];
    const record = (event: GatewayEvent) => void recorded.push(event);
    const options = { featureMap: FEATURE_MAP, dimensions: DIMENSIONS, store, clock, metrics, log, record };
    const learner = new Learner(options);
    const parts = { arms: [...ARMS, 'new'].map((id) => armOf(id)), reference: 'big', weight: 0.9 };
    learner.introduce(parts);
    expect(recorded).toEqual([]);
    await learner.start();
    learner.introduce(parts);
    expect(recorded).toMatchObject([{ type: 'launched', model: 'new' }]);
    await store.append([...recorded, modelEvent('new', 'model_reset')]);
    learner.wake(await store.lastSequence());
    await learner.idle();
    learner.introduce(parts);
    expect(recorded).toMatchObject([{ model: 'new' }, { model: 'new' }]);
  });

  it('launches nothing if no arm is known yet', async () => {
    const { learner, recorded } = await started([]);
    learner.introduce({ arms: ARMS.map((id) => armOf(id)), reference: 'big', weight: 0.9 });
    expect(recorded).toEqual([]);
  });
});

describe('several sources rating one answer', () => {
  const lives = Array.from({ length: 60 }, (_, i) => answered(`d${i}`));
  /** Each answer, rated by these sources; the judge's ratings are always bad. */
  const rate = (...sources: string[]) =>
    lives.flatMap((life, i) => {
      const score = (source: string) => (source === 'judge' || i % 5 === 0 ? 0 : 1);
      return [...life, ...sources.map((source) => rated(`d${i}`, `${source}-${i}`, score(source), source))];
    });

  it('count as one rating if they agree, for the drift monitor and the policy', () => {
    const [one, three] = [fold(rate('user')), fold(rate('user', 'test', 'third'))];
    expect(three.drift.statisticOf('big')).toBeCloseTo(one.drift.statisticOf('big'), 9);
    expectEqual(three, one);
  });

  it('count once for drift, but a volunteer does not silence a judge', () => {
    const [life] = lives;
    const sumOf = (...ratings: GatewayEvent[]) => fold([...life, ...ratings]).drift.statisticOf('big');
    const [user, judge] = [rated('d0', 'user', 0), rated('d0', 'judge', 0, 'judge')];
    expect(sumOf(user, judge)).toBe(sumOf(user));
    for (const weights of [
      { good: 1, bad: 0.2 },
      { good: 1, bad: 1 },
    ]) {
      const complaint = { ...user, volunteered: weights };
      expect(sumOf(complaint, judge)).toBeGreaterThan(sumOf(complaint));
      expect(sumOf(complaint, judge, rated('d0', 'test', 0, 'test'))).toBe(sumOf(complaint, judge));
    }
  });

  it('count as one again when the others are withdrawn', () => {
    const withdrawals = lives.map((_, i) => withdrawn(`d${i}`, `judge-${i}`));
    expectEqual(fold([...rate('user', 'judge'), ...withdrawals]), fold(rate('user')));
  });
});
