import { describe, expect, it, vi } from 'vitest';
import type { GatewayEvent } from '../../../src/domain/events.ts';
import { Learner } from '../../../src/gateway/learning/learner.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
import { snapshotName } from '../../../src/gateway/learning/snapshots.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { spoilModels } from '../../bandit/support.ts';
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
  withdrawn,
} from './support.ts';

const PRIORS = new Map([
  ['big', 0.9],
  ['small', 0.7],
]);

const SNAPSHOT = snapshotName(new LearnerState(FEATURE_MAP, DIMENSIONS));

interface SetUp {
  learner: Learner;
  clock: ManualClock;
  metrics: Metrics;
  log: RecordingLogger;
  store: FakeStore;
  /** The events that the learner itself wrote to the log. */
  recorded: GatewayEvent[];
}

function learnerOn(store: FakeStore, featureMap = FEATURE_MAP): SetUp {
  const [clock, metrics, log] = [new ManualClock(), new Metrics(), new RecordingLogger()];
  const recorded: GatewayEvent[] = [];
  const record = (event: GatewayEvent) => void recorded.push(event);
  const learner = new Learner({ featureMap, dimensions: DIMENSIONS, store, clock, metrics, log, record });
  learner.setPriors(PRIORS);
  return { learner, clock, metrics, log, store, recorded };
}

const knowledgeOf = ({ learner }: SetUp) => bitsOf(learner.knowledge);

async function storeWith(events: readonly GatewayEvent[]): Promise<FakeStore> {
  const store = new FakeStore();
  await store.append(events);
  return store;
}

/** The state of a learner that read the events without any snapshot. */
async function replayed(events: readonly GatewayEvent[]): Promise<string> {
  const setUp = learnerOn(await storeWith(events));
  await setUp.learner.start();
  return knowledgeOf(setUp);
}

/** A store with the events, and the snapshot of a learner that was closed after the first `after` of them. */
async function storeWithSnapshot(events: readonly GatewayEvent[], after: number): Promise<FakeStore> {
  const store = await storeWith(events.slice(0, after));
  const { learner } = learnerOn(store);
  await learner.start();
  await learner.close();
  expect(store.snapshots.get(SNAPSHOT)?.sequence).toBe(after);
  await store.append(events.slice(after));
  store.reads.length = 0;
  return store;
}

