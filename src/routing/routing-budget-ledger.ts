import { dayOf } from '../util/utc-day.ts';
import { correctedNu, correctedSurplus, isAtBound, isFull, nextNu, nextSurplus, nuOfWeight } from './budget.ts';
import { TrafficForecast, type TrafficForecastState } from './traffic-forecast.ts';

/** What routing may spend: on average per request, or per UTC day. */
export type RoutingBudgetTarget = { usdPerRequest: number } | { usdPerDay: number };

/** A request that was decided under a budget, as far as the budget is concerned. */
export interface BudgetedRequest {
  /** B at the decision, USD > 0. */
  targetUsd: number;
  /** The budget's weight at the decision, even if a key's bounds replaced it; null when it played no part. */
  weight: number | null;
  /** USD of all the request's answers together; null: not predicted. */
  predictedUsd: number | null;
}

/** Only today's sum is used, but requests end late around midnight, and a clock may be days ahead for a moment. */
const DAYS_KEPT = 4;
/** USD, because a target of zero would cause a division by zero. */
const MIN_TARGET_USD = 1e-12;
/** A prediction counts for at most this many targets when its request is decided. */
const MAX_STEP = 5;
/** A request without an end counts as lost after this time. */
const LOST_MS = 3_600_000;
/** An answer may cost more than predicted, so near the day's end this many times the prediction must be left. */
const HEADROOM = 2;

export interface RoutingBudgetLedgerState {
  /** ν, the price of money; null until the first request under a budget. */
  nu: number | null;
  /** The latest target, then S: what the requests under it have left of it, in targets. */
  targetUsd: number | null;
  surplus: number;
  /** UTC days since the epoch and what was spent on each: the latest ones, in the order in which they first came. */
  days: [day: number, usd: number][];
  /** USD and number of all requests that were made under a budget. */
  spentUsd: number;
  requests: number;
  traffic: TrafficForecastState;
}

/**
 * The USD that the step at the decision counts. A much higher prediction would drive ν to its bound, which swallows
 * most of the step, and the correction would then take back what was never added.
 */
function reckonedUsd({ predictedUsd, targetUsd }: BudgetedRequest): number | null {
  return predictedUsd === null ? null : Math.min(predictedUsd, MAX_STEP * targetUsd);
}

/**
 * What was spent, and the price of money that follows from it. A fold over the event log, by the events' own times.
 */
