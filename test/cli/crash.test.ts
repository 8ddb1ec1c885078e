import { describe, expect, it } from 'vitest';
import { crashRun } from '../../bench/support/crash-run.ts';

describe('a gateway killed under load', () => {
  // `npm run bench:crash` does the same with 30 kills.
  it('keeps every acknowledged rating once across restarts, and predicts like a clean replay of its log', async () => {
    const report = await crashRun({ kills: 4, seed: 7, answersPerLife: 25 });
    expect(report).toMatchObject({ missing: [], doubled: [], broken: [], differing: 0, kills: 4 });
    expect(report.counted.learner).toBe(report.counted.log);
    expect(report.acknowledged).toBeGreaterThan(10);
    expect([report.compared, report.ok]).toEqual([21, true]);
    // Seven process starts: seconds on a quiet machine, minutes on a crowded one.
  }, 600_000);
});