describe('Learner.start', () => {
  const stream = randomStream(300, 1);

  it.each([1, 137, 500, stream.length])('gives the same bits as a full replay: snapshot after %i', async (after) => {
    const restarted = learnerOn(await storeWithSnapshot(stream, after));
    await restarted.learner.start();
    expect(restarted.store.reads[0]).toBe(after);
    expect(knowledgeOf(restarted)).toBe(await replayed(stream));
    expect(restarted.learner.lag).toBe(0);
  });

  it('gives the same bits after many restarts, and without the snapshot', async () => {
    const store = new FakeStore();
    for (let from = 0; from < stream.length; from += 90) {
      const { learner } = learnerOn(store);
      await store.append(stream.slice(from, from + 90));
      await learner.start();
      await learner.close();
    }
    const last = learnerOn(store);
    await last.learner.start();
    expect(knowledgeOf(last)).toBe(await replayed(stream));
    store.snapshots.clear();
    const without = learnerOn(store);
    await without.learner.start();
    expect(knowledgeOf(without)).toBe(knowledgeOf(last));
  });

  it.each([
    ['another last bit', (body: Uint8Array) => Uint8Array.from(body).with(-1, body[body.length - 1] ^ 1)],
    ['half of it', (body: Uint8Array) => body.slice(0, body.length / 2)],
    ['nothing', () => new Uint8Array(0)],
    ['null', () => Buffer.from('null')],
  ])('rebuilds from the log if the snapshot is damaged: %s', async (_, damage) => {
    const store = await storeWithSnapshot(stream, 200);
    const { sequence, body } = store.snapshots.get(SNAPSHOT) ?? expect.unreachable();
    expect(damage(body)).not.toEqual(body);
    store.snapshots.set(SNAPSHOT, { sequence, body: damage(body) });
    const restarted = learnerOn(store);
    await restarted.learner.start();
    expect(knowledgeOf(restarted)).toBe(await replayed(stream));
    expect(store.reads[0]).toBe(0);
    expect(await metricValue(restarted.metrics.snapshotsRejected)).toBe(1);
    expect(restarted.log.lines.filter((line) => /^error:.*damaged/.test(line))).toHaveLength(1);
    await restarted.learner.close();
    const again = learnerOn(store);
    await again.learner.start();
    expect(await metricValue(again.metrics.snapshotsRejected)).toBe(0);
    expect(knowledgeOf(again)).toBe(knowledgeOf(restarted));
  });

  it('rebuilds from the log for another feature map, which does not count as damage', async () => {
    const restarted = learnerOn(await storeWithSnapshot(stream, 200), 'map-2');
    await restarted.learner.start();
    expect(restarted.store.reads[0]).toBe(0);
    expect(await metricValue(restarted.metrics.snapshotsRejected)).toBe(0);
    expect(restarted.log.lines.some((line) => line.startsWith('error'))).toBe(false);
    expect(restarted.learner.knowledge.sequence).toBe(stream.length);
  });

  it('finds the old snapshot again when its feature map returns, and warns of pruned events meanwhile', async () => {
    const store = await storeWithSnapshot(stream, 200);
    const pruned = store.events.splice(0, 100).length;
    const other = learnerOn(store, 'map-2');
    await other.learner.start();
    expect(other.log.lines.filter((line) => line.startsWith('warn'))).toHaveLength(1);
    expect(other.log.fields).toContainEqual({ events: pruned });
    await other.learner.close();
    const back = learnerOn(store);
    await back.learner.start();
    expect(knowledgeOf(back)).toBe(await replayed(stream));
    expect(back.log.lines).toEqual([]);
  });

  it('reports pruned events once, even if reading the log fails in between', async () => {
    const store = await storeWith(stream);
    const pruned = store.events.splice(100, 50).length;
    const setUp = learnerOn(store);
    const find = store.findDecision.bind(store);
    let lookUps = 0;
    store.findDecision = (...args) => (++lookUps === 3 ? Promise.reject(new Error('busy')) : find(...args));
    await expect(setUp.learner.start()).rejects.toThrow('busy');
    expect(setUp.learner.knowledge.sequence).toBeGreaterThan(0);
    expect(setUp.log.fields).toEqual([]);
    setUp.clock.advance(1000);
    await setUp.learner.idle();
    expect(setUp.log.fields).toEqual([{ events: pruned }]);
  });

  it('retries reading the log every second, and logs the failure once a minute', async () => {
    const setUp = learnerOn(await storeWith(stream));
    await setUp.learner.start();
    const errors = () => setUp.log.lines.filter((line) => line.startsWith('error')).length;
    const read = setUp.store.readAfter.bind(setUp.store);
    setUp.store.readAfter = () => Promise.reject(new Error('busy'));
    setUp.learner.wake(stream.length + 1);
    for (let second = 0; second < 50; second++) {
      await setUp.learner.idle();
      setUp.clock.advance(1000);
    }
    expect(errors()).toBe(1);
    setUp.store.readAfter = read;
    await setUp.store.append([decided('new'), completed('new')]);
    await setUp.learner.idle();
    setUp.clock.advance(1000);
    await setUp.learner.idle();
    expect(setUp.learner.knowledge.sequence).toBe(stream.length + 2);
  });

  it('rejects while the store cannot be read, but learns everything once it can', async () => {
    const setUp = learnerOn(await storeWith(stream));
    setUp.store.failing = true;
    await expect(setUp.learner.start()).rejects.toThrow('disk');
    setUp.store.failing = false;
    setUp.learner.wake(stream.length);
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(stream));
  });
});

