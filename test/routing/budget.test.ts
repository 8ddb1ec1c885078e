import { describe, expect, it } from 'vitest';
import { nextNu, nextSurplus, nuOfWeight, weightOfNu } from '../../src/routing/budget.ts';
import { RoutingBudgetLedger, type RoutingBudgetTarget } from '../../src/routing/routing-budget-ledger.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { leftOfDayMs } from '../../src/util/utc-day.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("the budget's dual variable", () => {
  it('rises with overspending, and stays within its bounds', () => {
    expect(nextNu(0.1, 0.02, 0.01, 0)).toBeCloseTo(0.1 * Math.exp(0.1), 12);
    expect(nextNu(0.1, 0, 0.01, 0)).toBeCloseTo(0.1 * Math.exp(-0.1), 12);
    expect(nextNu(0.1, 1e9, 0.01, 0)).toBe(50);
    expect(nextNu(1.05e-4, 0, 0.01, 0)).toBe(1e-4);
    expect(weightOfNu(nuOfWeight(0.8))).toBeCloseTo(0.8, 12);
    expect([nuOfWeight(0), nuOfWeight(1)]).toEqual([50, 1e-4]);
  });

  it("falls with unspent money, by up to a hundred requests' worth", () => {
    expect(nextNu(0.1, 0.01, 0.01, 20)).toBeCloseTo(0.1 * Math.exp(-0.1 * (20 / 200)), 12);
    expect(nextSurplus(3, 0.005, 0.01)).toBeCloseTo(3.5, 12);
    expect(nextSurplus(99.9, 0, 0.01)).toBe(100);
    expect(nextSurplus(0, 5, 0.01)).toBe(-100);
  });
});

/**
 * A market of models at 1, 4 and 16 cents whose answers scatter around that, and a taker who weighs quality against cost
 * as the score does: the dearer model for hard queries, at any price of money.
 */
function spend(
  ledger: RoutingBudgetLedger,
  target: RoutingBudgetTarget,
  times: readonly number[],
  random: Random,
  underWay = 1,
) {
  const ending: (() => void)[] = [];
  const nus: number[] = [];
  const models = [
    { quality: 0.7, usd: 0.01 },
    { quality: 0.85, usd: 0.04 },
    { quality: 0.95, usd: 0.16 },
  ];
  const byDay = new Map<number, number>();
  let refused = 0;
  times.forEach((at, i) => {
    const nu = ledger.nu(0.5);
    nus.push(nu);
    const limit = ledger.limitUsd(target, at);
    const hard = 0.5 + random.uniform();
    const affordable = models.filter(({ usd }) => usd <= limit);
    if (affordable.length === 0) {
      ledger.refused(at);
      refused++;
      return;
    }
    // As in the gateway, where only decisions are in the log.
    ledger.asked(at);
    const value = ({ quality, usd }: (typeof models)[number]) => hard * quality - (nu * usd) / 0.16;
    const { usd } = affordable.reduce((best, model) => (value(model) > value(best) ? model : best));
    const id = String(i);
    ledger.reserve(id, usd, at);
    const costUsd = usd * (0.7 + 0.6 * random.uniform());
    const request = { targetUsd: ledger.targetUsd(target, at), weight: weightOfNu(nu), predictedUsd: usd };
    ledger.decided(request);
    ending.push(() => ledger.spent(id, at, costUsd, request));
    if (ending.length >= underWay) ending.shift()?.();
    byDay.set(Math.floor(at / DAY), (byDay.get(Math.floor(at / DAY)) ?? 0) + costUsd);
  });
  for (const end of ending) end();
  return { byDay, refused, nus };
}

