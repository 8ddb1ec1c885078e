import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';

const kept = cleanup();
const folder = mkdtempSync(join(tmpdir(), 'mixllm-faults-'));
afterAll(() => rmSync(folder, { recursive: true }));

const answer = ({ url }: TestGateway) => send(`${url}/v1/chat/completions`, ask('Hello', { model: 'big' }));
const rate = ({ url }: TestGateway, id: string) => send(`${url}/feedback`, { id, score: 1 });
const degraded = async ({ url }: TestGateway) =>
  (await get(`${url}/metrics`)).text.includes('mixllm_degraded{part="store"} 1');

/** A real store whose calls hang while it is stopped. */
class StoppableStore extends SqliteEventStore {
  #gate = Promise.withResolvers<void>();
  stopped = false;

  override async append(...args: Parameters<SqliteEventStore['append']>) {
    if (this.stopped) await this.#gate.promise;
    return super.append(...args);
  }

  go(): void {
    this.stopped = false;
    this.#gate.resolve();
  }
}

describe('an event store that hangs', () => {
  it('delays no answer, makes ratings fail with 503 after its timeout, is reported, and recovers', async () => {
    const [clock, store] = [new ManualClock(), new StoppableStore(':memory:')];
    const gateway = kept(await startTestGateway({ clock, store }));
    const { json } = await answer(gateway);
    await settled(gateway);
    store.stopped = true;
    for (let i = 0; i < 3; i++) expect((await answer(gateway)).status).toBe(200);
    const rating = rate(gateway, json.id);
    let refused = false;
    void rating.then(() => {
      refused = true;
    });
    while (!refused) {
      await nextTurn();
      clock.advance(200);
    }
    expect([(await rating).status, (await rating).json.error.code]).toEqual([503, 'store_unavailable']);
    expect(await degraded(gateway)).toBe(true);
    expect(gateway.logged.join('')).toMatch(/did not answer within 10 s.*The event store failed/);
    // The failure is known now, so nobody waits again.
    expect((await rate(gateway, json.id)).status).toBe(503);
    expect((await answer(gateway)).status).toBe(200);

    store.go();
    while (await degraded(gateway)) clock.advance(1000);
    expect((await rate(gateway, json.id)).status).toBe(202);
    await settled(gateway);
    const events = await gateway.gateway.store.readAfter(0, 100);
    expect(events.filter(({ type }) => type === 'decided')).toHaveLength(5);
    expect(events.filter(({ type }) => type === 'completed')).toHaveLength(5);
    expect(gateway.gateway.learner.knowledge.policy.ratingsOf('big')).toBe(1);
  });

  it('is not assumed because a check for other writers is still pending', async () => {
    const clock = new ManualClock();
    const gateway = kept(await startTestGateway({ clock }));
    const { json } = await answer(gateway);
    await settled(gateway);
    clock.advance(12_000);
    expect(await gateway.gateway.store.findDecision(json.id)).toHaveLength(2);
  });

  it('does not hold up a shutdown', async () => {
    const [clock, store] = [new ManualClock(), new StoppableStore(':memory:')];
    const gateway = await startTestGateway({ clock, store });
    store.stopped = true;
    await answer(gateway);
    let closed = false;
    const closing = gateway.close().then(() => {
      closed = true;
    });
    for (let waited = 0; !closed; waited += 100) {
      expect(waited).toBeLessThan(60_000);
      await nextTurn();
      clock.advance(100);
    }
    await closing;
    expect(gateway.logged.join('')).toContain('they are lost');
    store.go();
  });
});

describe('an event log whose file is deleted', () => {
  it('is started afresh without a restart, and so is the learner', async () => {
    const file = join(folder, 'taken.db');
    const gateway = kept(await startTestGateway({ config: { storage: { url: `sqlite:${file}` } } }));
    const first = await answer(gateway);
    expect((await rate(gateway, first.json.id)).status).toBe(202);
    for (const name of ['', '-wal', '-shm']) rmSync(`${file}${name}`);
    expect((await answer(gateway)).status).toBe(200);
    const second = await answer(gateway);
    while (await degraded(gateway)) await nextTurn();
    while ((await rate(gateway, second.json.id)).status !== 202) await nextTurn();
    while (!gateway.logged.join('').includes('rebuilt from the event log.')) await settled(gateway);
    await settled(gateway);
    expect(gateway.gateway.learner.knowledge.policy.ratingsOf('big')).toBe(1);
    expect((await rate(gateway, first.json.id)).status).toBe(404);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_degraded{part="learner"} 0');
  });
});
