import { describe, expect, it } from 'vitest';
import { DRIFT, DRIFT_RESIDUALS } from '../../src/bandit/defaults.ts';
import { DriftMonitor, isTooOld } from '../../src/bandit/drift-monitor.ts';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { weighedRating } from '../../src/domain/reliability.ts';
import { normalCdf } from '../../src/util/normal-distribution.ts';
import { derivedSeed, seededRandom } from '../../src/util/random.ts';

const { slack: K, threshold: H } = DRIFT;
/** Siegmund's correction of the threshold for the overshoot. */
const CORRECTED = H + 1.166;

/** Number of the observation that raises the alarm; null if none does within `count`. */
function alarmAfter(residual: () => number, count: number) {
  const monitor = new DriftMonitor();
  for (let i = 1; i <= count; i++) {
    monitor.observe('a', residual(), i, DRIFT);
    if (monitor.alarmOf('a')) return monitor.alarmOf('a');
  }
  return null;
}

/** Share of arms with a false alarm in so many residuals of N(0, 1): Siegmund's approximation of the run length. */
function chanceOfFalseAlarm(count: number): number {
  const between = (Math.exp(2 * K * CORRECTED) - 1 - 2 * K * CORRECTED) / (2 * K * K);
  return 1 - Math.exp((-2 * count) / between);
}

/** E[z] of z ~ N(mean, 1), bounded as in the monitor. */
function boundedMean(mean: number): number {
  const { most } = DRIFT_RESIDUALS;
  const density = (z: number) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  const [low, high] = [-most - mean, most - mean];
  return (
    mean * (normalCdf(high) - normalCdf(low)) +
    density(low) -
    density(high) -
    most * normalCdf(low) +
    most * (1 - normalCdf(high))
  );
}

