import { dayOf } from '../util/utc-day.ts';
import { correctedNu, correctedSurplus, isAtBound, isFull, nextNu, nextSurplus, nuOfWeight } from './budget.ts';
import { TrafficForecast, type TrafficForecastState } from './traffic-forecast.ts';

/** What routing may spend: on average per request, or per UTC day. */
export type RoutingBudgetTarget = { usdPerRequest: number } | { usdPerDay: number };

/** The parts of a request decided under a budget that the budget needs. */
export interface BudgetedRequest {
  /** B at the time of the decision, USD > 0. */
  targetUsd: number;
  /**
   * The budget's weight at the time of the decision, even if a key's bounds replaced it; null when it played no part.
   */
  weight: number | null;
  /** Predicted USD of all choices of the request together; null if not predicted. */
  predictedUsd: number | null;
}

/** Only today's sum is used, but requests may end late around midnight, and a clock may briefly be days ahead. */
const DAYS_KEPT = 4;
/** In USD. Needed because a target of zero would cause a division by zero. */
const MIN_TARGET_USD = 1e-12;
/** A prediction counts for at most this many targets when its request is decided. */
const MAX_STEP = 5;
/** A request that has not ended after this time counts as lost. */
const LOST_MS = 3_600_000;
/**
 * The maximum number of ended requests that are kept until their end is folded: the event log keeps no more events while
 * it cannot be written. Beyond it the oldest ones are dropped, a thousand at a time, because finding the first entry of
 * a Map takes long once many before it have been deleted.
 */
const MAX_ENDED = { size: 50_000, dropped: 1000 };
/** An answer may cost more than predicted, so near the day's end this many times the prediction must be left. */
const HEADROOM = 2;

export interface RoutingBudgetLedgerState {
  /** ν, the price of money; null until the first request under a budget. */
  nu: number | null;
  /** The latest target, and S: how much of it the requests under it have left unspent, in units of the target. */
  targetUsd: number | null;
  surplus: number;
  /**
   * UTC days since the epoch with the amount spent on each: the latest days, in the order in which they were first
   * seen.
   */
  days: [day: number, usd: number][];
  /** Total USD and number of all requests that were decided under a budget. */
  spentUsd: number;
  requests: number;
  traffic: TrafficForecastState;
}

/**
 * The cost in USD that the step at the decision uses. A much higher prediction would drive ν to its bound, which cuts
 * off most of the step, and the later correction would then take back what was never added.
 */
function reckonedUsd({ predictedUsd, targetUsd }: BudgetedRequest): number | null {
  return predictedUsd === null ? null : Math.min(predictedUsd, MAX_STEP * targetUsd);
}