describe('Learner.wake', () => {
  it('learns new events, including those that arrive while it is learning', async () => {
    const stream = randomStream(200, 2);
    const setUp = learnerOn(new FakeStore());
    await setUp.learner.start();
    for (let from = 0; from < stream.length; from += 7) {
      const stored = await setUp.store.append(stream.slice(from, from + 7));
      setUp.learner.wake(stored[stored.length - 1].sequence);
      if (from % 3 === 0) await Promise.resolve();
    }
    expect(setUp.learner.lag).toBeGreaterThan(0);
    await setUp.learner.idle();
    expect(setUp.learner.lag).toBe(0);
    expect(await metricValue(setUp.metrics.learnerLag)).toBe(0);
    expect(knowledgeOf(setUp)).toBe(await replayed(stream));
  });

  it('retries a second after the store failed', async () => {
    const stream = randomStream(20, 3);
    const setUp = learnerOn(await storeWith(stream));
    setUp.store.failing = true;
    setUp.learner.wake(stream.length);
    await setUp.learner.idle();
    expect(await metricValue({ get: () => degraded(setUp) })).toBe(1);
    expect(setUp.learner.lag).toBe(stream.length);
    setUp.store.failing = false;
    setUp.clock.advance(999);
    await setUp.learner.idle();
    expect(setUp.learner.lag).toBe(stream.length);
    setUp.clock.advance(1);
    await setUp.learner.idle();
    expect(setUp.learner.lag).toBe(0);
    expect(await metricValue({ get: () => degraded(setUp) })).toBe(0);
  });

  it('skips and counts events it cannot learn from, and learns the rest', async () => {
    const [before, after] = [randomStream(30, 4), randomStream(30, 5)];
    const poison = [decided('bad'), rated('bad', 'fb', Number.NaN), completed('bad')];
    const setUp = learnerOn(await storeWith([...before, ...poison, ...after]));
    await setUp.learner.start();
    expect(await metricValue(setUp.metrics.learnerSkipped)).toBe(1);
    expect(setUp.log.lines.filter((line) => /^warn:.*skipped/.test(line))).toHaveLength(1);
    // An event in its place that teaches nothing, so that all others keep their numbers.
    const harmless = [poison[0], withdrawn('bad', 'none'), poison[2]];
    expect(knowledgeOf(setUp)).toBe(await replayed([...before, ...harmless, ...after]));
  });

  it('saves a snapshot only after 500 events and a minute', async () => {
    const stream = randomStream(400, 6);
    const setUp = learnerOn(new FakeStore());
    await setUp.learner.start();
    const append = async (from: number, to: number) => {
      await setUp.store.append(stream.slice(from, to));
      setUp.learner.wake(to);
      await setUp.learner.idle();
      return setUp.store.snapshots.get(SNAPSHOT)?.sequence;
    };
    expect(await append(0, 600)).toBeUndefined();
    setUp.clock.advance(60_000);
    expect(await append(600, 601)).toBe(601);
    setUp.clock.advance(60_000);
    expect(await append(601, 1000)).toBe(601);
    setUp.store.snapshots.clear();
    expect(await append(1000, 1101)).toBe(1101);
  });
});

