import { describe, expect, it } from 'vitest';
import { RateLimits } from '../../src/routing/rate-limits.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** Calls begin now unless a start time is given. */
function setUp() {
  const clock = new ManualClock();
  const real = new RateLimits(clock);
  const limits = {
    refused: (arm: string, ms: number | null, startedAt = clock.monotonic()) => real.refused(arm, ms, startedAt),
    served: (arm: string, startedAt = clock.monotonic()) => real.served(arm, startedAt),
    waitSeconds: (arm: string) => real.waitSeconds(arm),
  };
  return { clock, limits };
}

describe('RateLimits', () => {
  it('report the remaining wait that the upstream asked for, for that arm only', () => {
    const { clock, limits } = setUp();
    limits.refused('a', 17_000);
    expect([limits.waitSeconds('a'), limits.waitSeconds('b')]).toEqual([17, 0]);
    clock.advance(16_500);
    expect(limits.waitSeconds('a')).toBe(0.5);
    clock.advance(1000);
    expect(limits.waitSeconds('a')).toBe(0);
  });

  it('double an unspecified wait up to a minute, and restart at 1 s after a success', () => {
    const { clock, limits } = setUp();
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      limits.refused('a', null);
      expect(limits.waitSeconds('a')).toBe(seconds);
      clock.advance(60_000);
    }
    limits.served('a');
    limits.refused('a', null);
    expect(limits.waitSeconds('a')).toBe(1);
  });

  it('keep the longest wait, end with a success, and trust no wait longer than ten minutes', () => {
    const { limits } = setUp();
    limits.refused('a', 30_000);
    limits.refused('a', 1000);
    expect(limits.waitSeconds('a')).toBe(30);
    limits.served('a');
    expect(limits.waitSeconds('a')).toBe(0);
    limits.refused('a', 86_400_000);
    expect(limits.waitSeconds('a')).toBe(600);
  });

  it('trust a call that began later, even if its wait is shorter', () => {
    const { clock, limits } = setUp();
    const early = clock.monotonic();
    clock.advance(100);
    limits.refused('a', 600_000);
    // It was already under way.
    limits.refused('a', 1000, early);
    expect(limits.waitSeconds('a')).toBe(600);
    clock.advance(60_000);
    limits.refused('a', null);
    expect(limits.waitSeconds('a')).toBe(540);
    limits.refused('a', 2000, clock.monotonic() - 1);
    expect(limits.waitSeconds('a')).toBe(540);
    clock.advance(1);
    limits.refused('a', 2000);
    expect(limits.waitSeconds('a')).toBe(2);
  });

  it('are not lifted by the answer to an earlier call, and count simultaneous calls once', () => {
    const { clock, limits } = setUp();
    const before = clock.monotonic();
    clock.advance(100);
    limits.refused('a', 60_000, before);
    clock.advance(100);
    limits.served('a', before);
    expect(limits.waitSeconds('a')).toBeCloseTo(59.9);
    limits.served('a');
    expect(limits.waitSeconds('a')).toBe(0);
    const together = clock.monotonic();
    clock.advance(100);
    for (let i = 0; i < 8; i++) limits.refused('b', null, together);
    expect(limits.waitSeconds('b')).toBe(1);
  });

  it('forget an arm, and ignore late results of calls that began before', () => {
    const clock = new ManualClock();
    const limits = new RateLimits(clock);
    limits.refused('a', 5000, 0);
    clock.advance(1000);
    limits.forget('a');
    expect(limits.waitSeconds('a')).toBe(0);
    limits.refused('a', 5000, 999);
    expect(limits.waitSeconds('a')).toBe(0);
    limits.refused('a', 5000, 1000);
    expect(limits.waitSeconds('a')).toBe(5);
  });
});
