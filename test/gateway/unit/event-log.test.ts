import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../../src/domain/events.ts';
import { EventLog } from '../../../src/gateway/event-log.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { completed, decided, metricValue, RecordingLogger, rated, withdrawn } from './support.ts';

function setUp() {
  const [store, clock, metrics, log] = [new FakeStore(), new ManualClock(), new Metrics(), new RecordingLogger()];
  const eventLog = new EventLog(store, clock, metrics, log);
  const committed: number[] = [];
  eventLog.onCommit((events) => committed.push(events[events.length - 1].sequence));
  const stored = () => store.events.map(({ decisionId }) => decisionId);
  return { store, clock, metrics, log, eventLog, committed, stored };
}

const names = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `d${from + i}`);
const sizes = ({ commits }: FakeStore) => commits.map((commit) => commit.length);
const degraded = async (metrics: Metrics) =>
  (await metrics.registry.metrics()).includes('mixllm_degraded{part="store"} 1');

describe('EventLog', () => {
  it('keeps the order and groups simultaneous events into commits of at most 256', async () => {
    const { store, eventLog, committed, stored } = setUp();
    for (const name of names(600)) eventLog.record(decided(name));
    expect(store.commits).toHaveLength(0);
    await eventLog.flush();
    expect(stored()).toEqual(names(600));
    expect(sizes(store)).toEqual([256, 256, 88]);
    expect(committed).toEqual([256, 512, 600]);
  });

  it('commits on its own after gathering events for 10 ms', async () => {
    const { clock, store, eventLog, stored } = setUp();
    eventLog.record(decided('a'));
    clock.advance(9);
    eventLog.record(decided('b'));
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(stored()).toEqual([]);
    clock.advance(1);
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(stored()).toEqual(['a', 'b']);
    expect(sizes(store)).toEqual([2]);
  });

  it('does not wait if there are enough events for a commit', async () => {
    const { clock, store, eventLog, stored } = setUp();
    for (const name of names(600)) eventLog.record(decided(name));
    for (let i = 0; i < 10; i++) await nextTurn();
    expect(sizes(store)).toEqual([256, 256]);
    clock.advance(10);
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(stored()).toEqual(names(600));
  });

  it('flushes what is waiting, and does not continue for events that arrive meanwhile', async () => {
    const { store, eventLog, stored } = setUp();
    let further = 0;
    eventLog.onCommit(() => eventLog.record(decided(`further${further++}`)));
    eventLog.record(decided('a'));
    await eventLog.flush();
    expect(stored()[0]).toBe('a');
    expect(store.commits.length).toBeLessThanOrEqual(2);
  });

  it('refuses a hundred ratings while the store fails, and logs it once', async () => {
    const { store, log, metrics, eventLog } = setUp();
    store.failing = true;
    const ratings = names(100).map((name) => eventLog.recordDurably(rated(name, `fb-${name}`, 1)));
    const refused = (await Promise.allSettled(ratings)).filter(({ status }) => status === 'rejected');
    for (const name of names(20, 100)) await eventLog.recordDurably(rated(name, `fb-${name}`, 1)).catch(() => {});
    expect(refused).toHaveLength(100);
    expect(store.commits.length).toBeGreaterThan(20);
    expect(log.lines.filter((line) => line.includes('The event store failed'))).toHaveLength(1);
    expect(await degraded(metrics)).toBe(true);
  });

  it('reports the number of events waiting for a failing store, and 0 once it works', async () => {
    const { store, metrics, eventLog } = setUp();
    store.failing = true;
    for (const name of names(3)) eventLog.record(rated(name, `fb-${name}`, 1));
    await eventLog.flush();
    expect(await metricValue(metrics.eventsWaiting)).toBe(3);
    eventLog.record(rated('d', 'fb-d', 1));
    expect(await metricValue(metrics.eventsWaiting)).toBe(4);
    store.failing = false;
    await eventLog.flush();
    expect(await metricValue(metrics.eventsWaiting)).toBe(0);
  });

  it('logs a failure of the store once per outage', async () => {
    const { store, log, eventLog } = setUp();
    const outage = async (reason: string) => {
      store.failing = reason;
      await eventLog.recordDurably(rated('a', 'fb', 1)).catch(() => {});
      await eventLog.recordDurably(rated('a', 'fb', 1)).catch(() => {});
      store.failing = false;
      await eventLog.recordDurably(rated('a', 'fb', 1));
    };
    for (const reason of ['full', 'full', 'removed']) await outage(reason);
    expect(log.lines.filter((line) => line.includes('The event store failed'))).toHaveLength(3);
  });

  it('commits one turn later if a caller waits for an event, together with everything queued', async () => {
    const { store, eventLog, stored } = setUp();
    eventLog.record(decided('a'));
    await nextTurn();
    await eventLog.recordDurably(rated('a2', 'fb', 1));
    expect(stored()).toEqual(['a', 'a2']);
    expect(sizes(store)).toEqual([2]);
  });

  it('runs one commit at a time; the rest waits and follows next, in order', async () => {
    const { clock, store, eventLog, stored } = setUp();
    let open = () => {};
    store.gate = new Promise((resolve) => {
      open = resolve;
    });
    eventLog.record(decided('d0'));
    clock.advance(10);
    await nextTurn();
    await nextTurn();
    for (const name of names(5, 1)) eventLog.record(decided(name));
    const durable = eventLog.recordDurably(rated('d6', 'fb', 1));
    await nextTurn();
    expect(sizes(store)).toEqual([1]);
    store.gate = null;
    open();
    expect(await durable).toMatchObject({ decisionId: 'd6', sequence: 7 });
    expect(stored()).toEqual(names(7));
    expect(sizes(store)).toEqual([1, 6]);
  });

  it('keeps events while the store fails, retries at growing intervals, and loses nothing', async () => {
    const { store, clock, metrics, log, eventLog, stored, committed } = setUp();
    store.failing = true;
    for (const name of names(300)) eventLog.record(decided(name));
    await eventLog.flush();
    expect(eventLog.degraded).toBe(true);
    expect(await degraded(metrics)).toBe(true);
    expect(sizes(store)).toEqual([256]);
    for (const name of names(10, 300)) eventLog.record(decided(name));
    for (const [delay, tries] of [
      [200, 2],
      [400, 3],
      [800, 4],
      [1600, 5],
      [3200, 6],
      [6400, 7],
      [10_000, 8],
      [10_000, 9],
    ]) {
      clock.advance(delay - 1);
      for (let i = 0; i < 4; i++) await nextTurn();
      expect(store.commits.length, `just before ${delay} ms`).toBe(tries - 1);
      clock.advance(1);
      for (let i = 0; i < 4; i++) await nextTurn();
      expect(store.commits.length, `after ${delay} ms`).toBe(tries);
    }
    expect(await metricValue(metrics.storeErrors)).toBe(9);
    expect(stored()).toEqual([]);
    store.failing = false;
    clock.advance(10_000);
    for (let i = 0; i < 4; i++) await nextTurn();
    clock.advance(10);
    for (let i = 0; i < 4; i++) await nextTurn();
    expect(stored()).toEqual(names(310));
    expect(committed).toEqual([256, 310]);
    expect(eventLog.degraded).toBe(false);
    expect(await degraded(metrics)).toBe(false);
    expect(await metricValue(metrics.eventsLost)).toBe(0);
    expect(log.lines.at(-1)).toMatch(/works again/);
  });

  it('reports a recovery, and nothing else', async () => {
    const { store, eventLog } = setUp();
    let recoveries = 0;
    eventLog.onRecovery(() => recoveries++);
    eventLog.record(decided('a'));
    await eventLog.flush();
    store.failing = true;
    eventLog.record(decided('b'));
    for (let i = 0; i < 3; i++) await eventLog.flush();
    expect(recoveries).toBe(0);
    store.failing = false;
    for (let i = 0; i < 3; i++) await eventLog.flush();
    expect(recoveries).toBe(1);
  });

  it('restarts with short retry intervals after a recovery', async () => {
    const { store, clock, eventLog } = setUp();
    for (let round = 0; round < 2; round++) {
      store.failing = true;
      eventLog.record(decided(`r${round}`));
      await eventLog.flush();
      await eventLog.flush();
      await eventLog.flush();
      store.failing = false;
      await eventLog.flush();
    }
    store.failing = true;
    eventLog.record(decided('last'));
    await eventLog.flush();
    store.failing = false;
    clock.advance(200);
    for (let i = 0; i < 4; i++) await nextTurn();
    expect(store.events.map(({ decisionId }) => decisionId)).toEqual(['r0', 'r1', 'last']);
  });

  it('retries the store on the same schedule, however often clients try meanwhile', async () => {
    const { store, clock, metrics, eventLog } = setUp();
    store.failing = true;
    for (let i = 0; i < 20; i++) await expect(eventLog.recordDurably(rated('d', `fb${i}`, 1))).rejects.toThrow();
    expect(await degraded(metrics)).toBe(true);
    store.failing = false;
    clock.advance(200);
    for (let i = 0; i < 4; i++) await nextTurn();
    expect(await degraded(metrics)).toBe(false);
  });

  it('notices that the store works again even if nothing is waiting to be written', async () => {
    const { store, clock, metrics, eventLog, committed } = setUp();
    let recoveries = 0;
    eventLog.onRecovery(() => recoveries++);
    store.failing = true;
    await expect(eventLog.recordDurably(rated('x', 'fb', 1))).rejects.toThrow('disk');
    store.failing = false;
    clock.advance(200);
    for (let i = 0; i < 5; i++) await nextTurn();
    expect([eventLog.degraded, await degraded(metrics), recoveries, store.events, committed]).toEqual([
      ...[false, false, 1],
      ...[[], []],
    ]);
  });

  it('rejects at once the events that callers wait for, and never writes them later', async () => {
    const { store, eventLog, stored } = setUp();
    store.failing = true;
    eventLog.record(decided('kept'));
    const durable = [eventLog.recordDurably(rated('x', 'fb1', 1)), eventLog.recordDurably(rated('y', 'fb2', 1))];
    for (const each of durable) await expect(each).rejects.toThrow('disk');
    await expect(eventLog.recordDurably(rated('z', 'fb3', 1))).rejects.toThrow('disk');
    store.failing = false;
    await expect(eventLog.recordDurably(rated('ok', 'fb4', 1))).resolves.toMatchObject({ sequence: 2 });
    expect(stored()).toEqual(['kept', 'ok']);
    expect(eventLog.degraded).toBe(false);
  });

  it('drops the oldest events beyond 50,000, and counts them', async () => {
    const { store, metrics, eventLog } = setUp();
    store.failing = true;
    eventLog.record(decided('first'));
    await eventLog.flush();
    // Without an idempotency key, each copy is written.
    const event = rated('many', 'fb', 1);
    for (let i = 0; i < 50_004; i++) eventLog.record(i === 50_003 ? decided('newest') : event);
    expect(await metricValue(metrics.eventsLost)).toBe(5);
    store.failing = false;
    await eventLog.flush();
    expect(store.events).toHaveLength(50_000);
    expect(store.events[0].decisionId).toBe('many');
    expect(store.events.at(-1)?.decisionId).toBe('newest');
    expect(Math.max(...sizes(store))).toBe(256);
  });

  it('retries once on closing if the running commit fails', async () => {
    const { store, clock, eventLog, stored } = setUp();
    store.failing = true;
    eventLog.record(decided('a'));
    clock.advance(10);
    const closing = eventLog.close();
    while (store.commits.length === 0) await nextTurn();
    store.failing = false;
    await closing;
    expect(stored()).toEqual(['a']);
  });

  it('reports on closing what could not be written, and does not retry', async () => {
    const { store, clock, log, eventLog } = setUp();
    eventLog.record(decided('a'));
    await eventLog.close();
    expect(store.events).toHaveLength(1);
    expect(log.lines).toEqual([]);
    store.failing = true;
    eventLog.record(decided('b'));
    await eventLog.close();
    expect(log.lines.at(-1)).toMatch(/^error:.*lost/);
    const tries = store.commits.length;
    clock.advance(60_000);
    for (let i = 0; i < 4; i++) await nextTurn();
    expect(store.commits).toHaveLength(tries);
  });
});

