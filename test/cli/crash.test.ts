import { describe, expect, it } from 'vitest';
import { crashRun } from '../../bench/support/crash-run.ts';

describe('a gateway that is killed under load', () => {
  // `npm run bench:crash` does the same with 30 kills.
  it('has every acknowledged rating after its restart, none twice, and predicts as a clean replay of its log', async () => {
    const report = await crashRun({ kills: 5, seed: 7, answersPerLife: 25 });
    expect(report).toMatchObject({ missing: [], doubled: [], broken: [], differing: 0, kills: 5 });
    expect(report.counted.learner).toBe(report.counted.log);
    expect(report.acknowledged).toBeGreaterThan(10);
    expect([report.compared, report.ok]).toEqual([21, true]);
    // Nine starts of a process: seconds on a quiet machine, minutes on a crowded one.
  }, 600_000);
});
