import { describe, expect, it } from 'vitest';
import type { DriftedEvent, GatewayEvent, SnapshotChangedEvent } from '../../../src/domain/events.ts';
import { Learner } from '../../../src/gateway/learning/learner.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
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
  FEATURE_MAP,
  metricValue,
  modelEvent,
  numbered,
  RecordingLogger,
  rated,
  withdrawn,
} from './support.ts';

const REMAINS = 0.25;
const changed = (from: string, to: string, model = 'big'): SnapshotChangedEvent => ({
  type: 'snapshot_changed',
  decisionId: null,
  time: 1_700_000_005_000,
  model,
  from,
  to,
  remains: REMAINS,
});

const random = seededRandom(6);
const asked = (id: string) => decided(id, {}, [1, random.normal(), random.normal(), random.normal()]);
const answer = (id: string, upstreamModel = 'v1') => completed(id, { upstreamModel });
const answered = (id: string, upstreamModel?: string): GatewayEvent[] => [asked(id), answer(id, upstreamModel)];

function fold(events: readonly GatewayEvent[]): LearnerState {
  const state = new LearnerState(FEATURE_MAP, DIMENSIONS);
  const stored = numbered(events);
  stored.forEach((event, i) => {
    const history = stored.slice(0, i).filter(({ decisionId }) => decisionId === event.decisionId);
    state.fold(event, history);
  });
  return state;
}

const CONTEXT = Float64Array.of(1, 0.4, -0.3, 1);
const weightOf = (state: LearnerState) => state.policy.ratingsOf('big');
const figuresOf = (state: LearnerState) =>
  predictions(state.policy, ARMS, CONTEXT).flatMap(({ quality, qualitySd, outputTokens }) => [
    quality,
    qualitySd,
    Math.log(outputTokens),
  ]);

function expectEqual(one: LearnerState, other: LearnerState): void {
  const expected = figuresOf(other);
  figuresOf(one).forEach((figure, i) => void expect(Math.abs(figure - expected[i])).toBeLessThan(1e-9));
}