describe('a listener of an EventLog', () => {
  it('may fail: nothing is written twice, and the other listeners are still called', async () => {
    const { store, clock, metrics, log, eventLog, stored } = setUp();
    eventLog.onCommit(() => {
      throw new Error('a fault in a listener');
    });
    const told: number[] = [];
    eventLog.onCommit((events) => told.push(events.length));
    eventLog.record(decided('a'));
    await eventLog.flush();
    clock.advance(60_000);
    await eventLog.flush();
    expect(stored()).toEqual(['a']);
    expect(told).toEqual([1]);
    expect(await degraded(metrics)).toBe(false);
    expect(store.commits).toHaveLength(1);
    expect(log.lines).toEqual([expect.stringContaining('failed on a commit')]);
  });
});

describe('EventLog.findDecision', () => {
  const life: GatewayEvent[] = [decided('d'), completed('d', { completionId: 'chatcmpl-7' }), rated('d', 'fb', 1)];

  it('finds what was recorded just before, by either id', async () => {
    const { eventLog } = setUp();
    for (const event of [...life, decided('other')]) eventLog.record(event);
    for (const id of ['d', 'chatcmpl-7']) {
      expect((await eventLog.findDecision(id)).map(({ type }) => type)).toEqual(['decided', 'completed', 'rated']);
    }
    expect(await eventLog.findDecision('nobody')).toEqual([]);
  });

  it('finds events that are still waiting while the store rejects writes, together with stored ones', async () => {
    const { store, eventLog } = setUp();
    store.append = () => Promise.reject(new Error('read-only'));
    for (const event of life.slice(0, 2)) eventLog.record(event);
    for (const id of ['d', 'chatcmpl-7']) {
      expect((await eventLog.findDecision(id)).map(({ type }) => type)).toEqual(['decided', 'completed']);
    }
    const half = setUp();
    half.eventLog.record(life[0]);
    await half.eventLog.flush();
    half.store.append = () => Promise.reject(new Error('read-only'));
    half.eventLog.record(life[1]);
    half.eventLog.record(withdrawn('e', 'fb'));
    for (const id of ['d', 'chatcmpl-7']) {
      expect(
        (await half.eventLog.findDecision(id)).map(({ type }) => type),
        id,
      ).toEqual(['decided', 'completed']);
    }
  });

  it('rejects if the store cannot be read, and logs it once until it can', async () => {
    const { store, metrics, log, eventLog } = setUp();
    store.failing = true;
    for (let look = 0; look < 3; look++) await expect(eventLog.findDecision('d')).rejects.toThrow('disk');
    expect(log.lines.filter((line) => line.includes('cannot be read'))).toHaveLength(1);
    expect(await metricValue(metrics.storeErrors)).toBe(3);
    expect(await degraded(metrics)).toBe(true);
    store.failing = false;
    await eventLog.findDecision('d');
    expect(await degraded(metrics)).toBe(false);
  });

  const broken = async () => {
    const parts = setUp();
    parts.store.failing = true;
    await expect(parts.eventLog.findDecision('d')).rejects.toThrow('disk');
    return parts;
  };

  it('retries reading on its own until the store can be read', async () => {
    const { store, clock, metrics } = await broken();
    for (const failing of [true, false]) {
      store.failing = failing;
      clock.advance(10_000);
      await nextTurn();
      expect(await degraded(metrics)).toBe(failing);
    }
    clock.advance(60_000);
    await nextTurn();
    expect(store.lookUps).toBe(1);
  });

  it('marks the store as working once it accepts events again', async () => {
    const { store, eventLog, metrics } = await broken();
    await expect(eventLog.recordDurably(rated('d', 'fb', 1))).rejects.toThrow('disk');
    store.failing = false;
    await eventLog.recordDurably(rated('d', 'fb', 1));
    expect(await degraded(metrics)).toBe(false);
  });

  it('leaves no timer behind after closing', async () => {
    const { store, clock, eventLog } = await broken();
    await eventLog.close();
    store.failing = false;
    clock.advance(60_000);
    await nextTurn();
    expect(store.lookUps).toBe(0);
  });
});