describe('Learner.requestRefold', () => {
  const spoil = ({ learner }: SetUp) => spoilModels(learner.knowledge.policy);

  it('rebuilds from the log beside the running state, at most once a minute', async () => {
    const stream = randomStream(80, 7);
    const setUp = learnerOn(await storeWith(stream));
    await setUp.learner.start();
    const good = knowledgeOf(setUp);
    spoil(setUp);
    await setUp.learner.requestRefold();
    expect(knowledgeOf(setUp)).toBe(good);
    expect(setUp.log.lines.at(-1)).toMatch(/info:.*rebuilt/);

    spoil(setUp);
    setUp.clock.advance(59_999);
    await setUp.learner.requestRefold();
    expect(knowledgeOf(setUp)).not.toBe(good);
    setUp.clock.advance(1);
    await setUp.learner.requestRefold();
    expect(knowledgeOf(setUp)).toBe(good);
  });

  it('misses nothing that arrives meanwhile', async () => {
    const stream = randomStream(150, 8);
    const setUp = learnerOn(await storeWith(stream.slice(0, 200)));
    await setUp.learner.start();
    spoil(setUp);
    const done = setUp.learner.requestRefold();
    for (let from = 200; from < stream.length; from += 10) {
      const stored = await setUp.store.append(stream.slice(from, from + 10));
      setUp.learner.wake(stored[stored.length - 1].sequence);
    }
    await done;
    await setUp.learner.idle();
    expect(setUp.learner.lag).toBe(0);
    expect(knowledgeOf(setUp)).toBe(await replayed(stream));
  });

  it('survives a failing store, and is degraded meanwhile', async () => {
    const stream = randomStream(20, 9);
    const setUp = learnerOn(await storeWith(stream));
    await setUp.learner.start();
    const good = knowledgeOf(setUp);
    spoil(setUp);
    setUp.store.failing = true;
    await setUp.learner.requestRefold();
    expect(await metricValue({ get: () => degraded(setUp) })).toBe(1);
    setUp.store.failing = false;
    setUp.clock.advance(60_000);
    await setUp.learner.requestRefold();
    expect(knowledgeOf(setUp)).toBe(good);
    expect(await metricValue({ get: () => degraded(setUp) })).toBe(0);
  });
});

