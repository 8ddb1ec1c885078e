import { describe, expect, it } from 'vitest';
import { Launches } from '../../src/routing/launches.ts';

const DAY = 86_400_000;
const NOON = 100.5 * DAY;
const limits = { tries: 1, budgetUsd: 1 };

function launched(...arms: string[]): Launches {
  const launches = new Launches();
  for (const arm of arms) launches.begin(arm);
  return launches;
}

const isForced = (launches: Launches, now: number, arm = 'new') => launches.launchOf(arm, limits, now)?.forced;

describe('Launches', () => {
  it('counts a forced try from its decision on, and after a day only if it was folded', () => {
    const launches = launched('new', 'newer');
    launches.reserve('a', 'new', 0.1, NOON);
    expect(isForced(launches, NOON + DAY)).toBe(false);
    expect(isForced(launches, NOON + DAY, 'newer')).toBe(true);
    expect(isForced(launches, NOON + DAY + 1)).toBe(true);
    launches.tried('new', 0.1, 'a');
    expect(isForced(launches, NOON + 2 * DAY)).toBe(false);
  });

  it('does not count tries from before a reset for the next launch, but those from after it', () => {
    const launches = launched('new', 'newer');
    launches.reserve('a', 'new', 0.1, NOON);
    launches.reserve('b', 'newer', 0.1, NOON);
    launches.forget('new', NOON);
    launches.begin('new');
    expect(isForced(launches, NOON)).toBe(true);
    expect(isForced(launches, NOON, 'newer')).toBe(false);
    launches.reserve('c', 'new', 0.1, NOON + 1);
    // As when a log with the same reset is folded again.
    launches.forget('new', NOON);
    launches.begin('new');
    expect(isForced(launches, NOON + 1)).toBe(false);
  });
});