describe('a change of the upstream model in the log', () => {
  const lives = ['a', 'b', 'c'].flatMap((id) => answered(id));
  const ratings = ['a', 'b'].map((id, i) => rated(id, `fb-${id}`, i));

  it('keeps a share of the ratings and lengths learned before', () => {
    const before = fold([...lives, ...ratings]);
    const after = fold([...lives, ...ratings, changed('v1', 'v2')]);
    expect(weightOf(after)).toBeCloseTo(2 * REMAINS, 12);
    const lengthWeight = (state: LearnerState) => state.policy.sums().length.get('big')?.weight;
    expect([lengthWeight(before), lengthWeight(after)]).toEqual([3, 3 * REMAINS]);
    expect(after.policy.sums().correction.big.count).toBeCloseTo(3 * REMAINS, 12);
    expect(after.upstreamVersions.lastChange('big')).toMatchObject({ from: 'v1', to: 'v2', remains: REMAINS });
  });

  it('is undone by going back if nothing answered under the other name; late ratings then count fully', () => {
    const [big, slip] = [armOf('big', { upstreamModel: 'v1' }), changed('v1', 'v1-typo')];
    const slipped = [...lives, ratings[0], slip, ratings[1]];
    const [back] = fold(slipped).upstreamVersions.changesDue([big], REMAINS, 0);
    expect(back).toMatchObject({ from: 'v1-typo', to: 'v1', remains: 1 / REMAINS });
    const never = fold([...lives, ...ratings]);
    const undone = fold([...slipped, back]);
    expect(weightOf(fold(slipped))).toBeCloseTo(2 * REMAINS, 12);
    expect(weightOf(undone)).toBe(2);
    expectEqual(undone, never);
    const [late, since] = [rated('c', 'fb-c', 1), [...answered('d', 'v1'), rated('d', 'fb-d', 0)]];
    expectEqual(fold([...slipped, back, late, ...since]), fold([...lives, ...ratings, late, ...since]));
    // It is the same model as before, so a change to another one costs again.
    expect(undone.upstreamVersions.changesDue([armOf('big', { upstreamModel: 'v2' })], REMAINS, 0)).toMatchObject([
      { remains: REMAINS },
    ]);
    // A decision made between the two changes counts once, not four times.
    const between = fold([...slipped, ...answered('e', 'v1'), back, rated('e', 'fb-e', 1)]);
    expect(weightOf(between)).toBeCloseTo(3, 9);
    // If answers came under the other name, it was a model of its own.
    const used = fold([...slipped, ...answered('f', 'v1-typo')]);
    expect(used.upstreamVersions.changesDue([big], REMAINS, 0)).toMatchObject([{ remains: REMAINS }]);
    const other = armOf('big', { upstreamModel: 'v2' });
    expect(fold(slipped).upstreamVersions.changesDue([other], REMAINS, 0)).toMatchObject([{ remains: 1 }]);
  });

  it('is undone by going back through several names under which nothing answered', () => {
    const [big, slip] = [armOf('big', { upstreamModel: 'v1' }), changed('v1', 'v1-slip')];
    const again = { ...changed('v1-slip', 'v1-slop'), remains: 1 };
    const slipped = [...lives, ...ratings, slip, again];
    const [back] = fold(slipped).upstreamVersions.changesDue([big], REMAINS, 0);
    expect(back).toMatchObject({ from: 'v1-slop', to: 'v1', remains: 1 / REMAINS });
    const [late, since] = [rated('c', 'fb-c', 1), [...answered('d', 'v1'), rated('d', 'fb-d', 0)]];
    expectEqual(fold([...slipped, back, late, ...since]), fold([...lives, ...ratings, late, ...since]));
    // If answers came under one of them, it was a model of its own.
    const used = fold([...lives, ...ratings, slip, ...answered('e', 'v1-slip'), changed('v1-slip', 'v1-slop')]);
    expect(used.upstreamVersions.changesDue([big], REMAINS, 0)).toMatchObject([{ remains: 1 }]);
  });

  it('that is undone counts answers between once, whenever they are rated, and takes ratings back', () => {
    const [slip, back] = [changed('v1', 'v1-typo'), { ...changed('v1-typo', 'v1'), remains: 1 / REMAINS }];
    const learned = [...lives, ...ratings];
    // Another gateway, whose config has no typo, asks the previous model.
    const [other, rating] = [answered('e', 'v1'), rated('e', 'fb-e', 1)];
    const never = fold([...learned, ...other, rating]);
    expectEqual(fold([...learned, slip, ...other, rating, back]), never);
    expectEqual(fold([...learned, slip, ...other, back, rating]), never);
    const taken = fold([...learned, slip, ...other, rating, back, withdrawn('e', 'fb-e')]);
    expectEqual(taken, fold([...learned, ...other]));
    // Until it is undone, they count like all answers of the previous model.
    expect(weightOf(fold([...learned, slip, ...other, rating]))).toBeCloseTo(3 * REMAINS, 12);
    // Answers of the current model count fully, even if it was there before.
    const since = [...learned, changed('v1', 'v2'), ...answered('f', 'v2'), changed('v2', 'v1'), ...other, rating];
    expect(weightOf(fold(since))).toBeCloseTo(2 * REMAINS ** 2 + 1, 12);
  });

  it('that is undone does not make up for what a later change takes', () => {
    const back = { ...changed('v1-slip', 'v1'), remains: 1 / REMAINS };
    const learned = [...lives, ...ratings, changed('v1', 'v1-slip'), back];
    // Another gateway still asks the other model after this one went back.
    const other = answered('e', 'v1-slip');
    const rating = rated('e', 'fb-e', 1);
    const early = fold([...learned, ...other, rating, changed('v1', 'v2')]);
    expect(weightOf(early)).toBeCloseTo(3 * REMAINS, 12);
    expectEqual(fold([...learned, ...other, changed('v1', 'v2'), rating]), early);
    const taken = fold([...learned, ...other, rating, changed('v1', 'v2'), withdrawn('e', 'fb-e')]);
    expectEqual(taken, fold([...learned, ...other, changed('v1', 'v2')]));
  });

  it('counts once if a second process writes it too, and pending answers do not look like a change', () => {
    const once = fold([...lives, ...ratings, changed('v1', 'v2')]);
    const twice = fold([...lives, ...ratings, changed('v1', 'v2'), changed('v1', 'v2')]);
    expectEqual(twice, once);
    const late = fold([asked('d'), ...lives, changed('v1', 'v2'), answer('d', 'v1')]);
    expect(late.upstreamVersions.changesDue([armOf('big', { upstreamModel: 'v2' })], REMAINS, 0)).toEqual([]);
    expect(late.upstreamVersions.changesDue([armOf('big', { upstreamModel: 'v1' })], REMAINS, 0)).toMatchObject([
      { from: 'v2', to: 'v1' },
    ]);
  });

  it('costs once, however often the config changes before anything answers', () => {
    const due = (state: LearnerState, upstreamModel: string) =>
      state.upstreamVersions.changesDue([armOf('big', { upstreamModel })], REMAINS, 0).map(({ remains }) => remains);
    const learned = [...lives, ...ratings];
    expect(due(fold(learned), 'v2')).toEqual([REMAINS]);
    const on = [...learned, changed('v1', 'v2'), { ...changed('v2', 'v3'), remains: 1 }];
    expect(due(fold([...learned, changed('v1', 'v2')]), 'v3')).toEqual([1]);
    expect(due(fold(on), 'v4')).toEqual([1]);
    expect(weightOf(fold(on))).toBeCloseTo(2 * REMAINS, 12);
    expect(due(fold([...on, ...answered('d', 'v3')]), 'v4')).toEqual([REMAINS]);
    // As an earlier version wrote it.
    const back = [...learned, changed('v1', 'v2'), { ...changed('v2', 'v1'), remains: 1 }];
    expect(due(fold(back), 'v3')).toEqual([1]);
    expect(weightOf(fold(back))).toBeCloseTo(2 * REMAINS, 12);
  });

  it('counts a late rating of the old model as little as an early one, and one of the new model fully', () => {
    const early = fold([...lives, ...ratings, rated('c', 'fb-c', 1), changed('v1', 'v2')]);
    const late = fold([...lives, ...ratings, changed('v1', 'v2'), rated('c', 'fb-c', 1)]);
    expectEqual(late, early);
    const fresh = fold([...lives, ...ratings, changed('v1', 'v2'), ...answered('d', 'v2'), rated('d', 'fb-d', 1)]);
    expect(weightOf(fresh)).toBeCloseTo(2 * REMAINS + 1, 12);
  });

  it('ratings can be withdrawn exactly, early or late, across drift and a second change', () => {
    const drifted: DriftedEvent = {
      ...{ type: 'drifted', decisionId: null, time: 0, model: 'big', direction: 'worse' },
      ...{ statistic: 15, threshold: 15, at: 9, remains: 0.1 },
    };
    const without = [...lives, ratings[0], changed('v1', 'v2'), { ...drifted, at: 8 }, changed('v2', 'v3')];
    const early = [...lives, ...ratings, changed('v1', 'v2'), drifted, changed('v2', 'v3'), withdrawn('b', 'fb-b')];
    expectEqual(fold(early), fold(without));
    const late = [...lives, ratings[0], changed('v1', 'v2'), { ...drifted, at: 8 }, ratings[1], changed('v2', 'v3')];
    expectEqual(fold([...late, withdrawn('b', 'fb-b')]), fold(without));
  });

  it('voids a drift alarm that the old model raised', () => {
    const bad = Array.from({ length: 6 }, (_, i) => [...answered(`x${i}`), rated(`x${i}`, `fb-x${i}`, 0)]).flat();
    const alarm: GatewayEvent = {
      ...{ type: 'drifted' as const, decisionId: null, time: 0, model: 'big', direction: 'worse' as const },
      ...{ statistic: 15, threshold: 15, at: 18, remains: 0.1 },
    };
    const state = fold([...bad, changed('v1', 'v2'), alarm]);
    expect(weightOf(state)).toBeCloseTo(6 * REMAINS, 12);
    expect(state.drift.statisticOf('big')).toBe(0);
  });

  it('is forgotten by a reset, and survives a snapshot', () => {
    const events = [...lives, ...ratings, changed('v1', 'v2')];
    const state = fold(events);
    const restored = new LearnerState(FEATURE_MAP, DIMENSIONS);
    restored.deserialise(state.serialise(), state.sequence);
    expect(bitsOf(restored)).toBe(bitsOf(state));
    const reset = fold([...events, modelEvent('big', 'model_reset'), ...answered('y', 'v2'), rated('y', 'fb-y', 1)]);
    expect(weightOf(reset)).toBe(1);
    expect(reset.upstreamVersions.lastChange('big')).toBeNull();
  });
});

