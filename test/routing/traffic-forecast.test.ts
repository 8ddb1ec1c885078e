import { describe, expect, it } from 'vitest';
import { TrafficForecast } from '../../src/routing/traffic-forecast.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** @param days the requests per hour of consecutive UTC days, which are numbered from 100 */
function forecastAfter(...days: readonly Record<number, number>[]): TrafficForecast {
  const forecast = new TrafficForecast();
  days.forEach((hours, i) => {
    for (const [hour, requests] of Object.entries(hours)) {
      for (let n = 0; n < requests; n++) {
        forecast.asked((100 + i) * DAY + Number(hour) * HOUR + (n * HOUR) / requests);
      }
    }
  });
  return forecast;
}

const at = (day: number, hour: number) => (100 + day) * DAY + hour * HOUR;
/** The first day is incomplete, because counting began during it, and is left out. */
const begun = { 23: 1 };
const office = { 8: 100, 9: 100, 10: 100, 11: 100, 12: 100, 13: 100, 14: 100, 15: 100 };

describe('TrafficForecast', () => {
  it('uses the pace of the latest requests until a whole day is known', () => {
    expect(new TrafficForecast().untilMidnight(at(0, 0))).toBeCloseTo(1000, 9);
    const forecast = forecastAfter(office);
    const ofLastHours = (24 - 15.99) * 100;
    expect(forecast.untilMidnight(at(0, 15.99)) / ofLastHours).toBeCloseTo(1, 2);
    // No other day is known, because the first one is left out.
    expect(forecast.untilMidnight(at(1, 8))).toBeGreaterThan(1000);
  });

  it('expects what previous days brought at the same hours', () => {
    const forecast = forecastAfter(begun, office, office);
    expect(forecast.untilMidnight(at(3, 0))).toBeCloseTo(800, 9);
    expect(forecast.untilMidnight(at(3, 8))).toBeCloseTo(800, 9);
    const atNoon = forecastAfter(begun, office, { 8: 100, 9: 100, 10: 100, 11: 100 });
    expect(atNoon.untilMidnight(at(2, 12))).toBeCloseTo(400, 9);
    const later = forecastAfter(begun, office, { 8: 100, 9: 100, 10: 100, 11: 100, 12: 25 });
    expect(later.untilMidnight(at(2, 12.25))).toBeCloseTo(375, 9);
    expect(forecast.untilMidnight(at(2, 20))).toBe(1);
  });

  it('scales previous days to a quieter or busier day, damped by a twentieth of a day', () => {
    const quiet = forecastAfter(begun, office, { 8: 10, 9: 10, 10: 10, 11: 10 });
    // The larger share of the last hour's and the whole day's counts: here damping weighs more in the hour.
    expect(quiet.untilMidnight(at(2, 12))).toBeCloseTo((400 * (10 + 40)) / (100 + 40), 9);
    const busy = forecastAfter(begun, office, { 8: 300, 9: 300, 10: 300, 11: 300 });
    expect(busy.untilMidnight(at(2, 12))).toBeCloseTo((400 * (1200 + 40)) / (400 + 40), 9);
  });

  it('notices a rush in the last hour that the day as a whole hides', () => {
    const rush = forecastAfter(begun, office, { 8: 10, 9: 10, 10: 10, 11: 300 });
    expect(rush.untilMidnight(at(2, 12))).toBeCloseTo((400 * (300 + 40)) / (100 + 40), 9);
  });

  it('counts refused requests, also once it is replaced', () => {
    const forecast = forecastAfter(begun, office);
    for (let n = 0; n < 500; n++) forecast.refused(at(1, 22.5));
    expect(forecast.untilMidnight(at(2, 8))).toBeCloseTo(1300, 9);
    expect(forecast.untilMidnight(at(2, 20))).toBeCloseTo(500, 9);
    const next = new TrafficForecast();
    next.shareRefused(forecast);
    next.restore(JSON.parse(JSON.stringify(forecast.state())));
    next.refused(at(1, 22.6));
    expect([next, forecast].map((each) => each.untilMidnight(at(2, 8)))).toEqual([1301, 1301]);
  });

  it('uses the busiest day of the last week', () => {
    const usual = forecastAfter(begun, office, { ...office, 22: 500 }, office, office);
    expect(usual.untilMidnight(at(5, 0))).toBeCloseTo(1300, 9);
    const evening = forecastAfter(begun, office, { ...office, 22: 500 }, office, office, office);
    expect(evening.untilMidnight(at(5, 18))).toBeCloseTo(500, 9);
    const forgotten = forecastAfter(begun, { ...office, 22: 500 }, ...Array.from({ length: 8 }, () => office));
    expect(forgotten.untilMidnight(at(10, 18))).toBe(1);
  });

  it('does not take evening traffic at the weekend as a sign that Monday is busy', () => {
    const weekend = { 22: 100 };
    const monday = forecastAfter(begun, office, office, weekend, weekend, { 8: 100, 9: 100, 10: 100, 11: 100 });
    expect(monday.untilMidnight(at(5, 12))).toBeCloseTo(400, 9);
  });

  it('forgets days more than a week old, however few days there were since', () => {
    const forecast = forecastAfter(begun, { ...office, 22: 50_000 });
    for (const day of [8, 9]) for (let n = 0; n < 100; n++) forecast.asked(at(day, 12));
    expect(forecast.untilMidnight(at(8, 12))).toBeGreaterThan(40_000);
    expect(forecast.untilMidnight(at(9, 12))).toBeCloseTo(100, 9);
  });

  it('is not misled by a clock that was a year ahead for a moment', () => {
    const forecast = forecastAfter(begun, office);
    for (let n = 0; n < 1000; n++) forecast.asked(at(365, 20));
    for (let hour = 8; hour < 12; hour++) for (let n = 0; n < 100; n++) forecast.asked(at(2, hour));
    expect(forecast.untilMidnight(at(2, 12))).toBeCloseTo(400, 9);
  });

  it('continues from a restored state', () => {
    const forecast = forecastAfter(begun, office, { 8: 30 });
    const restored = new TrafficForecast();
    restored.restore(JSON.parse(JSON.stringify(forecast.state())));
    for (const day of [2, 3]) expect(restored.untilMidnight(at(day, 9))).toBe(forecast.untilMidnight(at(day, 9)));
  });
});
