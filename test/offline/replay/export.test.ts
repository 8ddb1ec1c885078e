import { describe, expect, it } from 'vitest';
import { readDecisions } from '../../../src/offline/log/decision-records.ts';
import { exportRow } from '../../../src/offline/log/export-row.ts';
import type { RecordedRow } from '../../../src/recorded/recorded-row.ts';
import { mean } from '../../../src/util/statistics.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { replaySimulated, simulate } from './simulation.ts';

const { events } = simulate({ decisions: 600, seed: 3, weight: 0.6, target: {} });

async function exported(): Promise<RecordedRow[]> {
  const store = new FakeStore();
  await store.append(events);
  const rows: RecordedRow[] = [];
  for await (const record of readDecisions(store)) {
    const row = exportRow(record);
    // As a reader of the file gets it.
    if (row) rows.push(JSON.parse(JSON.stringify(row)));
  }
  return rows;
}

/** The candidate with the best score: what `exploration: none` chooses. */
function greedy({ weight, choice }: RecordedRow): string {
  const { costUnit, candidates } = choice ?? expect.unreachable();
  const w = weight ?? expect.unreachable();
  const scored = Object.entries(candidates).map(([model, { quality, cost, penalty }]): [string, number] => [
    model,
    w * (quality ?? 0) - ((1 - w) * (cost ?? 0)) / costUnit - (penalty ?? 0),
  ]);
  return scored.reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}

describe('an export of the log', () => {
  it('holds what is needed to recompute the estimates for another policy', async () => {
    const rows = await exported();
    const { estimates, usable, cost_unit_usd } = await replaySimulated(events, { exploration: 'none' });
    expect(rows).toHaveLength(usable);
    const terms = rows.map((row) => {
      const { model, costUnit, candidates } = row.choice ?? expect.unreachable();
      const [outcome] = Object.values(row.models);
      const target = greedy(row);
      const sum = Object.values(candidates).reduce((total, { propensity }) => total + propensity, 0);
      expect(sum).toBeCloseTo(1, 9);
      const ratio = model === target ? 1 / candidates[model].propensity : 0;
      const predicted = { chosen: candidates[model].cost ?? 0, target: candidates[target].cost ?? 0 };
      return { model, costUnit, ratio, cost: outcome.cost ?? 0, quality: outcome.quality ?? null, predicted };
    });
    expect(mean(terms.map(({ costUnit }) => costUnit))).toBeCloseTo(cost_unit_usd, 12);
    const ips = mean(terms.map(({ ratio, cost }) => ratio * cost));
    expect(ips / (estimates?.ips.cost_usd.mean ?? 0)).toBeCloseTo(1, 6);
    const dr = mean(terms.map(({ ratio, cost, predicted }) => predicted.target + ratio * (cost - predicted.chosen)));
    expect(dr / (estimates?.dr.cost_usd.mean ?? 0)).toBeCloseTo(1, 6);
    // The rated choices of each model stand for its unrated ones.
    const models = [...new Set(terms.map(({ model }) => model))];
    const quality = models.map((of) => {
      const ofModel = terms.filter(({ model }) => model === of);
      const rated = ofModel.filter((term) => term.quality !== null);
      const share = ofModel.length / terms.length;
      return share * mean(rated.map((term) => term.ratio * (term.quality ?? 0)));
    });
    const sum = quality.reduce((total, part) => total + part, 0);
    expect(sum / (estimates?.ips.quality.mean ?? 0)).toBeCloseTo(1, 6);
  });
});
