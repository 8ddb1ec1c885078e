import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/util/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('ManualClock', () => {
  it('moves only when told to', () => {
    const clock = new ManualClock(5000);
    expect([clock.now(), clock.monotonic()]).toEqual([5000, 0]);
    clock.advance(250);
    expect([clock.now(), clock.monotonic()]).toEqual([5250, 250]);
  });

  it('fires timers in the order of their due times, and those due together in the order they were set', () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const at = (ms: number, name: string) => clock.after(ms, () => fired.push(`${name}@${clock.monotonic()}`));
    at(30, 'late');
    at(10, 'early');
    at(10, 'early too');
    at(0, 'now');
    expect(fired).toEqual([]);
    clock.advance(0);
    expect(fired).toEqual(['now@0']);
    clock.advance(9);
    expect(fired).toHaveLength(1);
    clock.advance(100);
    expect(fired).toEqual(['now@0', 'early@10', 'early too@10', 'late@30']);
    clock.advance(1000);
    expect(fired).toHaveLength(4);
  });

  it('within one advance, also fires timers set by other timers when due', () => {
    const clock = new ManualClock();
    const fired: number[] = [];
    const again = () => {
      fired.push(clock.monotonic());
      clock.after(10, again);
    };
    clock.after(10, again);
    clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
    expect(clock.monotonic()).toBe(35);
  });

  it('cancels a timer, even from another one due at the same time, and repeatedly', () => {
    const clock = new ManualClock();
    let fired = 0;
    const cancel = clock.after(10, () => fired++);
    cancel();
    cancel();
    clock.after(20, () => cancelLater());
    const cancelLater = clock.after(20, () => fired++);
    clock.advance(100);
    expect(fired).toBe(0);
  });
});

describe('systemClock', () => {
  it('calls back once unless cancelled, and never goes backwards', async () => {
    const before = systemClock.monotonic();
    let cancelled = 0;
    systemClock.after(0, () => cancelled++)();
    await new Promise<void>((resolve) => {
      const stayAlive = setInterval(() => {}, 1000);
      systemClock.after(1, () => {
        clearInterval(stayAlive);
        resolve();
      });
    });
    expect(cancelled).toBe(0);
    expect(systemClock.monotonic()).toBeGreaterThan(before);
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  });
});
