import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { Learner } from '../../../src/gateway/learning/learner.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { Retention } from '../../../src/gateway/retention.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  bitsOf,
  completed,
  DIMENSIONS,
  decided,
  FEATURE_MAP,
  metricValue,
  RecordingLogger,
  randomStream,
  rated,
} from './support.ts';

const DAY_MS = 86_400_000;
const START = 1_700_000_000_000;

function setUp(store = new FakeStore(), savedUpTo = () => Number.MAX_SAFE_INTEGER, save = async () => {}) {
  const [clock, metrics, log] = [new ManualClock(START), new Metrics(), new RecordingLogger()];
  const newestAt = () => store.events.at(-1)?.time ?? null;
  const retention = new Retention({ store, clock, metrics, log, keepDays: 40, save, savedUpTo, newestAt });
  const later = async (milliseconds: number) => {
    clock.advance(milliseconds);
    // One batch after another, each followed by its pause.
    for (let i = 0; i < 20; i++) {
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      clock.advance(50);
    }
  };
  const ids = () => [...new Set(store.events.map(({ decisionId }) => decisionId))];
  return { store, clock, metrics, log, retention, later, ids };
}

const old = (id: string, daysAgo: number) => [
  { ...decided(id), time: START - daysAgo * DAY_MS },
  { ...completed(id), time: START - daysAgo * DAY_MS },
];

describe('Retention', () => {
  it('trusts a clock that is far ahead of the log only if it still is an hour later', async () => {
    const { store, clock, retention, later, ids } = setUp();
    await store.append([...old('d', 0), ...old('newest', 0)]);
    const ahead = vi.spyOn(clock, 'now').mockReturnValue(START + 400 * DAY_MS);
    retention.start();
    await later(60_000);
    ahead.mockRestore();
    await later(3_600_000);
    expect(ids()).toEqual(['d', 'newest']);
    retention.stop();
    // After a long idle time the clock is right; nothing is deleted until it has been seen twice.
    const again = setUp(store);
    vi.spyOn(again.clock, 'now').mockReturnValue(START + 400 * DAY_MS);
    again.retention.start();
    // The same while the log could not be read.
    const events = store.events.splice(0);
    await again.later(60_000);
    store.events.push(...events);
    await again.later(3_600_000);
    expect(ids()).toEqual(['d', 'newest']);
    await again.later(3_600_000);
    expect(ids()).toEqual(['newest']);
  });

  it('does not trust a clock that is ahead from the start because requests have come since', async () => {
    const { store, clock, retention, later, ids } = setUp();
    await store.append(old('d', 0));
    const ahead = vi.spyOn(clock, 'now').mockReturnValue(START + 400 * DAY_MS);
    retention.start();
    await store.append(old('now', -400));
    await later(60_000);
    ahead.mockRestore();
    await later(3_600_000);
    expect(ids()).toEqual(['d', 'now']);
  });

  it('deletes decisions older than keepDays in batches, and checks again every hour', async () => {
    const { store, retention, later, ids, metrics, log } = setUp();
    for (let i = 0; i < 450; i++) await store.append(old(`d${i}`, 42));
    await store.append([...old('soon', 39.99), ...old('young', 1)]);
    retention.start();
    await later(58_000);
    expect(ids()).toHaveLength(452);
    await later(2000);
    expect(ids()).toEqual(['soon', 'young']);
    expect(await metricValue(metrics.eventsPruned)).toBe(900);
    expect(log.lines).toEqual(['info: Events of decisions older than 40 days were deleted.']);
    await later(3_600_000);
    expect(ids()).toEqual(['young']);
    retention.stop();
    await later(39 * DAY_MS);
    expect(ids()).toEqual(['young']);
  });

  it('keeps what is not in a snapshot yet', async () => {
    let saved = 2;
    const { store, retention, later, ids } = setUp(undefined, () => saved);
    await store.append([...old('saved', 50), ...old('not yet', 50), ...old('young', 1)]);
    retention.start();
    await later(60_000);
    expect(ids()).toEqual(['not yet', 'young']);
    saved = 4;
    await later(3_600_000);
    expect(ids()).toEqual(['young']);
  });

  it('deletes nothing because of a clock that is years ahead for a moment', async () => {
    const { store, clock, retention, later, ids } = setUp();
    await store.append([...old('old', 41), ...old('young', 1), ...old('last', 1)]);
    retention.start();
    const leap = vi.spyOn(clock, 'now').mockReturnValue(START + 1000 * DAY_MS);
    await later(60_000);
    leap.mockRestore();
    await later(3_600_000);
    expect(ids()).toEqual(['young', 'last']);
    // On a machine that slept only the wall clock moved on.
    vi.spyOn(clock, 'now').mockReturnValue(START + 60 * DAY_MS);
    await later(3_600_000);
    expect(ids()).toEqual(['young', 'last']);
    await later(3_600_000);
    expect(ids()).toEqual(['last']);
  });

  it('logs that the store failed, and tries again', async () => {
    const { store, retention, later, ids, log } = setUp();
    await store.append([...old('old', 50), ...old('young', 1)]);
    store.failing = true;
    retention.start();
    await later(60_000);
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatch(/^warn: .*next attempt is in an hour/);
    store.failing = false;
    await later(3_600_000);
    expect(ids()).toEqual(['young']);
  });

  it('deletes the few old decisions of a gateway that has had too little traffic for a snapshot', async () => {
    const { store, clock, metrics, log, later } = setUp();
    const record = () => {};
    const learner = new Learner({
      ...{ featureMap: FEATURE_MAP, dimensions: DIMENSIONS, store, clock, metrics, log, record },
    });
    await store.append([...old('old', 50), ...old('young', 1)]);
    await learner.start();
    const passing = setUp(
      store,
      () => learner.savedUpTo,
      () => learner.save(),
    );
    passing.retention.start();
    await passing.later(60_000);
    expect(passing.ids()).toEqual(['young']);
    // Nothing is saved while the log may be another one.
    store.failing = true;
    await learner.compareWithLog();
    store.failing = false;
    await store.append(old('next', 1));
    learner.wake(6);
    await learner.idle();
    await learner.save();
    expect(learner.savedUpTo).toBe(4);
    await later(1000);
    await learner.save();
    expect(learner.savedUpTo).toBe(6);
    await learner.close();
  });

  it('leaves learned state bit-identical, even after a restart and with later ratings', async () => {
    const stream = randomStream(100, 7).map((event) => ({ ...event, time: START - 50 * DAY_MS }));
    const later = [decided('new'), completed('new'), rated('new', 'fb-new', 1)];
    const learnerOn = async (store: FakeStore) => {
      const [clock, metrics, log] = [new ManualClock(START), new Metrics(), new RecordingLogger()];
      const record = () => {};
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
      return learner;
    };
    const [pruned, whole] = [new FakeStore(), new FakeStore()];
    for (const store of [pruned, whole]) {
      await store.append(stream);
      await (await learnerOn(store)).close();
    }
    const learner = await learnerOn(pruned);
    const { retention, later: pass } = setUp(pruned, () => learner.savedUpTo);
    retention.start();
    await pass(60_000);
    await pass(3_600_000);
    expect(pruned.events.length).toBeLessThan(stream.length / 10);
    for (const store of [pruned, whole]) await store.append(later);
    expect(bitsOf((await learnerOn(pruned)).knowledge)).toBe(bitsOf((await learnerOn(whole)).knowledge));
  });
});
