import { describe, expect, it } from 'vitest';
import type { CallResult, GatewayEvent } from '../../../src/domain/events.ts';
import { chargedUsd, KeySpendLedger, periodEnd } from '../../../src/gateway/key-spend-ledger.ts';
import { completed, decided, explanationOf } from './support.ts';

const at = (text: string) => Date.parse(`${text}Z`);

function ledgerOf(spends: [key: string | null, time: string, usd: number | null][]): KeySpendLedger {
  const ledger = new KeySpendLedger();
  spends.forEach(([key, time, costUsd], i) => {
    const history: GatewayEvent[] = [{ ...decided(`d${i}`), key }];
    ledger.fold(history[0], []);
    ledger.fold(completed(`d${i}`, { time: at(time), costUsd }), history);
  });
  return ledger;
}

describe('KeySpendLedger', () => {
  it('adds up by key, and by the UTC day and month in which a request ended', () => {
    const ledger = ledgerOf([
      ['a', '2026-02-28T23:59:59.999', 1],
      ['a', '2026-03-01T00:00:00.000', 2],
      ['b', '2026-03-01T12:00:00', 40],
      [null, '2026-03-01T12:00:00', 80],
      ['a', '2026-03-02T12:00:00', 4],
      ['__proto__', '2026-03-02T12:00:00', 8],
    ]);
    expect(ledger.spent('a', 'day', at('2026-03-01T23:59:59.999'))).toBe(6);
    expect(ledger.spent('a', 'day', at('2026-03-02T00:00:00'))).toBe(4);
    expect(ledger.spent('a', 'month', at('2026-03-31T00:00:00'))).toBe(6);
    expect(ledger.spent('a', 'month', at('2026-04-01T00:00:00'))).toBe(0);
    expect(ledger.spent('b', 'month', at('2026-03-31T00:00:00'))).toBe(40);
    expect(ledger.spent('__proto__', 'day', at('2026-03-02T00:00:00'))).toBe(8);
    expect(ledger.spent('c', 'month', at('2026-03-31T00:00:00'))).toBe(0);
    const restored = new KeySpendLedger();
    restored.restore(JSON.parse(JSON.stringify(ledger.state())));
    expect(restored.state()).toEqual(ledger.state());
  });

  it('forgets days that cannot be in the current month', () => {
    const days = Array.from({ length: 90 }, (_, i) =>
      new Date(at('2026-01-01') + i * 86_400_000).toISOString().slice(0, -1),
    );
    const ledger = ledgerOf(days.map((day) => ['a', day, 1]));
    expect(ledger.state()[0][1]).toHaveLength(40);
    expect(ledger.spent('a', 'month', at('2026-03-31'))).toBe(31);
  });

  it('is not thrown off by a clock that was a year ahead for a moment', () => {
    const ledger = ledgerOf([
      ['a', '2026-03-30T12:00:00', 4],
      ['a', '2027-03-30T12:00:00', 32],
      ['a', '2026-03-30T12:00:01', 1],
    ]);
    expect(ledger.spent('a', 'day', at('2026-03-30T13:00:00'))).toBe(5);
    expect(ledger.spent('a', 'month', at('2026-03-31T13:00:00'))).toBe(5);
  });

  it('charges the predicted cost if no usage was reported, but nothing for refused calls or unknown arms', () => {
    const decision = decided('d', {
      arms: [explanationOf('big', { costUsd: 0.5 }), explanationOf('small', { costUsd: 0.1 })],
    });
    const charge = (fields: Parameters<typeof completed>[1]) => chargedUsd(decision, completed('d', fields));
    const attempt = (arm: string, result: CallResult) => ({ arm, result, status: null, durationMs: 1 });
    expect(charge({ costUsd: 0.02 })).toBe(0.02);
    expect(charge({ costUsd: null, arm: 'small', outcome: 'aborted' })).toBe(0.1);
    expect(
      charge({ costUsd: null, arm: null, attempts: [attempt('small', 'status'), attempt('big', 'aborted')] }),
    ).toBe(0.5);
    expect(charge({ costUsd: null, arm: null, attempts: [attempt('big', 'status')] })).toBe(0);
    expect(charge({ costUsd: null, arm: 'gone since' })).toBe(0);
  });

  it('charges the predicted cost for every call that timed out before its answer began', () => {
    const decision = decided('d', {
      arms: [explanationOf('big', { costUsd: 0.5 }), explanationOf('small', { costUsd: 0.1 })],
    });
    const charge = (fields: Parameters<typeof completed>[1]) => chargedUsd(decision, completed('d', fields));
    const [late, lateToo] = ['big', 'small'].map((arm) => ({
      arm,
      result: 'timeout' as const,
      status: null,
      durationMs: 1,
    }));
    const answered = { arm: 'small', result: 'ok' as const, status: 200, durationMs: 1 };
    expect(charge({ costUsd: null, arm: null, attempts: [late, late, lateToo] })).toBeCloseTo(1.1, 12);
    expect(charge({ costUsd: 0.02, arm: 'small', attempts: [late, answered] })).toBeCloseTo(0.52, 12);
    // Here the answer had begun, so what arrived is known.
    expect(charge({ costUsd: 0.02, arm: 'small', outcome: 'interrupted', attempts: [lateToo] })).toBe(0.02);
  });

  it('charges at least the prediction if the client left or the answer was unread, but not if it broke off', () => {
    const decision = decided('d', { arms: [explanationOf('big', { costUsd: 0.5 })] });
    const charge = (fields: Parameters<typeof completed>[1]) => chargedUsd(decision, completed('d', fields));
    const estimated = { costUsd: 0.02, usageEstimated: true };
    expect(charge({ ...estimated, outcome: 'aborted' })).toBe(0.5);
    expect(charge({ ...estimated, outcome: 'aborted', costUsd: 0.75 })).toBe(0.75);
    const unread = {
      outcome: 'interrupted' as const,
      attempts: [{ arm: 'big', result: 'unread' as const, status: 200, durationMs: 1 }],
    };
    expect([charge({ ...estimated, ...unread }), charge({ costUsd: 0.02, ...unread })]).toEqual([0.5, 0.02]);
    expect(charge({ costUsd: 0.02, outcome: 'aborted' })).toBe(0.02);
    expect(charge({ ...estimated, outcome: 'interrupted' })).toBe(0.02);
    expect(charge(estimated)).toBe(0.02);
  });

  it('charges the worst case instead if the budget is strict', () => {
    const arms = [explanationOf('big', { costUsd: 0.5, worstCaseUsd: 2 })];
    const decision = decided('d', { arms, strictBudget: true });
    const left = { arm: 'big', outcome: 'aborted' as const, costUsd: 0.02 };
    expect(chargedUsd(decision, completed('d', { ...left, usageEstimated: true }))).toBe(2);
    expect(chargedUsd(decision, completed('d', { ...left, outcome: 'ok', usageEstimated: true }))).toBe(2);
    expect(chargedUsd(decision, completed('d', { ...left, outcome: 'interrupted', usageEstimated: true }))).toBe(2);
    expect(chargedUsd(decision, completed('d', left))).toBe(0.02);
    expect(chargedUsd(decision, completed('d', { costUsd: 0.02 }))).toBe(0.02);
  });

  it('knows when a period ends', () => {
    expect(periodEnd('day', at('2026-02-28T12:00:00'))).toBe(at('2026-03-01'));
    expect(periodEnd('month', at('2026-12-31T23:59:59'))).toBe(at('2027-01-01'));
  });
});