describe('Learner.compareWithLog', () => {
  it('recognises its log even if the event at the end of the snapshot was pruned', async () => {
    const old = randomStream(40, 3);
    const events = [...old, decided('new'), completed('new'), rated('new', 'fb', 1)];
    const store = await storeWithSnapshot(events, old.length);
    store.events.splice(0, old.length);
    const setUp = learnerOn(store);
    vi.spyOn(store, 'readAfter').mockRejectedValueOnce(new Error('busy'));
    await expect(setUp.learner.start()).rejects.toThrow('busy');
    await setUp.learner.compareWithLog();
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(events));
  });

  it('continues with a log it knows', async () => {
    const stream = randomStream(40, 10);
    const setUp = learnerOn(await storeWith(stream.slice(0, 90)));
    await setUp.learner.start();
    await setUp.store.append(stream.slice(90));
    await setUp.learner.compareWithLog();
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(stream));
    expect(setUp.log.lines).toEqual([]);
  });

  it.each([30, 60, 120])('starts afresh with a different log, shorter or longer (%i decisions)', async (decisions) => {
    const setUp = learnerOn(await storeWith(randomStream(60, 11)));
    await setUp.learner.start();
    const other = randomStream(decisions, 12);
    setUp.store.events.length = 0;
    const stored = await setUp.store.append(other);
    const rechecked = setUp.learner.compareWithLog();
    setUp.learner.wake(stored[stored.length - 1].sequence);
    await rechecked;
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(other));
    expect([setUp.learner.lag, setUp.log.lines[0]]).toEqual([0, expect.stringContaining('a different one')]);
  });

  it('starts afresh with a different log even if its snapshot covered all of the old one', async () => {
    const stream = randomStream(60, 11);
    const setUp = learnerOn(await storeWithSnapshot(stream, stream.length));
    await setUp.learner.start();
    const other = randomStream(80, 12);
    setUp.store.events.length = 0;
    await setUp.store.append(other);
    await setUp.learner.compareWithLog();
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(other));
  });

  it('compares again after the store failed, and saves no snapshot beside the other log until then', async () => {
    const other = randomStream(80, 12);
    const replaced = async () => {
      const setUp = learnerOn(await storeWith(randomStream(60, 11)));
      await setUp.learner.start();
      setUp.store.events.length = 0;
      await setUp.store.append(other);
      vi.spyOn(setUp.store, 'lastSequence').mockRejectedValueOnce(new Error('busy'));
      await setUp.learner.compareWithLog();
      return setUp;
    };
    const [closed, open] = [await replaced(), await replaced()];
    await closed.learner.close();
    expect(closed.store.snapshots.size).toBe(0);
    open.clock.advance(1000);
    await vi.waitFor(() => expect(open.log.lines.at(-1)).toContain('rebuilt'));
    await open.learner.idle();
    expect(knowledgeOf(open)).toBe(await replayed(other));
  });

  it('uses the last log if it is replaced again while the first replacement is being read', async () => {
    const setUp = learnerOn(await storeWith(randomStream(60, 11)));
    await setUp.learner.start();
    const [first, last] = [randomStream(30, 12), randomStream(20, 13)];
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const replaceBy = (log: GatewayEvent[]) => {
      setUp.store.events.length = 0;
      return setUp.store.append(log);
    };
    const stored = await replaceBy(first);
    const reading = vi.spyOn(setUp.store, 'readAfter').mockImplementationOnce(() => held.then(() => stored));
    const rechecked = setUp.learner.compareWithLog();
    await vi.waitFor(() => expect(reading).toHaveBeenCalled());
    await replaceBy(last);
    await setUp.learner.compareWithLog();
    goOn();
    await rechecked;
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(last));
  });

  it('learns nothing from memory that this process wrote to the previous log', async () => {
    const setUp = learnerOn(new FakeStore());
    const written = await setUp.store.append(randomStream(20, 11));
    setUp.store.failing = true;
    await expect(setUp.learner.start()).rejects.toThrow('disk');
    setUp.learner.written(written);
    await setUp.learner.idle();
    setUp.store.failing = false;
    const other = randomStream(40, 12);
    setUp.store.events.length = 0;
    await setUp.store.append(other);
    await setUp.learner.compareWithLog();
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(other));
  });

  it('keeps no budget reservation for a request whose end is in the other log', async () => {
    const setUp = learnerOn(await storeWith(randomStream(60, 11)));
    await setUp.learner.start();
    const now = setUp.clock.now();
    const left = () => 2 * setUp.learner.knowledge.routingSpend.limitUsd({ usdPerDay: 10 }, now);
    setUp.learner.knowledge.routingSpend.reserve('d', 1, now);
    setUp.learner.knowledge.routingSpend.reserve('under way', 2, now);
    setUp.store.events.length = 0;
    await setUp.store.append([decided('d'), completed('d', { time: now })]);
    await setUp.learner.compareWithLog();
    expect(left()).toBeCloseTo(10 - 2 - setUp.learner.knowledge.routingSpend.spentToday(now), 9);
  });

  it('recognises a different log by the time of an event without a decision', async () => {
    const retired = (time: number): GatewayEvent => ({
      type: 'model_retired',
      decisionId: null,
      time,
      model: 'big',
      by: null,
    });
    const setUp = learnerOn(await storeWith([...randomStream(20, 11), retired(1)]));
    await setUp.learner.start();
    const { length } = setUp.store.events;
    setUp.store.events.length = 0;
    const other = [...randomStream(60, 12).slice(0, length - 1), retired(2)];
    await setUp.store.append(other);
    await setUp.learner.compareWithLog();
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(other));
  });
});

