import { describe, expect, it } from 'vitest';
import type { DriftedEvent, ModelResetEvent, StoredEvent } from '../../../src/domain/events.ts';
import { ArmResets } from '../../../src/gateway/learning/arm-resets.ts';

const of = (model: string, sequence: number) => ({ decisionId: null, time: 1_700_000_000_000, model, sequence });
const resetOf = (model: string, sequence: number): StoredEvent<ModelResetEvent> => ({
  ...of(model, sequence),
  type: 'model_reset',
  by: null,
});
/** @param at sequence number of the event whose rating raised the alarm */
const driftOf = (model: string, at: number, sequence: number, remains = 0.1): StoredEvent<DriftedEvent> => ({
  ...of(model, sequence),
  type: 'drifted',
  direction: 'worse',
  statistic: 16,
  threshold: 15,
  at,
  remains,
});

/** Drift of `big` at 10 and 20, a reset of `small` at 15. */
function eventful(): ArmResets {
  const resets = new ArmResets();
  resets.drifted(driftOf('big', 9, 10, 0.5));
  resets.reset(resetOf('small', 15));
  resets.drifted(driftOf('big', 19, 20, 0.1));
  return resets;
}

describe('ArmResets', () => {
  it('keeps the product of the shares of all drift resets since a rating was learned', () => {
    const resets = eventful();
    const none = { alarms: 0, share: 1 };
    const last = { alarms: 1, share: 0.1 };
    expect([9, 10, 19, 20].map((at) => resets.since('big', at, at))).toEqual([
      { alarms: 2, share: 0.05 },
      last,
      last,
      none,
    ]);
    expect(resets.since('small', 1, 1)).toEqual(none);
    expect(['big', 'small', 'other'].map((arm) => resets.hasDrifted(arm))).toEqual([true, false, false]);
    expect(resets.lastDrift('big')).toMatchObject({ sequence: 20, direction: 'worse', statistic: 16, remains: 0.1 });
    expect(resets.lastDrift('small')).toBeNull();
  });

  it('counts an alarm against every decision from before the change it detected, however late it is rated', () => {
    const resets = new ArmResets();
    resets.drifted({ ...driftOf('big', 19, 20, 0.1), changedAt: 12 });
    const alarms = (decidedAt: number) => resets.since('big', 30, decidedAt).alarms;
    expect([11, 12, 15, 25].map(alarms)).toEqual([1, 0, 0, 0]);
    // As logged by an earlier version.
    resets.drifted(driftOf('big', 39, 40, 0.1));
    expect(resets.since('big', 41, 1).alarms).toBe(1);
  });

  it("forgets decisions from before an admin's reset, for that arm only", () => {
    const resets = eventful();
    expect([14, 15, 16].map((at) => resets.isForgotten('small', at))).toEqual([true, false, false]);
    expect(resets.isForgotten('big', 1)).toBe(false);
    resets.reset(resetOf('small', 30));
    expect(resets.isForgotten('small', 16)).toBe(true);
  });

  it('treats an alarm from before a reset of either kind as outdated', () => {
    const resets = eventful();
    expect([15, 19, 20, 25].map((at) => resets.isOutdated(driftOf('big', at, 40)))).toEqual([true, true, false, false]);
    expect([14, 15].map((at) => resets.isOutdated(driftOf('small', at, 40)))).toEqual([true, false]);
    expect(resets.isOutdated(driftOf('other', 1, 40))).toBe(false);
  });

  it("reports no past drift after an admin's reset", () => {
    const resets = eventful();
    resets.reset(resetOf('big', 30));
    expect([resets.hasDrifted('big'), resets.lastDrift('big')]).toEqual([false, null]);
    expect(resets.since('big', 9, 9)).toEqual({ alarms: 0, share: 1 });
  });

  it('continues from a restored state without changing the state object it was given', () => {
    const [resets, copy] = [eventful(), new ArmResets()];
    const state = resets.state();
    const before = structuredClone(state);
    copy.restore(state);
    copy.drifted(driftOf('big', 25, 26, 0.5));
    expect(state).toEqual(before);
    expect(resets.state()).toEqual(before);
    resets.drifted(driftOf('big', 25, 26, 0.5));
    expect(copy.state()).toEqual(resets.state());
  });
});