describe('purely random ratings', () => {
  // Uniform ratings have a variance of 0.083, which noise candidates of 0.05 and 0.16 explain about equally well.
  it.each([1, 2, 3, 4])('raise no alarm, whichever noise is assumed (seed %i)', (seed) => {
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

describe('corrected thumbs of which a fifth are wrong', () => {
  const crowd = { truePositive: 0.8, falsePositive: 0.2 };

  /** Number of the first rating that raises an alarm; null if none within `count`. @param up share of thumbs up */
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

  it('raise no more false alarms than ratings without errors', () => {
    const alarms = Array.from({ length: 100 }, (_, seed) => firstAlarm(seed, 500, () => 0.62)).filter(Boolean);
    const expected = 100 * chanceOfFalseAlarm(500);
    expect(alarms.length).toBeLessThan(expected + 4 * Math.sqrt(expected));
  });

  it('raise an alarm soon after quality drops from 0.9 to 0.4', () => {
    const found = Array.from({ length: 20 }, (_, seed) => firstAlarm(seed, 500, (i) => (i <= 200 ? 0.74 : 0.44)));
    const after = found.map((at) => (at ?? 500) - 200);
    expect(after.reduce((sum, count) => sum + count, 0) / after.length).toBeLessThan(80);
  });
});

describe('DriftMonitor', () => {
  it('adds up what exceeds the slack in either direction', () => {
    const passed = (excess: number) => Math.floor(H / excess) + 1;
    expect(alarmAfter(() => -0.55, 100)).toMatchObject({ direction: 'worse', at: passed(0.55 - K) });
    const statistic = expect.closeTo(passed(1.17 - K) * (1.17 - K), 9);
    const at = passed(1.17 - K);
    expect(alarmAfter(() => 1.17, 100)).toEqual({ direction: 'better', statistic, at, changedAt: 1 });
    expect(alarmAfter(() => K, 5000)).toBeNull();
  });

  it('reports the decision from which ratings changed, even if they arrive in another order', () => {
    const monitor = new DriftMonitor();
    let at = 0;
    const rate = (z: number, decidedAt: number) => monitor.observe('a', z, ++at, DRIFT, 1, decidedAt);
    for (let i = 0; i < 20; i++) rate(0.3, 100 + i);
    rate(-2, 90);
    rate(2.5, 150);
    for (let i = 0; i < 100 && !monitor.alarmOf('a'); i++) rate(-1.5, 200 + i);
    expect(monitor.alarmOf('a')).toMatchObject({ direction: 'worse', changedAt: 200 });
  });

  it('reports about that decision even if ratings come late, those of old answers among those of new ones', () => {
    const monitor = new DriftMonitor();
    // Answers up to 99 are rated as predicted, later ones worse, but not in their order. Old and new ratings alternate.
    for (let i = 0; i < 40 && !monitor.alarmOf('a'); i++) {
      monitor.observe('a', i % 2 === 0 ? -0.3 : 0.3, 2 * i + 1, DRIFT, 1, 99 - i);
      monitor.observe('a', -1.5, 2 * i + 2, DRIFT, 1, 100 + (i ^ 1));
    }
    expect(monitor.alarmOf('a')).toMatchObject({ direction: 'worse', changedAt: 100 });
  });

  it('reduces the sum of one direction by ratings in the other', () => {
    let i = 0;
    expect(alarmAfter(() => (i++ % 2 === 0 ? 3 : -3), 10_000)).toBeNull();
  });

  it('bounds the effect of one rating, and counts each by its weight', () => {
    const monitor = new DriftMonitor();
    monitor.observe('a', -10, 1, DRIFT);
    expect(monitor.statisticOf('a')).toBeCloseTo(DRIFT_RESIDUALS.most - K, 12);
    monitor.observe('b', -10, 2, DRIFT, 3);
    expect(monitor.statisticOf('b')).toBeCloseTo(
      3 * (DRIFT_RESIDUALS.most - K - DRIFT_RESIDUALS.most / (DRIFT_RESIDUALS.priorCount + 1)),
      12,
    );
    monitor.observe('c', 0.5, 3, DRIFT, 0.5);
    expect(monitor.statisticOf('c')).toBeCloseTo(0.5 * (0.5 - K), 12);
    // The mean of the others is weighted as well.
    const beside = new DriftMonitor();
    beside.observe('a', -2, 1, DRIFT, 0.5);
    beside.observe('b', -1, 2, DRIFT);
    expect(beside.statisticOf('b')).toBeCloseTo(1 - K - 1 / (DRIFT_RESIDUALS.priorCount + 0.5), 12);
  });

  it('finds drift in ratings of any weight, once they stand for as many', () => {
    const alarmed = [1, 0.2, 0.05].map((weight) => {
      const monitor = new DriftMonitor();
      for (let i = 1; i <= 5000; i++) {
        monitor.observe('a', -0.4, i, DRIFT, weight);
        if (monitor.alarmOf('a')) return i * weight;
      }
      return null;
    });
    const expected = H / (0.4 - K);
    for (const ratings of alarmed) expect(Math.abs((ratings ?? 0) - expected)).toBeLessThanOrEqual(1);
  });

  it('rarely raises a false alarm, and finds a drop of half a standard deviation within a few dozen ratings', () => {
    const random = seededRandom(3);
    const runs = Array.from({ length: 200 }, () => alarmAfter(() => random.normal(), 500));
    const expected = chanceOfFalseAlarm(500);
    const share = runs.filter(Boolean).length / runs.length;
    // Bounded residuals scatter less than the formula assumes.
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(expected + 4 * Math.sqrt((expected * (1 - expected)) / runs.length));
    const found = Array.from({ length: 200 }, () => alarmAfter(() => random.normal() - 0.5, 500)?.at ?? 500);
    const mean = found.reduce((sum, at) => sum + at, 0) / found.length;
    // Siegmund's approximation of the delay.
    const excess = -boundedMean(-0.5) - K;
    const delay = (Math.exp(-2 * excess * CORRECTED) - 1 + 2 * excess * CORRECTED) / (2 * excess * excess);
    expect(Math.abs(mean / delay - 1)).toBeLessThan(0.1);
    expect(found.every((at) => at < 500)).toBe(true);
  });

  it('attributes less of a shift of all arms to drift, but still raises an alarm if one arm shifts', () => {
    const random = seededRandom(4);
    const arms = ['a', 'b', 'c', 'd'];
    /** The arms with an alarm, in 40 streams of 1,200 residuals of which the last 800 are shifted. */
    const alarmsAfter = (shift: Partial<Record<string, number>>, among: readonly string[]) =>
      Array.from({ length: 40 }, () => {
        const monitor = new DriftMonitor();
        for (let i = 1; i <= 1200; i++) {
          const arm = arms[i % arms.length];
          const residual = random.normal() + (i > 400 ? (shift[arm] ?? 0) : 0);
          if (among.includes(arm)) monitor.observe(arm, residual, i, DRIFT);
        }
        return monitor.alarmed;
      });
    const stricter = { a: -0.25, b: -0.25, c: -0.25, d: -0.25 };
    const [beside, alone] = [arms, ['a']].map((among) => alarmsAfter(stricter, among).flat().length / among.length);
    expect(alone).toBeGreaterThan(2 * beside);
    const own = alarmsAfter({ b: -0.5 }, arms);
    expect(own.filter((alarmed) => alarmed.includes('b')).length).toBeGreaterThan(35);
    expect(own.flat().filter((arm) => arm !== 'b').length).toBeLessThan(0.1 * 40 * 3);
  });

  it.each([-1, 1])(
    'excuses an arm by at most the slack, however far another arm moved in the same direction (%i)',
    (way) => {
      const monitor = new DriftMonitor();
      for (let i = 1; i <= 100; i++) monitor.observe('b', 3 * way, i, DRIFT);
      monitor.observe('a', way, 101, DRIFT);
      expect(monitor.statisticOf('a')).toBeCloseTo(1 - 2 * K, 12);
    },
  );

  it('neither excuses nor accuses an arm because others moved in the other direction', () => {
    const alone = new DriftMonitor();
    const beside = new DriftMonitor();
    for (let i = 1; i <= 30; i++) {
      beside.observe('b', 0.8, 2 * i, DRIFT);
      for (const monitor of [alone, beside]) monitor.observe('a', -0.5, 2 * i + 1, DRIFT);
    }
    expect(beside.statisticOf('a')).toBeCloseTo(alone.statisticOf('a'), 12);
  });

  it('continues bit-identically from a restored state, whatever the arms are called', () => {
    for (const ids of [
      ['b', 'a', 'c', 'd'],
      ['40', '7', '33', '5'],
    ]) {
      const random = seededRandom(1);
      const kept = new DriftMonitor();
      let restored = new DriftMonitor();
      for (let i = 0; i < 300; i++) {
        const arm = ids[Math.floor(4 * random.uniform())];
        const z = random.normal();
        for (const monitor of [kept, restored]) monitor.observe(arm, z, i, DRIFT);
        const state = JSON.parse(JSON.stringify(restored.state()));
        restored = new DriftMonitor();
        restored.restore(state);
        expect(restored.statisticOf(arm)).toBe(kept.statisticOf(arm));
      }
    }
  });

  it('starts afresh after an alarm that was ignored for a long time', () => {
    const monitor = new DriftMonitor();
    for (let i = 1; i <= 200; i++) monitor.observe('a', -0.55, i, DRIFT);
    const alarm = monitor.alarmOf('a');
    const { at } = alarm as NonNullable<typeof alarm>;
    expect([isTooOld(alarm, at + 5000), isTooOld(alarm, at + 5001), isTooOld(null, at)]).toEqual([false, true, false]);
    monitor.observe('a', -0.55, at + 5000, DRIFT);
    expect(monitor.alarmOf('a')).toEqual(alarm);
    monitor.observe('a', -0.55, at + 5001, DRIFT);
    expect([monitor.alarmOf('a'), monitor.statisticOf('a')]).toEqual([null, expect.closeTo(0.55 - K, 12)]);
  });

  it('keeps the first alarm of each arm until reset, including in a restored state', () => {
    const monitor = new DriftMonitor();
    for (let i = 1; i <= 200; i++) monitor.observe('a', -0.55, i, DRIFT);
    monitor.observe('b', 0.5, 201, DRIFT);
    const restored = new DriftMonitor();
    restored.restore(JSON.parse(JSON.stringify(monitor.state())));
    expect(restored.alarmed).toEqual(['a']);
    expect(restored.alarmOf('a')).toEqual(monitor.alarmOf('a'));
    for (const each of [monitor, restored]) each.observe('b', -1, 202, DRIFT);
    expect(restored.statisticOf('b')).toBe(monitor.statisticOf('b'));
    restored.reset('a');
    expect(restored.alarmed).toEqual([]);
    expect(restored.statisticOf('a')).toBe(0);
    expect(restored.statisticOf('b')).toBe(monitor.statisticOf('b'));
    // Nor do its residuals excuse others any more: only those of b do, 0.5 and then −1.
    const fading = 1 - 1 / DRIFT_RESIDUALS.memory;
    restored.observe('c', -1, 203, DRIFT);
    expect(restored.statisticOf('c')).toBeCloseTo(
      1 - K - (1 - 0.5 * fading) / (DRIFT_RESIDUALS.priorCount + 1 + fading),
      12,
    );
  });

  it('drops an ignored alarm once its sum is back at zero, as everything since has agreed', () => {
    const monitor = new DriftMonitor();
    let i = 0;
    while (!monitor.alarmOf('a')) monitor.observe('a', -0.55, ++i, DRIFT);
    const back = monitor.statisticOf('a') / K;
    for (let n = 1; n < back; n++) monitor.observe('a', 0, ++i, DRIFT);
    expect(monitor.alarmOf('a')).not.toBeNull();
    monitor.observe('a', 0, ++i, DRIFT);
    expect(monitor.alarmOf('a')).toBeNull();
  });
});