describe('Learner priors and snapshots', () => {
  it('new priors move arms with few ratings, identically live and after a restart', async () => {
    const stream = randomStream(60, 10);
    const live = learnerOn(await storeWith(stream));
    await live.learner.start();
    const before = knowledgeOf(live);
    live.learner.setPriors(new Map(PRIORS));
    expect(knowledgeOf(live)).toBe(before);
    // An arm that is only named has no state: what is expected of it is in the config.
    live.learner.setPriors(new Map([...PRIORS, ['new', 0.5]]));
    expect(knowledgeOf(live)).toBe(before);
    const [[arm]] = PRIORS;
    const moved = new Map([...PRIORS, [arm, 0.31]]);
    live.learner.setPriors(moved);
    expect(knowledgeOf(live)).not.toBe(before);
    await live.learner.close();
    const restarted = learnerOn(live.store);
    restarted.learner.setPriors(moved);
    await restarted.learner.start();
    expect(knowledgeOf(restarted)).toBe(knowledgeOf(live));
  });

  it('writes a last snapshot on closing only if there is something new, and then stops learning', async () => {
    const stream = randomStream(10, 11);
    const { learner, store } = learnerOn(await storeWith(stream));
    await learner.start();
    await learner.close();
    const saved = store.snapshots.get(SNAPSHOT);
    await store.append(randomStream(5, 12));
    learner.wake(1000);
    await learner.close();
    expect(store.snapshots.get(SNAPSHOT)).toBe(saved);
    expect(learner.knowledge.sequence).toBe(stream.length);
  });

  it('retries on closing a snapshot that could not be written before', async () => {
    const stream = randomStream(200, 16);
    const { learner, store, clock } = learnerOn(new FakeStore());
    await learner.start();
    clock.advance(60_000);
    await store.append(stream);
    const save = store.saveSnapshot.bind(store);
    store.saveSnapshot = async () => Promise.reject(new Error('the disk is full'));
    learner.wake(stream.length);
    await learner.idle();
    store.saveSnapshot = save;
    await learner.close();
    expect(store.snapshots.get(SNAPSHOT)?.sequence).toBe(stream.length);
  });

  it('leaves the rest of a long log to the next start if it is closed', async () => {
    const stream = randomStream(1200, 13);
    const { learner, store, recorded } = learnerOn(await storeWith(stream));
    const start = learner.start();
    await learner.close();
    await start;
    const saved = store.snapshots.get(SNAPSHOT)?.sequence ?? 0;
    expect(saved).toBeGreaterThan(0);
    expect(saved).toBeLessThan(stream.length - 1000);
    expect(recorded).toEqual([]);
    const restarted = learnerOn(store);
    await restarted.learner.start();
    expect(knowledgeOf(restarted)).toBe(await replayed(stream));
  });

  it('keeps what it has read of a long log if the start is interrupted', async () => {
    const stream = randomStream(600, 15);
    const { learner, store, clock } = learnerOn(await storeWith(stream));
    const readAfter = store.readAfter.bind(store);
    store.readAfter = async (sequence, limit) => {
      clock.advance(5000);
      if (sequence >= 1500) throw new Error('the process ends here');
      return readAfter(sequence, limit);
    };
    await expect(learner.start()).rejects.toThrow('ends here');
    expect(store.snapshots.get(SNAPSHOT)?.sequence).toBe(1500);
    store.readAfter = readAfter;
    const restarted = learnerOn(store);
    await restarted.learner.start();
    expect(knowledgeOf(restarted)).toBe(await replayed(stream));
  });

  it('reports its progress while it reads a long log', async () => {
    const setUp = learnerOn(await storeWith(randomStream(400, 14)));
    const readAfter = setUp.store.readAfter.bind(setUp.store);
    setUp.store.readAfter = (sequence, limit) => {
      setUp.clock.advance(3000);
      return readAfter(sequence, limit);
    };
    await setUp.learner.start();
    expect(setUp.log.lines[0]).toContain('no snapshot of the learner');
    expect(setUp.log.lines.slice(1)).toEqual(Array(2).fill('info: The event log is being read.'));
  });
});

/** The learner's part of the mixllm_degraded gauge. */
async function degraded({ metrics }: SetUp) {
  const text = await metrics.registry.metrics();
  const line = /^mixllm_degraded\{part="learner"\} (\d)$/m.exec(text);
  return { values: [{ value: Number(line?.[1]), labels: {} }] };
}