describe('answers that report another model name', () => {
  const served = (id: string, servedModel: string | null, upstreamModel = 'v1'): GatewayEvent[] => [
    asked(id),
    completed(id, { upstreamModel, servedModel }),
  ];
  const run = (name: string, count: number, from = 0) =>
    Array.from({ length: count }, (_, i) => served(`${name}-${from + i}`, name)).flat();
  const due = (state: LearnerState) => state.upstreamVersions.servedChangesDue(REMAINS, 0);

  it('count as one change after twenty in a row', () => {
    const before = [...run('may', 3), rated('may-0', 'fb', 1)];
    expect(due(fold([...before, ...run('june', 19)]))).toEqual([]);
    const events = [...before, ...run('june', 20)];
    const [change, ...others] = due(fold(events));
    expect(others).toEqual([]);
    expect(change).toMatchObject({ model: 'big', seenBy: 'answers', from: 'may', to: 'june', remains: REMAINS });
    const after = fold([...events, change, change, ...run('june', 30, 20)]);
    expect(weightOf(after)).toBeCloseTo(REMAINS, 12);
    expect(due(after)).toEqual([]);
    expect(after.upstreamVersions.lastChange('big')).toMatchObject({ from: 'may', to: 'june' });
    // The configured name has not changed.
    expect(after.upstreamVersions.changesDue([armOf('big', { upstreamModel: 'v1' })], REMAINS, 0)).toEqual([]);
  });

  it('are no change if a former name returns, as behind a router', () => {
    const change = due(fold([...run('may', 1), ...run('june', 20)]))[0];
    const blocks = [...run('may', 25, 100), ...run('june', 25, 200), ...run('may', 25, 300)];
    const state = fold([...run('may', 1), ...run('june', 20), change, ...blocks]);
    expect(due(state)).toEqual([]);
    expect(due(fold([...run('may', 1), ...run('june', 20), change, ...blocks, ...run('july', 20)]))).toMatchObject([
      { from: 'june', to: 'july' },
    ]);
  });

  it('are no change in an old log that has long continued under the newer name', () => {
    expect(due(fold([...run('may', 1), ...run('june', 199)]))).toHaveLength(1);
    const state = fold([...run('may', 1), ...run('june', 200)]);
    expect(due(state)).toEqual([]);
    expect(due(fold([...run('may', 1), ...run('june', 200), ...run('may', 30, 50)]))).toEqual([]);
  });

  it('are no change while both names occur, or if answers report no name', () => {
    const both = Array.from({ length: 40 }, (_, i) => served(`x${i}`, i % 15 === 0 ? 'may' : 'june')).flat();
    expect(due(fold([...run('may', 1), ...both]))).toEqual([]);
    expect(
      due(fold([...run('may', 1), ...Array.from({ length: 40 }, (_, i) => served(`x${i}`, null)).flat()])),
    ).toEqual([]);
  });

  it('are ignored right after the config replaced the model', () => {
    const late = Array.from({ length: 25 }, (_, i) => served(`late-${i}`, 'may', 'v1')).flat();
    const fresh = Array.from({ length: 5 }, (_, i) => served(`v2-${i}`, 'v2-june', 'v2')).flat();
    expect(due(fold([...run('may', 2), changed('v1', 'v2'), ...fresh, ...late]))).toEqual([]);
  });

  it('are counted across a snapshot', () => {
    const state = fold([...run('may', 2), ...run('june', 19)]);
    const restored = new LearnerState(FEATURE_MAP, DIMENSIONS);
    restored.deserialise(state.serialise(), state.sequence);
    const [decision, end] = numbered(run('june', 1, 19));
    restored.fold({ ...decision, sequence: 1001 }, []);
    restored.fold({ ...end, sequence: 1002 }, [{ ...decision, sequence: 1001 }]);
    expect(due(restored)).toMatchObject([{ to: 'june' }]);
  });

  it('make the learner record the change, and reduce what it learned when it reads the event', async () => {
    const store = new FakeStore();
    await store.append([...run('may', 2), rated('may-0', 'fb', 1), ...run('june', 20)]);
    const [clock, metrics, log] = [new ManualClock(), new Metrics(), new RecordingLogger()];
    const recorded: GatewayEvent[] = [];
    const record = (event: GatewayEvent) => void recorded.push(event);
    const options = { featureMap: FEATURE_MAP, dimensions: DIMENSIONS, store, clock, metrics, log, record };
    const learner = new Learner(options);
    await learner.start();
    expect(recorded).toMatchObject([{ type: 'snapshot_changed', from: 'may', to: 'june', remains: REMAINS }]);
    const written = await store.append(recorded);
    learner.wake(written[0].sequence);
    await learner.idle();
    expect(recorded).toHaveLength(1);
    expect(learner.knowledge.policy.ratingsOf('big')).toBeCloseTo(REMAINS, 12);
  });
});

