import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlotQueue } from '../../src/offline/paper/slot-queue.ts';
import { ArmStatistics } from '../../src/routing/arm-statistics.ts';
import { expectedWait, type LatencyPenaltyOptions, Load, latencyPenalty } from '../../src/routing/load.ts';

const OPTIONS: LatencyPenaltyOptions = { budgetS: 30, beta: 0.25, gamma: 4, xi: 1, cap: 10 };
const positive = fc.double({ min: 1e-3, max: 100, noNaN: true });
const options = fc.record({
  budgetS: positive,
  beta: positive,
  gamma: fc.double({ min: 0, max: 10, noNaN: true }),
  xi: positive,
  cap: positive,
});
const wait = fc.double({ min: 0, max: 1e5, noNaN: true });

describe('expectedWait', () => {
  it.each([
    [0, 1, 5, 0],
    [1, 1, 5, 5],
    [3, 1, 5, 15],
    [3, 4, 5, 0],
    [4, 4, 5, 1.25],
    [11, 4, 5, 10],
    [11, 4, 0, 0],
  ])('%i in flight on %i slots of %d s: %d s', (inFlight, slots, service, expected) => {
    expect(expectedWait(inFlight, slots, service)).toBe(expected);
  });

  // A call that waited for its turn takes longer. If that counted as service, the wait would grow with its square.
  it.each([1, 1.2, 2])(
    'is the wait that follows, in the long run, at %d times what the upstream can serve',
    (excess) => {
      const [slots, serviceS] = [4, 5];
      const [statistics, load, upstream] = [new ArmStatistics(), new Load(), new SlotQueue(slots)];
      const running: { end: number; ends(): void }[] = [];
      for (let n = 0; n < 400; n++) {
        const now = (n * serviceS) / slots / excess;
        while (running.length > 0 && running[0].end <= now) running.shift()?.ends();
        const inFlight = load.inFlight('a');
        const expected = expectedWait(inFlight, slots, statistics.serviceSeconds('a'));
        const { begin, end } = upstream.enter(now, serviceS);
        const leave = load.enter('a');
        const ends = () => {
          leave();
          statistics.learnService('a', end - now, expectedWait(inFlight, slots, 1));
        };
        running.push({ end, ends });
        if (n >= 50) expect(Math.abs(expected - (begin - now))).toBeLessThan(serviceS / 2);
      }
    },
  );
});

describe('latencyPenalty', () => {
  it('is 0 without a wait, for any settings', () => {
    fc.assert(fc.property(options, (settings) => latencyPenalty(0, settings) === 0));
  });

  it('rises with the wait, but never beyond cap · β', () => {
    fc.assert(
      fc.property(options, wait, wait, (settings, a, b) => {
        const [shorter, longer] = [Math.min(a, b), Math.max(a, b)];
        expect(latencyPenalty(shorter, settings)).toBeGreaterThanOrEqual(0);
        expect(latencyPenalty(longer, settings)).toBeGreaterThanOrEqual(latencyPenalty(shorter, settings));
        expect(latencyPenalty(longer, settings)).toBeLessThanOrEqual(settings.cap * settings.beta);
      }),
    );
  });

  it('is β · (min(exp(γ (wait/τ − ξ)), cap) − exp(−γξ))', () => {
    const idle = Math.exp(-4);
    expect(latencyPenalty(30, OPTIONS)).toBeCloseTo(0.25 * (1 - idle), 12);
    expect(latencyPenalty(15, OPTIONS)).toBeCloseTo(0.25 * (Math.exp(-2) - idle), 12);
    expect(latencyPenalty(30 * (1 + Math.log(10) / 4), OPTIONS)).toBeCloseTo(0.25 * (10 - idle), 9);
    expect(latencyPenalty(1e9, OPTIONS)).toBeCloseTo(0.25 * (10 - idle), 12);
    expect(latencyPenalty(Number.POSITIVE_INFINITY, OPTIONS)).toBeCloseTo(0.25 * (10 - idle), 12);
  });
});

describe('Load', () => {
  it('counts requests per arm, and each end only once', () => {
    const load = new Load();
    const leave = [load.enter('a'), load.enter('a'), load.enter('b')];
    expect([load.inFlight('a'), load.inFlight('b'), load.inFlight('c')]).toEqual([2, 1, 0]);
    leave[0]();
    leave[0]();
    expect(load.inFlight('a')).toBe(1);
    leave[1]();
    leave[2]();
    expect([load.inFlight('a'), load.inFlight('b')]).toEqual([0, 0]);
  });
});