describe('Learner.start with an unsteady store', () => {
  it('processes every event once, even if woken while the log is still being read', async () => {
    const events = randomStream(40, 3);
    const setUp = learnerOn(await storeWith(events));
    const read = setUp.store.readAfter.bind(setUp.store);
    setUp.store.readAfter = async (...args) => {
      await new Promise((resolve) => setImmediate(resolve));
      return read(...args);
    };
    const started = setUp.learner.start();
    setUp.learner.wake(await setUp.store.lastSequence());
    await started;
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(events));
  });

  it('ignores a snapshot of another log that covers events this log does not have', async () => {
    const events = randomStream(40, 3);
    const store = await storeWithSnapshot(events, events.length);
    const snapshot = await store.loadSnapshot(SNAPSHOT);
    const other = await storeWith(events.slice(0, 10));
    if (snapshot) await other.saveSnapshot(SNAPSHOT, snapshot);
    const setUp = learnerOn(other);
    await setUp.learner.start();
    expect(knowledgeOf(setUp)).toBe(await replayed(events.slice(0, 10)));
  });

  it('retries on its own if the log cannot be read at first', async () => {
    const events = randomStream(10, 3);
    const setUp = learnerOn(await storeWith(events));
    const read = setUp.store.lastSequence.bind(setUp.store);
    setUp.store.lastSequence = () => Promise.reject(new Error('busy'));
    await expect(setUp.learner.start()).rejects.toThrow('busy');
    setUp.store.lastSequence = read;
    setUp.clock.advance(1000);
    await setUp.learner.idle();
    expect(knowledgeOf(setUp)).toBe(await replayed(events));
  });

  it.each(['by itself', 'woken'])(
    'still begins with the snapshot after a failed start, as the log may lack its events (%s)',
    async (how) => {
      const old = randomStream(40, 3);
      const events = [...old, decided('new'), completed('new'), rated('new', 'fb', 1)];
      const store = await storeWithSnapshot(events, old.length);
      store.events.splice(0, old.length);
      const setUp = learnerOn(store);
      const replaced = vi.fn();
      setUp.learner.onReplaced(replaced);
      setUp.store.failing = true;
      await expect(setUp.learner.start()).rejects.toThrow('disk');
      setUp.store.failing = false;
      if (how === 'woken') setUp.learner.wake(events.length);
      else setUp.clock.advance(1000);
      await setUp.learner.idle();
      expect(knowledgeOf(setUp)).toBe(await replayed(events));
      expect(replaced).toHaveBeenCalledOnce();
    },
  );

  it('keeps no budget reservation for a request whose end is in the snapshot', async () => {
    const stream = [decided('d'), completed('d', { time: 2000, costUsd: 1 })];
    const setUp = learnerOn(await storeWithSnapshot(stream, stream.length));
    const { routingSpend } = setUp.learner.knowledge;
    for (const id of ['d', 'waiting']) routingSpend.reserve(id, 1, 1000);
    routingSpend.settle('d', 1, 2000);
    routingSpend.settle('waiting', 2, 2001);
    await setUp.learner.start();
    expect(setUp.learner.knowledge.routingSpend).toBe(routingSpend);
    expect(2 * routingSpend.limitUsd({ usdPerDay: 10 }, 3000)).toBeCloseTo(10 - 1 - 2, 9);
  });

  it('accepts a snapshot that another gateway saves at that moment as one of this log', async () => {
    const events = randomStream(40, 3);
    const store = await storeWithSnapshot(events, 100);
    const later = store.events.splice(100);
    const setUp = learnerOn(store);
    const load = store.loadSnapshot.bind(store);
    store.loadSnapshot = async (name) => {
      await store.append(later);
      const other = learnerOn(await storeWith(events));
      await other.learner.start();
      await store.saveSnapshot(name, { sequence: events.length, body: other.learner.knowledge.serialise() });
      return load(name);
    };
    await setUp.learner.start();
    expect(setUp.log.lines).toEqual([]);
    expect(setUp.store.reads[0]).toBe(events.length);
  });
});
