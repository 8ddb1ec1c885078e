import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { EventLog } from '../../../src/gateway/event-log.ts';
import { Feedback, type FeedbackParts } from '../../../src/gateway/feedback.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import type { KeyLimits } from '../../../src/gateway/runtime.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { completed, decided, RecordingLogger } from './support.ts';

function setUp() {
  const [store, clock] = [new FakeStore(), new ManualClock()];
  const gateway = () => new EventLog(store, clock, new Metrics(), new RecordingLogger());
  const [other, eventLog] = [gateway(), gateway()];
  const parts: Partial<FeedbackParts> = {
    eventLog,
    clock,
    metrics: new Metrics(),
    learner: { learned: async () => {} } as unknown as FeedbackParts['learner'],
    reliability: () => null,
    volunteered: () => null,
    openDecision: () => null,
  };
  return { clock, store, eventLog, other, feedback: new Feedback(parts as FeedbackParts) };
}

/** Lets pending work continue; the clock advances only by the given time. */
async function later(clock: ManualClock, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed++) {
    clock.advance(1);
    for (let i = 0; i < 5; i++) await nextTurn();
  }
}

describe('Feedback', () => {
  it('finds an answer whose end another gateway on the log has yet to write', async () => {
    const { clock, other, feedback } = setUp();
    for (const event of [decided('dec_a'), completed('dec_a')]) other.record(event);
    const found = feedback.events('dec_a', null);
    await later(clock, 60);
    expect((await found).map(({ type }) => type)).toEqual(['decided', 'completed']);
  });

  it('limits the total size of comments, because all are read with each rating', async () => {
    const { other, feedback } = setUp();
    for (const event of [decided('dec_a'), completed('dec_a')]) other.record(event);
    await other.flush();
    const rate = (idempotencyKey: string | null, comment: string | null = 'x'.repeat(10_000)) =>
      feedback.rate({ id: 'dec_a', score: 1, source: 'user', comment, idempotencyKey }, null);
    for (let i = 0; i < 10; i++) await rate(String(i));
    await expect(rate(null)).rejects.toMatchObject({ status: 400, param: 'comment', code: 'too_many_comments' });
    await rate('9');
    await rate(null, null);
  });

  it("rates the key's own answer by completion id, even if other keys had that id since", async () => {
    const { other, feedback, store } = setUp();
    for (const name of ['team', 'other'])
      for (const event of [{ ...decided(name), key: name }, completed(name, { completionId: 'chatcmpl-1' })])
        other.record(event);
    await other.flush();
    const key = { name: 'team', role: 'user' } as KeyLimits;
    await feedback.rate({ id: 'chatcmpl-1', score: 1, source: 'user', comment: null, idempotencyKey: null }, key);
    expect(store.events.at(-1)).toMatchObject({ type: 'rated', decisionId: 'team' });
  });

  it("takes as long to reject another key's decision as an unknown one", async () => {
    const { clock, other, feedback } = setUp();
    other.record({ ...decided('dec_a'), key: 'other' });
    await other.flush();
    const key = { name: 'team', role: 'user' } as KeyLimits;
    const refused: string[] = [];
    for (const id of ['dec_a', 'dec_b']) {
      feedback.events(id, key).catch((error: Error) => refused.push(error.message.replace(id, '')));
      await later(clock, 50);
      await later(clock, 199);
      expect(refused).toHaveLength(id === 'dec_a' ? 0 : 1);
      await later(clock, 2);
    }
    expect(new Set(refused).size).toBe(1);
  });

  it("finds it even if the other gateway's commit has to wait for the disk", async () => {
    const { clock, store, other, feedback } = setUp();
    const disk = Promise.withResolvers<void>();
    store.gate = disk.promise;
    for (const event of [decided('dec_a'), completed('dec_a')]) other.record(event);
    const found = feedback.events('dec_a', null);
    await later(clock, 150);
    disk.resolve();
    await later(clock, 110);
    expect((await found).map(({ type }) => type)).toEqual(['decided', 'completed']);
  });

  it('waits no longer than that for what nobody writes', async () => {
    const { clock, feedback } = setUp();
    const found = expect(feedback.events('dec_b', null)).rejects.toThrow(/no decision "dec_b"/);
    await later(clock, 260);
    await found;
  });

  it('answers 503, not 404, while nobody can write: another gateway may hold the decision', async () => {
    const { clock, store, eventLog, feedback } = setUp();
    store.failing = true;
    eventLog.record(decided('dec_a'));
    await eventLog.flush();
    // A full disk can still be read.
    store.findDecision = async () => [];
    const found = expect(feedback.events('dec_b', null)).rejects.toMatchObject({ status: 503 });
    await later(clock, 260);
    await found;
  });
});