export class RoutingBudgetLedger {
  readonly #traffic = new TrafficForecast();
  #state: RoutingBudgetLedgerState = {
    nu: null,
    targetUsd: null,
    surplus: 0,
    days: [],
    spentUsd: 0,
    requests: 0,
    traffic: this.#traffic.state(),
  };
  /**
   * Reservations of this process's running requests, with their sum: there may be many while the store is down, and
   * every decision asks. Not part of the state.
   */
  #reserved = { requests: new Map<string, { usd: number; at: number }>(), usd: 0 };

  /**
   * The current ν.
   * @param weight the weight that a budget starts from
   */
  nu(weight: number): number {
    return this.#state.nu ?? nuOfWeight(weight);
  }

  /** Mean USD of the requests that were made under a budget; 0 before the first. */
  get meanUsd(): number {
    return this.#state.requests === 0 ? 0 : this.#state.spentUsd / this.#state.requests;
  }

  /** @param now milliseconds since the epoch */
  spentToday(now: number): number {
    return this.#state.days.find(([day]) => day === dayOf(now))?.[1] ?? 0;
  }

  /** Notes that a request came. */
  asked(at: number): void {
    this.#traffic.asked(at);
  }

  /**
   * Notes a decision under a budget. ν takes its step now, by the predicted cost. If it waited for the end, with more
   * requests running than the loop's gain can bear (about fifteen), it would swing from one bound to the other.
   */
  decided(request: BudgetedRequest): void {
    const predictedUsd = reckonedUsd(request);
    if (predictedUsd !== null) this.#step(request, predictedUsd, 0);
  }

  /**
   * Notes the end of a request and its cost.
   * @param request null when it was decided without a budget
   * @param hasFailed it cost nothing because no model answered: it counts as if it had not been made
   */
  spent(id: string, at: number, costUsd: number, request: BudgetedRequest | null, hasFailed = false): void {
    this.release(id);
    this.#addToDay(dayOf(at), costUsd);
    if (request === null) return;
    const { targetUsd } = request;
    const predictedUsd = reckonedUsd(request);
    if (hasFailed) {
      if (predictedUsd !== null) this.#takeBack(targetUsd - predictedUsd, targetUsd);
      return;
    }
    this.#state.spentUsd += costUsd;
    this.#state.requests++;
    if (predictedUsd === null) this.#step(request, costUsd, 1);
    else this.#correct(costUsd - predictedUsd, targetUsd);
  }

  /**
   * Reserves the cost of a running request, also when it moves on to another arm.
   * @param usd its predicted cost
   */
  reserve(id: string, usd: number, at: number): void {
    // Removed and added again, so that the reservations stay in the order of their time.
    this.release(id);
    this.#reserved.requests.set(id, { usd, at });
    this.#reserved.usd += usd;
  }

  /**
   * Shares the reservations of the ledger that this one is about to replace: until then the end of a request may be
   * folded into either.
   */
  shareReservations(other: RoutingBudgetLedger): void {
    this.#reserved = other.#reserved;
  }

  release(id: string): void {
    const { requests, usd } = this.#reserved;
    const reservation = requests.get(id);
    if (!reservation) return;
    requests.delete(id);
    // Exactly 0 when nothing is reserved, so that no rounding error is carried along.
    this.#reserved.usd = requests.size === 0 ? 0 : usd - reservation.usd;
  }

  /**
   * B: what a request may cost on average from now on. A daily budget is spread over the requests that the rest of
   * the day is likely to bring.
   */
  targetUsd(target: RoutingBudgetTarget, now: number): number {
    if ('usdPerRequest' in target) return target.usdPerRequest;
    return Math.max(MIN_TARGET_USD, this.#left(target.usdPerDay, now) / this.#traffic.untilMidnight(now));
  }

  /** The highest predicted cost in USD that one request may have; infinite without a daily budget. */
  limitUsd(target: RoutingBudgetTarget, now: number): number {
    if ('usdPerRequest' in target) {
      this.#releaseLost(now);
      return Number.POSITIVE_INFINITY;
    }
    return Math.max(0, this.#left(target.usdPerDay, now)) / HEADROOM;
  }

  state(): RoutingBudgetLedgerState {
    return this.#state;
  }

  restore(state: RoutingBudgetLedgerState): void {
    this.#state = state;
    this.#traffic.restore(state.traffic);
  }

  #addToDay(day: number, usd: number): void {
    const { days } = this.#state;
    const known = days.find(([other]) => other === day);
    if (known) known[1] += usd;
    else days.push([day, usd]);
    if (days.length > DAYS_KEPT) days.shift();
  }

  /** @param surplusCounts 1 when ν follows the surplus too, else 0; 1 once for each request that ends */
  #step({ targetUsd, weight }: BudgetedRequest, costUsd: number, surplusCounts: number): void {
    const state = this.#state;
    if (weight !== null) state.nu ??= nuOfWeight(weight);
    if (state.nu === null) return;
    state.nu = nextNu(state.nu, costUsd, targetUsd, surplusCounts * this.#surplus(costUsd, targetUsd));
  }

  /** @param surpriseUsd the real cost less the cost that the step counted */
  #correct(surpriseUsd: number, targetUsd: number): void {
    const state = this.#state;
    if (state.nu === null) return;
    const isSame = state.targetUsd === targetUsd;
    if (isSame) state.surplus = correctedSurplus(state.surplus, surpriseUsd, targetUsd);
    state.nu = correctedNu(state.nu, surpriseUsd, targetUsd, isSame ? state.surplus : 0);
  }

  /** Undoes a step. At a bound the step was swallowed, so there is nothing to take back. */
  #takeBack(surpriseUsd: number, targetUsd: number): void {
    const state = this.#state;
    if (state.nu === null) return;
    if (!isAtBound(state.nu)) state.nu = correctedNu(state.nu, surpriseUsd, targetUsd, 0);
    if (state.targetUsd !== targetUsd || isFull(state.surplus)) return;
    state.surplus = correctedSurplus(state.surplus, surpriseUsd, targetUsd);
  }

  /** Returns S after a request. A daily budget's target changes with every request, so it carries no surplus over. */
  #surplus(costUsd: number, targetUsd: number): number {
    const state = this.#state;
    const isSame = state.targetUsd === targetUsd;
    state.surplus = isSame ? nextSurplus(state.surplus, costUsd, targetUsd) : 0;
    state.targetUsd = targetUsd;
    return state.surplus;
  }

  #left(usdPerDay: number, now: number): number {
    this.#releaseLost(now);
    return usdPerDay - this.spentToday(now) - this.#reserved.usd;
  }

  #releaseLost(now: number): void {
    for (const [id, { at }] of this.#reserved.requests) {
      if (now - at <= LOST_MS) return;
      this.release(id);
    }
  }
}
