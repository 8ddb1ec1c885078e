import { mean } from '../util/statistics.ts';
import { DAY_MS, dayOf, leftOfDayMs } from '../util/utc-day.ts';

const HOUR_MS = 3_600_000;
const HOURS = 24;
/** Milliseconds between requests before anything is known, equivalent to a thousand requests a day. */
const PRIOR_INTERVAL_MS = DAY_MS / 1000;
/** Weight of the newest gap in the mean gap, so that about the last fifty requests count. */
const INTERVAL_SHARE = 0.02;
/**
 * Longer gaps count as this long. When a whole night counted in full, the first half hour of the morning took a quarter
 * of the day's budget.
 */
const MAX_GAP_MS = HOUR_MS;
/** The week before today, so that every day of the week is included. */
const DAYS_BEFORE = 7;
/** Fraction of a usual day that must be seen, or be missing, before today counts as a different kind of day. */
const PATIENCE = 0.05;

export interface TrafficForecastState {
  lastRequestAt: number | null;
  intervalMs: number;
  /** The UTC day of the very first request, which is incomplete because counting began in the middle of it. */
  firstDay: number | null;
  /** Requests in each hour of the latest UTC days, in the order in which the days were first seen. */
  days: [day: number, hours: number[]][];
}

/**
 * Predicts how many requests the rest of a UTC day will bring, by scaling the hours of the previous days to what today
 * shows so far. On the first two days, before a whole day has been recorded, it uses the pace of the latest requests.
 */
export class TrafficForecast {
  #state: TrafficForecastState = {
    lastRequestAt: null,
    intervalMs: PRIOR_INTERVAL_MS,
    firstDay: null,
    days: [],
  };
  /**
   * Requests that were refused because the day's budget was spent, in this process, in the same form as the others. Not
   * part of the state, because the event log does not know of them.
   */
  #refused: TrafficForecastState['days'] = [];

  /**
   * Notes that a request arrived and was not refused.
   * @param at milliseconds since the epoch
   */
  asked(at: number): void {
    const state = this.#state;
    if (state.lastRequestAt !== null) {
      const gap = Math.min(MAX_GAP_MS, Math.max(0, at - state.lastRequestAt));
      state.intervalMs += INTERVAL_SHARE * (gap - state.intervalMs);
    }
    state.lastRequestAt = at;
    state.firstDay ??= dayOf(at);
    hoursOf(state.days, dayOf(at))[hourOf(at)]++;
  }

  /**
   * Notes a request that was refused because the day's budget was spent. It counts on later days: otherwise hours that
   * found no money would seem to bring no requests, so that no money would ever be kept for them.
   */
  refused(at: number): void {
    hoursOf(this.#refused, dayOf(at))[hourOf(at)]++;
  }

  /** Shares the refused requests of the forecast that this one is about to replace. */
  shareRefused(other: TrafficForecast): void {
    this.#refused = other.#refused;
  }

  /**
   * Expected number of requests until midnight UTC, at least 1.
   * @param now milliseconds since the epoch
   */
  untilMidnight(now: number): number {
    const { days, firstDay, intervalMs } = this.#state;
    const today = dayOf(now);
    const before = days
      .filter(([day]) => day < today && day >= today - DAYS_BEFORE && day !== firstDay)
      .map(([day, hours]) => this.#withRefused(day, hours));
    if (before.length === 0) return Math.max(1, leftOfDayMs(now) / Math.max(1, intervalMs));
    const counted = this.#withRefused(today, days.find(([day]) => day === today)?.[1] ?? []);
    const patience = PATIENCE * mean(before.map(sum));
    const hour = hourOf(now);
    const ofHour = (now % HOUR_MS) / HOUR_MS;
    const like = (hours: readonly number[]) => {
      const busyness = (from: number) => {
        const then = sum(hours.slice(from, hour)) + hours[hour] * ofHour;
        const ratio = (sum(counted.slice(from, hour + 1)) + patience) / (then + patience);
        // A day that had brought almost nothing by this time cannot show that today is busy: otherwise a weekend's
        // evening would be expected to grow like a Monday morning.
        return then < patience ? Math.min(1, ratio) : ratio;
      };
      // The last hour reveals a rush that the day as a whole would hide.
      const scale = Math.max(busyness(0), busyness(Math.max(0, hour - 1)));
      return scale * (hours[hour] * (1 - ofHour) + sum(hours.slice(hour + 1)));
    };
    // Use the busiest day: money held back too long can still be spent, but after overspending requests are refused.
    return Math.max(1, ...before.map(like));
  }

  state(): TrafficForecastState {
    return this.#state;
  }

  restore(state: TrafficForecastState): void {
    this.#state = state;
  }

  #withRefused(day: number, hours: readonly number[]): readonly number[] {
    const refused = this.#refused.find(([other]) => other === day)?.[1];
    return refused ? refused.map((requests, hour) => requests + (hours[hour] ?? 0)) : hours;
  }
}

/** The hours of a day, which is added when it is new. */
function hoursOf(days: TrafficForecastState['days'], day: number): number[] {
  const known = days.find(([other]) => other === day);
  if (known) return known[1];
  const hours = new Array<number>(HOURS).fill(0);
  days.push([day, hours]);
  if (days.length > DAYS_BEFORE + 1) days.shift();
  return hours;
}

/** 0 to 23, UTC. */
function hourOf(time: number): number {
  return Math.floor((time % DAY_MS) / HOUR_MS);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
