import { describe, expect, it } from 'vitest';
import type { BenchReport } from '../../src/cli/bench-run.ts';
import { renderSeeds } from '../../src/cli/bench-seeds.ts';
import { renderRun } from '../../src/cli/run-table.ts';
import { reportRun } from '../../src/recorded/run-report.ts';

/** One query, which is also the last third, that no model answers correctly. */
const RUN: BenchReport = {
  ...reportRun(['big', 'small'], { quality: [[0, 0]], cost: [[0.01, 0.001]] }, [0]),
  queries_by_tag: {},
  shares_by_tag: {},
  data: 'recorded.jsonl',
  weight: 0.8,
  seed: 1,
  seconds: 1,
  requests_lost: 0,
  left_out: { incomplete: 0, costless: 0, repeated: 0 },
};

describe('a run with nothing to compare', () => {
  it('prints a dash where there is no number', () => {
    expect(renderRun(RUN)).toMatch(/MixLLM Gateway +0\.000 +- +10\.0 +1000\.0 %\n {2}its first third +- +- +- +-\n/);
    expect(renderSeeds([RUN, RUN])).toMatch(/MixLLM Gateway +- +1000\.0 ± 0\.0\n {2}its first third +- +-\n/);
  });
});
