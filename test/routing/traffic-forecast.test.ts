import { describe, expect, it } from 'vitest';
import { TrafficForecast } from '../../src/routing/traffic-forecast.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** @param days for each UTC day the requests of its hours; the day numbers follow one another from 100 */
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
/** The first day began before anyone counted, and is left out. */
const begun = { 23: 1 };
const office = { 8: 100, 9: 100, 10: 100, 11: 100, 12: 100, 13: 100, 14: 100, 15: 100 };

describe('TrafficForecast', () => {
  it('goes by the pace of the last requests while no whole day is known', () => {
    expect(new TrafficForecast().untilMidnight(at(0, 0))).toBeCloseTo(1000, 9);
    const forecast = forecastAfter(office);
    const ofLastHours = (24 - 15.99) * 100;
    expect(forecast.untilMidnight(at(0, 15.99)) / ofLastHours).toBeCloseTo(1, 2);
    // Of which no other is known: the first one is left out.
    expect(forecast.untilMidnight(at(1, 8))).toBeGreaterThan(1000);
  });

  it('expects of a day what the days before brought at those hours', () => {
    const forecast = forecastAfter(begun, office, office);
    expect(forecast.untilMidnight(at(3, 0))).toBeCloseTo(800, 9);
    expect(forecast.untilMidnight(at(3, 8))).toBeCloseTo(800, 9);
    const atNoon = forecastAfter(begun, office, { 8: 100, 9: 100, 10: 100, 11: 100 });
    expect(atNoon.untilMidnight(at(2, 12))).toBeCloseTo(400, 9);
    const later = forecastAfter(begun, office, { 8: 100, 9: 100, 10: 100, 11: 100, 12: 25 });
    expect(later.untilMidnight(at(2, 12.25))).toBeCloseTo(375, 9);
    expect(forecast.untilMidnight(at(2, 20))).toBe(1);
  });

  it('scales them to a quieter and to a busier day, with a twentieth of a day as patience', () => {
    const quiet = forecastAfter(begun, office, { 8: 10, 9: 10, 10: 10, 11: 10 });
    // Of the last hour's and the whole day's share the larger: here the patience weighs more in the hour.
    expect(quiet.untilMidnight(at(2, 12))).toBeCloseTo((400 * (10 + 40)) / (100 + 40), 9);
    const busy = forecastAfter(begun, office, { 8: 300, 9: 300, 10: 300, 11: 300 });
    expect(busy.untilMidnight(at(2, 12))).toBeCloseTo((400 * (1200 + 40)) / (400 + 40), 9);
  });

  it('sees a rush by the last hour that the day as a whole hides', () => {
    const rush = forecastAfter(begun, office, { 8: 10, 9: 10, 10: 10, 11: 300 });
    expect(rush.untilMidnight(at(2, 12))).toBeCloseTo((400 * (300 + 40)) / (100 + 40), 9);
  });

  it('goes by the busiest day of the last week', () => {
    const usual = forecastAfter(begun, office, { ...office, 22: 500 }, office, office);
    expect(usual.untilMidnight(at(5, 0))).toBeCloseTo(1300, 9);
    const evening = forecastAfter(begun, office, { ...office, 22: 500 }, office, office, office);
    expect(evening.untilMidnight(at(5, 18))).toBeCloseTo(500, 9);
    const forgotten = forecastAfter(begun, { ...office, 22: 500 }, ...Array.from({ length: 8 }, () => office));
    expect(forgotten.untilMidnight(at(10, 18))).toBe(1);
  });

  it('does not take a weekend with traffic in the evening alone for a sign that Monday is busy', () => {
    const weekend = { 22: 100 };
    const monday = forecastAfter(begun, office, office, weekend, weekend, { 8: 100, 9: 100, 10: 100, 11: 100 });
    expect(monday.untilMidnight(at(5, 12))).toBeCloseTo(400, 9);
  });

  it('forgets what is more than a week ago, however few days there were since', () => {
    const forecast = forecastAfter(begun, { ...office, 22: 50_000 });
    for (const day of [8, 9]) for (let n = 0; n < 100; n++) forecast.asked(at(day, 12));
    expect(forecast.untilMidnight(at(8, 12))).toBeGreaterThan(40_000);
    expect(forecast.untilMidnight(at(9, 12))).toBeCloseTo(100, 9);
  });

  it('is not led astray by a clock that was a year ahead for a moment', () => {
    const forecast = forecastAfter(begun, office);
    for (let n = 0; n < 1000; n++) forecast.asked(at(365, 20));
    for (let hour = 8; hour < 12; hour++) for (let n = 0; n < 100; n++) forecast.asked(at(2, hour));
    expect(forecast.untilMidnight(at(2, 12))).toBeCloseTo(400, 9);
  });

  it('goes on from its state', () => {
    const forecast = forecastAfter(begun, office, { 8: 30 });
    const restored = new TrafficForecast();
    restored.restore(JSON.parse(JSON.stringify(forecast.state())));
    for (const day of [2, 3]) expect(restored.untilMidnight(at(day, 9))).toBe(forecast.untilMidnight(at(day, 9)));
  });
});