/**
 * What was spent, and the price of money ν that follows from it. A fold over the event log that uses the events' own
 * times.
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
   * Reservations of this process's requests: of those that run, and of those that have ended but are not folded yet. And
   * their sum, which is maintained because there may be many while the store is down and every decision needs it. Not
   * part of the state.
   */
  #reserved = {
    requests: new Map<string, { usd: number; at: number }>(),
    ended: new Map<string, { usd: number; at: number }>(),
    usd: 0,
    /** The UTC day in which ended requests were last swept. */
    sweptOn: 0,
  };

  /**
   * The current ν.
   * @param weight the weight that a budget starts from
   */
  nu(weight: number): number {
    return this.#state.nu ?? nuOfWeight(weight);
  }

  /** Mean USD of the requests that were decided under a budget; 0 before the first. */
  get meanUsd(): number {
    return this.#state.requests === 0 ? 0 : this.#state.spentUsd / this.#state.requests;
  }

  /** @param now milliseconds since the epoch */
  spentToday(now: number): number {
    return this.#state.days.find(([day]) => day === dayOf(now))?.[1] ?? 0;
  }

  /** Notes that a request arrived and was not refused. */
  asked(at: number): void {
    this.#traffic.asked(at);
  }

  /** Notes that a request was refused because too little is left of the day. */
  refused(at: number): void {
    this.#traffic.refused(at);
  }

  /**
   * Notes a decision under a budget. ν takes its step now, using the predicted cost. If it waited for the end of the
   * request, ν would swing from one bound to the other whenever more requests are running than the loop's gain can bear
   * (about fifteen).
   */
  decided(request: BudgetedRequest): void {
    const predictedUsd = reckonedUsd(request);
    if (predictedUsd !== null) this.#step(request, predictedUsd, 0);
  }

  /**
   * Notes the end of a request and its cost.
   * @param request null when it was decided without a budget
   * @param hasFailed true if it cost nothing because no model answered; it then counts as if it had not been made
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
   * Reserves the cost of a running request; called again when the request moves on to another arm.
   * @param usd its predicted cost
   */
  reserve(id: string, usd: number, at: number): void {
    // Remove and add it again, so that the reservations stay ordered by time.
    this.release(id);
    this.#reserved.requests.set(id, { usd, at });
    this.#reserved.usd += usd;
  }

  /**
   * Replaces the reservation of a request that has ended by its cost, which stays reserved until its end is folded: a
   * failing store may hold that up for hours. Only a daily budget needs this; without one, `release` is enough. Has no
   * effect if nothing is reserved for the request.
   */
  settle(id: string, usd: number, at: number): void {
    if (!this.#reserved.requests.has(id)) return;
    this.release(id);
    const { ended } = this.#reserved;
    ended.set(id, { usd, at });
    this.#reserved.usd += usd;
    if (ended.size <= MAX_ENDED.size) return;
    for (const oldest of ended.keys()) {
      if (ended.size <= MAX_ENDED.size - MAX_ENDED.dropped) return;
      this.release(oldest);
    }
  }

  /**
   * Shares what the log does not know with the ledger that this one is about to replace: refused requests, and
   * reservations, because until the replacement the end of a request may be folded into either.
   */
  shareUnlogged(other: RoutingBudgetLedger): void {
    this.#reserved = other.#reserved;
    this.#traffic.shareRefused(other.#traffic);
  }

  /**
   * Drops what is reserved for requests that ended up to `time` (milliseconds since the epoch), because the state was
   * restored from a snapshot that contains them. The end of a later request may still be waiting for a failing store.
   */
  bookedUpTo(time: number): void {
    for (const [id, { at }] of this.#reserved.ended) if (at <= time) this.release(id);
  }

  release(id: string): void {
    const { requests, ended, usd } = this.#reserved;
    const reservation = requests.get(id) ?? ended.get(id);
    if (!reservation) return;
    requests.delete(id);
    ended.delete(id);
    // Set to exactly 0 when nothing is reserved, so that rounding errors are not carried along.
    this.#reserved.usd = requests.size + ended.size === 0 ? 0 : usd - reservation.usd;
  }

  /**
   * B: what a request may cost on average from now on. A daily budget is spread over the requests that the rest of the
   * day will probably bring.
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

  /**
   * @param surplusCounts 1 if ν should also follow the surplus, else 0. It must be 1 exactly once for each request that
   * ends.
   */
  #step({ targetUsd, weight }: BudgetedRequest, costUsd: number, surplusCounts: number): void {
    const state = this.#state;
    if (weight !== null) state.nu ??= nuOfWeight(weight);
    if (state.nu === null) return;
    state.nu = nextNu(state.nu, costUsd, targetUsd, surplusCounts * this.#surplus(costUsd, targetUsd));
  }

  /** @param surpriseUsd the real cost minus the cost that the step counted */
  #correct(surpriseUsd: number, targetUsd: number): void {
    const state = this.#state;
    if (state.nu === null) return;
    const isSame = state.targetUsd === targetUsd;
    if (isSame) state.surplus = correctedSurplus(state.surplus, surpriseUsd, targetUsd);
    state.nu = correctedNu(state.nu, surpriseUsd, targetUsd, isSame ? state.surplus : 0);
  }

  /** Undoes a step. At a bound the step was cut off, so there is nothing to take back. */
  #takeBack(surpriseUsd: number, targetUsd: number): void {
    const state = this.#state;
    if (state.nu === null) return;
    if (!isAtBound(state.nu)) state.nu = correctedNu(state.nu, surpriseUsd, targetUsd, 0);
    if (state.targetUsd !== targetUsd || isFull(state.surplus)) return;
    state.surplus = correctedSurplus(state.surplus, surpriseUsd, targetUsd);
  }

  /**
   * Updates and returns S after a request. A daily budget's target changes with every request, so it carries no surplus
   * over.
   */
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
    const today = dayOf(now);
    if (this.#reserved.sweptOn !== today) {
      this.#reserved.sweptOn = today;
      for (const [id, { at }] of this.#reserved.ended) if (dayOf(at) < today) this.release(id);
    }
    for (const [id, { at }] of this.#reserved.requests) {
      if (now - at <= LOST_MS) return;
      this.release(id);
    }
  }
}