describe('RoutingBudgetLedger', () => {
  it('spends within 1 % of a target per request over 2,000 requests', () => {
    const ledger = new RoutingBudgetLedger();
    const times = Array.from({ length: 2000 }, (_, i) => i * 1000);
    spend(ledger, { usdPerRequest: 0.05 }, times, seededRandom(1));
    expect(Math.abs(ledger.meanUsd / 0.05 - 1)).toBeLessThan(0.01);
  });

  it.each([1, 10, 100, 300])('neither overspends nor oscillates with %d requests under way', (underWay) => {
    const ledger = new RoutingBudgetLedger();
    const times = Array.from({ length: 5000 }, (_, i) => i * 1000);
    const { nus } = spend(ledger, { usdPerRequest: 0.05 }, times, seededRandom(1), underWay);
    expect(Math.abs(ledger.meanUsd / 0.05 - 1)).toBeLessThan(0.01);
    const logs = nus.slice(2500).map(Math.log);
    const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
    const sd = Math.sqrt(logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / logs.length);
    expect(sd).toBeLessThan(0.5);
  });

  it('follows actual spending even if a prediction far above the target hit a bound', () => {
    const ledger = new RoutingBudgetLedger();
    const usual = { targetUsd: 0.01, weight: 0.8, predictedUsd: 0.01 };
    ledger.decided(usual);
    ledger.spent('usual', 0, 0.01, usual);
    const dear = { ...usual, predictedUsd: 1.5 };
    ledger.decided(dear);
    ledger.spent('dear', 0, 0.6, dear);
    expect(ledger.nu(0.5)).toBe(50);
  });

  it('is unchanged by an outage, even at a bound', () => {
    const ledger = new RoutingBudgetLedger();
    const request = { targetUsd: 2, weight: 0.8, predictedUsd: 0.16 };
    for (let i = 0; i < 1000; i++) {
      ledger.decided(request);
      ledger.spent(String(i), 0, 0.16, request);
    }
    const before = { ...ledger.state() };
    expect([before.nu, before.surplus]).toEqual([1e-4, 100]);
    for (let i = 0; i < 300; i++) ledger.decided(request);
    for (let i = 0; i < 300; i++) ledger.spent(`failed-${i}`, 0, 0, request, true);
    expect([ledger.state().nu, ledger.state().surplus]).toEqual([1e-4, 100]);
  });

  it('equals an update at each end if requests do not overlap', () => {
    const [predicted, atEnd] = [new RoutingBudgetLedger(), new RoutingBudgetLedger()];
    const random = seededRandom(4);
    const first = { targetUsd: 0.05, weight: 0.5, predictedUsd: null };
    for (const ledger of [predicted, atEnd]) ledger.spent('first', 0, 0.05, first);
    for (let i = 0; i < 500; i++) {
      const [predictedUsd, costUsd] = [0.1 * random.uniform(), 0.1 * random.uniform()];
      const request = { targetUsd: 0.05, weight: 0.5, predictedUsd };
      predicted.decided(request);
      // A failed request changes nothing.
      predicted.decided(request);
      predicted.spent(`failed-${i}`, 0, 0, request, true);
      predicted.spent(String(i), 0, costUsd, request);
      atEnd.spent(String(i), 0, costUsd, { ...request, predictedUsd: null });
      expect(predicted.state().surplus).toBeCloseTo(atEnd.state().surplus, 9);
      expect(predicted.meanUsd).toBeCloseTo(atEnd.meanUsd, 12);
    }
    expect(predicted.nu(0.5)).toBeCloseTo(atEnd.nu(0.5), 9);
  });

  it.each([0.001, 30])('meets its target even if it starts far from the right dual variable: at %d', (nu) => {
    const ledger = new RoutingBudgetLedger();
    ledger.restore({ ...ledger.state(), nu });
    const times = Array.from({ length: 2000 }, (_, i) => i * 1000);
    spend(ledger, { usdPerRequest: 0.05 }, times, seededRandom(1));
    expect(Math.abs(ledger.meanUsd / 0.05 - 1)).toBeLessThan(0.01);
  });

  it('resets its surplus for a new target, and keeps none for daily budgets, whose targets vary', () => {
    const ledger = new RoutingBudgetLedger();
    const account = (targets: readonly number[]) => {
      for (const [i, targetUsd] of targets.entries()) {
        ledger.spent(String(i), 0, 0.01, { targetUsd, weight: 0.5, predictedUsd: null });
      }
      return ledger.state().surplus;
    };
    expect(account([0.02, 0.02, 0.02])).toBeCloseTo(1, 12);
    expect(account([0.04])).toBe(0);
    expect(account([0.04, 0.04])).toBeCloseTo(1.5, 12);
    expect(account([0.041, 0.042, 0.043])).toBe(0);
  });

  it.each([
    ['an even day', (_: number, u: number) => u * 24],
    ['a quiet morning', (i: number, u: number) => (i % 20 === 0 ? u * 12 : 12 + u * 12)],
    ['a burst across midnight', (i: number, u: number) => (i % 2 === 0 ? 23.5 + u * 0.5 : u * 0.5)],
  ])('never overspends a day by more than 1 %%: %s', (_, hour) => {
    const random = seededRandom(2);
    const usdPerDay = 20;
    const times = Array.from({ length: 9000 }, (_, i) => {
      const day = i % 3;
      return (100 + day) * DAY + hour(i, random.uniform()) * HOUR;
    }).sort((a, b) => a - b);
    const ledger = new RoutingBudgetLedger();
    const { byDay } = spend(ledger, { usdPerDay }, times, random);
    expect(byDay.size).toBe(3);
    for (const usd of byDay.values()) expect(usd).toBeLessThan(usdPerDay * 1.01);
    // But it does get spent.
    expect(Math.max(...byDay.values())).toBeGreaterThan(usdPerDay * 0.9);
  });

  it('spends all of an office-hours day after having seen one, and saves for a nightly batch', () => {
    const random = seededRandom(5);
    const usdPerDay = 50;
    const times = Array.from({ length: 12 }, (_, day) => {
      const inOffice = Array.from({ length: 1000 }, () => 8 + 10 * random.uniform());
      const batch = Array.from({ length: day % 3 === 0 ? 500 : 0 }, () => 22 + random.uniform());
      return (day < 6 ? inOffice : [...inOffice, ...batch]).map((hour) => (100 + day) * DAY + hour * HOUR);
    });
    const ledger = new RoutingBudgetLedger();
    const days = times.map((day) => {
      const { byDay, refused } = spend(
        ledger,
        { usdPerDay },
        day.sort((a, b) => a - b),
        random,
      );
      return { spent: [...byDay.values()][0] / usdPerDay, refused };
    });
    for (const { spent } of days) expect(spent).toBeLessThan(1.01);
    for (const { spent } of days.slice(2, 6)) expect(spent).toBeGreaterThan(0.97);
    // It could not expect the first batch.
    expect(days[9].spent).toBeGreaterThan(0.97);
    expect(days[9].refused).toBeLessThan(5);
  });

  it('does not take a quiet night as a sign of a quiet day', () => {
    const ledger = new RoutingBudgetLedger();
    const morning = 100 * DAY + 8 * HOUR;
    for (let i = 0; i < 500; i++) ledger.asked(morning + i * 20_000);
    ledger.asked(morning + DAY);
    const evenShare = 20_000 / leftOfDayMs(morning);
    expect(ledger.targetUsd({ usdPerDay: 1 }, morning + DAY)).toBeLessThan(5 * evenShare);
  });

  it('reserves the cost of ended requests until their end is folded, or the day is over', () => {
    const ledger = new RoutingBudgetLedger();
    const noon = 100 * DAY + 12 * HOUR;
    const left = (at: number) => 2 * ledger.limitUsd({ usdPerDay: 1 }, at);
    for (const id of ['a', 'b']) ledger.reserve(id, 0.4, noon);
    ledger.settle('a', 0.3, noon);
    ledger.settle('b', 0.2, noon);
    ledger.settle('unknown', 0.2, noon);
    expect(left(noon + 3 * HOUR)).toBeCloseTo(0.5, 12);
    ledger.spent('a', noon, 0.3, null);
    expect(left(noon + 3 * HOUR)).toBeCloseTo(0.5, 12);
    // The end of the other one was lost.
    expect(left(noon + DAY)).toBe(1);
  });

  it('keeps the cost of no more ended requests than the event log keeps events', () => {
    const ledger = new RoutingBudgetLedger();
    const noon = 100 * DAY + 12 * HOUR;
    for (let i = 0; i < 51_000; i++) {
      ledger.reserve(String(i), 1, noon);
      ledger.settle(String(i), 1, noon);
    }
    const reservedUsd = 1e6 - 2 * ledger.limitUsd({ usdPerDay: 1e6 }, noon);
    expect(reservedUsd).toBeGreaterThanOrEqual(49_000);
    expect(reservedUsd).toBeLessThanOrEqual(50_000);
    // The oldest ones were dropped.
    ledger.release('0');
    expect(1e6 - 2 * ledger.limitUsd({ usdPerDay: 1e6 }, noon)).toBe(reservedUsd);
    ledger.release('50999');
    expect(1e6 - 2 * ledger.limitUsd({ usdPerDay: 1e6 }, noon)).toBe(reservedUsd - 1);
  });

  it('reserves the predicted cost of running requests, for at most an hour', () => {
    const ledger = new RoutingBudgetLedger();
    const target = { usdPerDay: 1 };
    const now = 5 * DAY + HOUR;
    expect(ledger.limitUsd(target, now)).toBe(0.5);
    ledger.reserve('a', 0.4, now);
    expect(ledger.limitUsd(target, now)).toBeCloseTo(0.3, 12);
    ledger.spent('a', now, 0.2, { targetUsd: 0.1, weight: 0.5, predictedUsd: 0.4 });
    expect(ledger.limitUsd(target, now)).toBeCloseTo(0.4, 12);
    ledger.reserve('lost', 0.8, now);
    expect(ledger.limitUsd(target, now + 2 * HOUR)).toBeCloseTo(0.4, 12);
    expect(ledger.limitUsd(target, 6 * DAY)).toBe(0.5);
  });

  it('continues counting the day after a clock that was a year ahead for a moment', () => {
    const ledger = new RoutingBudgetLedger();
    const noon = Date.UTC(2026, 2, 30, 12);
    ledger.spent('a', noon, 4, null);
    ledger.spent('b', Date.UTC(2027, 2, 30, 12), 32, null);
    ledger.spent('c', noon + 1000, 1, null);
    expect(ledger.spentToday(noon + 2000)).toBe(5);
    expect(ledger.limitUsd({ usdPerDay: 5 }, noon + 2000)).toBe(0);
  });

  it('continues from a restored state', () => {
    const random = seededRandom(3);
    const ledger = new RoutingBudgetLedger();
    spend(
      ledger,
      { usdPerDay: 2 },
      Array.from({ length: 50 }, (_, i) => 7 * DAY + i * 60_000),
      random,
    );
    const restored = new RoutingBudgetLedger();
    restored.restore(JSON.parse(JSON.stringify(ledger.state())));
    const now = 7 * DAY + HOUR;
    expect(restored.nu(0.5)).toBe(ledger.nu(0.5));
    expect(restored.targetUsd({ usdPerDay: 2 }, now)).toBe(ledger.targetUsd({ usdPerDay: 2 }, now));
    expect(restored.spentToday(now)).toBe(ledger.spentToday(now));
  });
});
