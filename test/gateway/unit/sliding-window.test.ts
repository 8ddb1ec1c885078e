import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingWindow } from '../../../src/gateway/sliding-window.ts';

describe('SlidingWindow', () => {
  it('counts everything of the last 60 seconds, and at most one second more', () => {
    const step = fc.record({ wait: fc.integer({ min: 0, max: 20_000 }), amount: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 1e7 }), (steps, start) => {
        const window = new SlidingWindow();
        const added: { at: number; amount: number }[] = [];
        let now = start;
        for (const { wait, amount } of steps) {
          now += wait;
          window.add(amount, now);
          added.push({ at: now, amount });
          const within = (ms: number) =>
            added.filter(({ at }) => now - at < ms).reduce((sum, entry) => sum + entry.amount, 0);
          expect(window.used(now)).toBeGreaterThanOrEqual(within(60_000));
          expect(window.used(now)).toBeLessThanOrEqual(within(61_001));
        }
      }),
    );
  });

  it('never exceeds the limit in any 60 seconds, and admits a request after exactly the wait it named', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 120 }),
        (limit, waits) => {
          const window = new SlidingWindow();
          const taken: number[] = [];
          let now = 500;
          for (const wait of waits) {
            now += wait;
            const delay = window.waitFor(1, limit, now);
            expect(delay > 0).toBe(window.used(now) + 1 > limit);
            now += delay;
            expect(window.waitFor(1, limit, now)).toBe(0);
            window.add(1, now);
            taken.push(now);
            expect(taken.filter((at) => now - at < 60_000).length).toBeLessThanOrEqual(limit);
          }
          expect(window.used(now + window.emptyIn(now))).toBe(0);
        },
      ),
    );
  });

  it('accepts corrections only while their second is in the window', () => {
    const window = new SlidingWindow();
    const second = window.add(100, 5000);
    window.adjust(second, -40);
    expect(window.used(5000)).toBe(60);
    window.add(7, 5000 + 61_000);
    window.adjust(second, 1000);
    expect(window.used(66_000)).toBe(7);
  });
});