describe('Learner', () => {
  it('records a config change once, applies it when it reads the event, and not again after a restart', async () => {
    const start = async (store: FakeStore) => {
      const [clock, metrics, log] = [new ManualClock(), new Metrics(), new RecordingLogger()];
      const recorded: GatewayEvent[] = [];
      const record = (event: GatewayEvent) => void recorded.push(event);
      const options = { featureMap: FEATURE_MAP, dimensions: DIMENSIONS, store, clock, metrics, log, record };
      return { learner: new Learner(options), recorded, metrics, log };
    };
    const offer = (upstreamModel: string) => ({
      arms: [armOf('big', { upstreamModel }), armOf('mid', { upstreamModel: 'never answered' })],
      reference: 'big',
      weight: 0.5,
    });
    const store = new FakeStore();
    await store.append([...answered('a'), rated('a', 'fb', 1)]);
    const first = await start(store);
    first.learner.setVersionRemains(0.5);
    // Before the log has been read, there is nothing to compare with.
    first.learner.introduce(offer('v2'));
    expect(first.recorded).toEqual([]);
    await first.learner.start();
    first.learner.introduce(offer('v2'));
    expect(first.recorded).toMatchObject([{ ...changed('v1', 'v2'), time: expect.any(Number), remains: 0.5 }]);
    expect(await metricValue(first.metrics.snapshotChanges)).toBe(1);
    expect(first.log.lines.join()).toContain('The upstream model has changed');
    expect(weightOf(first.learner.knowledge)).toBe(1);
    await store.append(first.recorded);
    first.learner.wake(await store.lastSequence());
    await first.learner.idle();
    expect(weightOf(first.learner.knowledge)).toBe(0.5);
    const second = await start(store);
    await second.learner.start();
    second.learner.introduce(offer('v2'));
    expect(second.recorded).toEqual([]);
    expect(weightOf(second.learner.knowledge)).toBe(0.5);
  });

  it('does not revert a change by a gateway with another config, as in a rolling update', async () => {
    const store = new FakeStore();
    await store.append([...answered('a'), rated('a', 'fb', 1)]);
    const gateway = async (upstreamModel: string) => {
      const [clock, metrics, log] = [new ManualClock(), new Metrics(), new RecordingLogger()];
      const recorded: GatewayEvent[] = [];
      const record = (event: GatewayEvent) => void recorded.push(event);
      const learner = new Learner({
        featureMap: FEATURE_MAP,
        dimensions: DIMENSIONS,
        store,
        clock,
        metrics,
        log,
        record,
      });
      await learner.start();
      const offer = (model: string) =>
        learner.introduce({ arms: [armOf('big', { upstreamModel: model })], reference: 'big', weight: 0.5 });
      offer(upstreamModel);
      return { learner, recorded, offer };
    };
    const [old, updated] = [await gateway('v1'), await gateway('v1')];
    const exchange = async (events: readonly GatewayEvent[] = []) => {
      await store.append([...events, ...old.recorded.splice(0), ...updated.recorded.splice(0)]);
      for (const { learner } of [old, updated]) {
        learner.wake(await store.lastSequence());
        await learner.idle();
      }
    };
    updated.offer('v2');
    for (let i = 0; i < 3; i++) await exchange([...answered(`old-${i}`, 'v1'), ...answered(`new-${i}`, 'v2')]);
    // The old gateway is reloaded for other reasons; this model has not changed.
    old.offer('v1');
    await exchange();
    expect(weightOf(updated.learner.knowledge)).toBe(REMAINS);
    old.offer('v2');
    await exchange();
    expect(weightOf(old.learner.knowledge)).toBe(REMAINS);
  });

  it('follows a config that is changed and changed back before the first change is in the log', async () => {
    const store = new FakeStore();
    await store.append([...answered('a'), rated('a', 'fb', 1)]);
    const recorded: GatewayEvent[] = [];
    const [clock, metrics, log] = [new ManualClock(), new Metrics(), new RecordingLogger()];
    const record = (event: GatewayEvent) => void recorded.push(event);
    const learner = new Learner({
      featureMap: FEATURE_MAP,
      dimensions: DIMENSIONS,
      store,
      clock,
      metrics,
      log,
      record,
    });
    await learner.start();
    for (const upstreamModel of ['v2', 'v1']) {
      learner.introduce({ arms: [armOf('big', { upstreamModel })], reference: 'big', weight: 0.5 });
    }
    for (let i = 0; i < 3; i++) {
      await store.append(recorded.splice(0));
      learner.wake(await store.lastSequence());
      await learner.idle();
    }
    expect(learner.knowledge.upstreamVersions.lastChange('big')).toMatchObject({ from: 'v2', to: 'v1' });
    expect(recorded).toEqual([]);
  });
});
