import { describe, expect, it } from 'vitest';
import { DRIFT } from '../../src/bandit/defaults.ts';
import { DriftMonitor } from '../../src/bandit/drift-monitor.ts';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { weighedRating } from '../../src/domain/reliability.ts';
import { derivedSeed, seededRandom } from '../../src/util/random.ts';

const OPTIONS = { slack: 0.2, threshold: 15 };

/** Number of the observation that raises the alarm, or null within `count`. */
function alarmAfter(residual: () => number, count: number, options = OPTIONS) {
  const monitor = new DriftMonitor();
  for (let i = 1; i <= count; i++) {
    monitor.observe('a', residual(), i, options);
    if (monitor.alarmOf('a')) return monitor.alarmOf('a');
  }
  return null;
}

/** Share of arms with an alarm among so many residuals without drift. */
function chanceOfFalseAlarm(count: number): number {
  // Siegmund's approximation of the mean time between false alarms on one side, at h' = h + 1.166.
  const [k, h] = [0.2, 15 + 1.166];
  const between = (Math.exp(2 * k * h) - 1 - 2 * k * h) / (2 * k * k);
  return 1 - Math.exp((-2 * count) / between);
}

describe('ratings that are pure chance', () => {
  // Uniform ones have a variance of 0.083: of the candidates for the noise, 0.05 explains them about as well as 0.16.
  it.each([1, 2, 3, 4])('raise no alarm, whatever noise they are taken to have (seed %i)', (seed) => {
    const random = seededRandom(derivedSeed(seed, 0));
    const policy = new LinearPolicy(6);
    const monitor = new DriftMonitor();
    for (let i = 1; i <= 3000; i++) {
      const context = Float64Array.from({ length: 6 }, (_, k) => (k === 0 ? 1 : random.normal()));
      const reward = random.uniform();
      monitor.observe('a', policy.standardisedResidual('a', context, reward), i, DRIFT);
      policy.learn({ kind: 'quality', arm: 'a', context, reward, weight: 1 });
    }
    expect(monitor.alarmOf('a')).toBeNull();
  });
});

describe('thumbs of which a fifth are wrong, corrected', () => {
  const crowd = { truePositive: 0.8, falsePositive: 0.2 };

  /** Number of the rating that raises the first alarm, or null within `count`. @param up share of thumbs up by rating */
  function firstAlarm(seed: number, count: number, up: (i: number) => number): number | null {
    const random = seededRandom(derivedSeed(seed, 1));
    const policy = new LinearPolicy(1);
    const monitor = new DriftMonitor();
    const context = Float64Array.of(1);
    for (let i = 1; i <= count; i++) {
      const { reward, weight } = weighedRating(random.uniform() < up(i) ? 1 : 0, crowd);
      monitor.observe('a', policy.standardisedResidual('a', context, reward, crowd), i, DRIFT);
      if (monitor.alarmOf('a')) return i;
      policy.learn({ kind: 'quality', arm: 'a', context, reward, weight });
    }
    return null;
  }

  it('raise no more alarms by chance than ratings without errors', () => {
    const alarms = Array.from({ length: 100 }, (_, seed) => firstAlarm(seed, 500, () => 0.62)).filter(Boolean);
    const expected = 100 * chanceOfFalseAlarm(500);
    expect(alarms.length).toBeLessThan(expected + 4 * Math.sqrt(expected));
  });

  it('raise one soon after the quality has fallen from 0.9 to 0.4', () => {
    const found = Array.from({ length: 20 }, (_, seed) => firstAlarm(seed, 500, (i) => (i <= 200 ? 0.74 : 0.44)));
    const after = found.map((at) => (at ?? 500) - 200);
    expect(after.reduce((sum, count) => sum + count, 0) / after.length).toBeLessThan(80);
  });
});

describe('DriftMonitor', () => {
  it('adds up what exceeds the slack, on either side', () => {
    // 0.55 − 0.2 per observation passes 15 with the 43rd.
    expect(alarmAfter(() => -0.55, 100)).toMatchObject({ direction: 'worse', at: 43 });
    expect(alarmAfter(() => 1.15, 100)).toEqual({ direction: 'better', statistic: expect.closeTo(15.2, 9), at: 16 });
    expect(alarmAfter(() => 0.2, 5000)).toBeNull();
  });

  it('forgets on one side what the other side brings', () => {
    let i = 0;
    expect(alarmAfter(() => (i++ % 2 === 0 ? 3 : -3), 10_000)).toBeNull();
  });

  it('seldom cries wolf, and finds a drop of half a standard deviation within a few dozen ratings', () => {
    const random = seededRandom(3);
    const runs = Array.from({ length: 200 }, () => alarmAfter(() => random.normal(), 500));
    const expected = chanceOfFalseAlarm(500);
    const share = runs.filter(Boolean).length / runs.length;
    expect(Math.abs(share - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / runs.length));
    const found = Array.from({ length: 200 }, () => alarmAfter(() => random.normal() - 0.5, 500)?.at ?? 500);
    const mean = found.reduce((sum, at) => sum + at, 0) / found.length;
    // Siegmund's approximation of the delay at a drift of 0.3 per rating.
    const h = 15 + 1.166;
    const delay = (Math.exp(-0.6 * h) - 1 + 0.6 * h) / (2 * 0.3 * 0.3);
    expect(Math.abs(mean / delay - 1)).toBeLessThan(0.1);
    expect(found.every((at) => at < 500)).toBe(true);
  });

  it('keeps the first alarm until it is reset, per arm, also through its state', () => {
    const monitor = new DriftMonitor();
    for (let i = 1; i <= 200; i++) monitor.observe('a', -0.55, i, OPTIONS);
    monitor.observe('b', -0.5, 201, OPTIONS);
    const restored = new DriftMonitor();
    restored.restore(JSON.parse(JSON.stringify(monitor.state())));
    expect(restored.alarmed).toEqual(['a']);
    expect(restored.alarmOf('a')?.at).toBe(43);
    restored.reset('a');
    expect(restored.alarmed).toEqual([]);
    expect(restored.statisticOf('a')).toBe(0);
    expect(restored.statisticOf('b')).toBeCloseTo(0.3, 12);
  });

  it('forgets an alarm that nobody heard once its sum is back at nothing: all that came since agreed', () => {
    const monitor = new DriftMonitor();
    for (let i = 1; i <= 43; i++) monitor.observe('a', -0.55, i, OPTIONS);
    expect(monitor.alarmOf('a')?.at).toBe(43);
    for (let i = 44; i <= 43 + 75; i++) monitor.observe('a', 0, i, OPTIONS);
    expect(monitor.alarmOf('a')?.at).toBe(43);
    for (let i = 119; i <= 121; i++) monitor.observe('a', 0, i, OPTIONS);
    expect(monitor.alarmOf('a')).toBeNull();
  });
});
