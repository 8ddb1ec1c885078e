import { describe, expect, it } from 'vitest';
import { TimeLimitedStore } from '../../src/store/time-limited-store.ts';
import { decided } from '../gateway/unit/support.ts';
import { FakeStore } from '../support/fake-store.ts';
import { ManualClock } from '../support/manual-clock.ts';

function setUp() {
  const [inner, clock] = [new FakeStore(), new ManualClock()];
  const gate = Promise.withResolvers<void>();
  return { inner, clock, gate, store: new TimeLimitedStore(inner, clock, 10_000) };
}

const turns = async () => {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
};

describe('TimeLimitedStore', () => {
  it('rejects a call that hangs, and all later calls at once, until the store responds again', async () => {
    const { inner, clock, gate, store } = setUp();
    inner.gate = gate.promise;
    const hanging = store.append([decided('a')]);
    clock.advance(9999);
    await expect(store.lastSequence()).resolves.toBe(0);
    clock.advance(1);
    await expect(hanging).rejects.toThrow('did not answer within 10 s');
    for (let i = 0; i < 3; i++)
      await expect(store.append([decided('b')])).rejects.toThrow('not answered an earlier call yet');
    await expect(store.readAfter(0, 1)).rejects.toThrow('not answered an earlier call yet');
    expect(inner.commits).toHaveLength(1);
    gate.resolve();
    await turns();
    await expect(store.append([decided('b')])).resolves.toMatchObject([{ sequence: 2 }]);
  });

  it('passes on failures and results unchanged, and leaves no timer running', async () => {
    const { inner, clock, store } = setUp();
    await store.append([decided('a')]);
    inner.failing = true;
    await expect(store.lastSequence()).rejects.toThrow('the disk is full');
    inner.failing = false;
    clock.advance(60_000);
    await expect(store.readAfter(0, 1)).resolves.toHaveLength(1);
    expect(clock.waiting).toBe(0);
  });

  it('a late failure also ends the wait, and closing is not blocked by a hanging store', async () => {
    const { inner, clock, gate, store } = setUp();
    inner.gate = gate.promise;
    const hanging = store.append([decided('a')]);
    hanging.catch(() => {});
    inner.close = () => new Promise(() => {});
    const closing = store.close();
    clock.advance(10_000);
    await expect(closing).rejects.toThrow('did not answer');
    gate.reject(new Error('gone'));
    await turns();
    await expect(store.lastSequence()).rejects.toThrow('not answered an earlier call yet');
  });
});
