import { expectedWait, type LatencyPenaltyOptions, Load, latencyPenalty } from '../../routing/load.ts';
import { derivedSeed, type Random, seededRandom } from '../../util/random.ts';
import { mean } from '../../util/statistics.ts';
import { splitOf } from '../evaluate/measure-split.ts';
import type { EvaluationRow } from '../evaluate/predictor.ts';
import type { OnlineData } from '../online-data.ts';
import { type Experiment, type Measurement, MIN_MODELS } from './experiment.ts';
import { type Choice, PolicyDriver, PURPOSE } from './policy-driver.ts';
import { figuresOf, type Gain, gainOf, perHundred, type Scale, scaleOf, UTILITY } from './scoring.ts';
import { Agenda, SlotQueue } from './slot-queue.ts';

/** The paper's stream: 100 queries in 10 s. An answer that takes more than 30 s scores 0. */
const ARRIVALS_PER_S = 10;
export const LIMIT_S = 30;

/** The largest share of the stream that one model can serve in the long run. */
const SERVED_SHARE = 0.3;
/**
 * Simulated mean service times in seconds, of the cheapest and of the dearest model. The others lie in between, by
 * price rank.
 */
const SERVICE_S = { least: 2, most: 8 };
/** Standard deviation of the logarithm of a service time. */
const SERVICE_LOG_SD = 0.5;

const OFFLINE_SHARE = 0.2;

/** The gateway's defaults (config/schema.ts). */
export const PENALTY: LatencyPenaltyOptions = { budgetS: LIMIT_S, beta: 0.25, gamma: 4, xi: 0.5, cap: 100 };

const ON = 'MixLLM Gateway, latency penalty on (default)';
const OFF = 'MixLLM Gateway, latency penalty off';
const IDLE = 'MixLLM Gateway, if there were no queues';
const BEST = 'always the best model (hindsight)';
const RANDOM = 'any model at random';

export interface Upstream {
  slots: number;
  /** Mean service time in seconds. */
  serviceS: number;
}

export interface Arrival {
  row: EvaluationRow;
  /** Seconds from the start; ascending. */
  time: number;
  /** Factor on the model's mean service time. */
  effort: number;
}

export interface Served extends Gain {
  model: number;
  waitS: number;
  latencyS: number;
}

/** Chooses a model when a query arrives, and is notified when each answer is complete. */
export interface TimedRouter {
  choose(row: EvaluationRow): Choice;
  /**
   * @param latencyS seconds from arrival to end
   * @param late whether it arrived after the limit, so that nobody rates it
   */
  completed(row: EvaluationRow, choice: Choice, latencyS: number, late: boolean): void;
}

/** Sends the arrivals through the upstreams in simulated time. A late answer is paid for, but scores 0. */
export function simulate(
  arrivals: readonly Arrival[],
  upstreams: readonly Upstream[],
  router: TimedRouter,
  scale: Scale,
): Served[] {
  const queues = upstreams.map(({ slots }) => new SlotQueue(slots));
  const completions = new Agenda<() => void>();
  return arrivals.map(({ row, time, effort }) => {
    for (const complete of completions.due(time)) complete();
    const choice = router.choose(row);
    const { begin, end } = queues[choice.model].enter(time, effort * upstreams[choice.model].serviceS);
    const latencyS = end - time;
    const late = latencyS > LIMIT_S;
    completions.add(end, () => router.completed(row, choice, latencyS, late));
    const gain = gainOf(row, choice.model, scale);
    return { model: choice.model, quality: late ? 0 : gain.quality, cost: gain.cost, waitS: begin - time, latencyS };
  });
}

/** The production policy with the gateway's own computation of waits and penalties. */
class PenalisedRouter implements TimedRouter {
  readonly #driver: PolicyDriver;
  readonly #models: readonly string[];
  readonly #upstreams: readonly Upstream[];
  readonly #options: LatencyPenaltyOptions;
  readonly #load = new Load();
  readonly #calls = new Map<EvaluationRow, { leave: () => void; queued: number }>();

  constructor(
    driver: PolicyDriver,
    models: readonly string[],
    upstreams: readonly Upstream[],
    options: LatencyPenaltyOptions,
  ) {
    this.#driver = driver;
    this.#models = models;
    this.#upstreams = upstreams;
    this.#options = options;
  }

  choose(row: EvaluationRow): Choice {
    const penalties = this.#upstreams.map(({ slots }, model) => {
      const arm = this.#models[model];
      if (!Number.isFinite(slots)) return 0;
      const waitS = expectedWait(this.#load.inFlight(arm), slots, this.#driver.statistics.serviceSeconds(arm));
      return latencyPenalty(waitS, this.#options);
    });
    const choice = this.#driver.choose(row.context, { penalties });
    const arm = this.#models[choice.model];
    const { slots } = this.#upstreams[choice.model];
    const queued = Number.isFinite(slots) ? expectedWait(this.#load.inFlight(arm), slots, 1) : 0;
    this.#calls.set(row, { leave: this.#load.enter(arm), queued });
    return choice;
  }

  completed(row: EvaluationRow, choice: Choice, latencyS: number, late: boolean): void {
    const call = this.#calls.get(row);
    call?.leave();
    // As in the gateway: measured from the call to the end of the answer, less the wait that the queue suggests.
    this.#driver.statistics.learnService(this.#models[choice.model], latencyS, call?.queued);
    this.#driver.answered(row, choice);
    if (!late) this.#driver.rated(row, choice.model, row.quality[choice.model]);
  }
}

function fixedRouter(model: () => number): TimedRouter {
  return { choose: () => ({ model: model(), predictedTokens: 0 }), completed: () => {} };
}

/**
 * Service times by rank of list price.
 * @param prices per model
 */
export function simulatedUpstreams(prices: readonly number[]): Upstream[] {
  const ranked = [...prices.keys()].sort((a, b) => prices[a] - prices[b]);
  return prices.map((_, model) => {
    const rank = ranked.indexOf(model) / Math.max(1, prices.length - 1);
    const serviceS = SERVICE_S.least * (SERVICE_S.most / SERVICE_S.least) ** rank;
    return { serviceS, slots: Math.round(SERVED_SHARE * ARRIVALS_PER_S * serviceS) };
  });
}

/** A Poisson stream; the effort is log-normal with a mean of 1. */
function arrivalsOf(rows: readonly EvaluationRow[], seed: number): Arrival[] {
  const [gaps, services]: Random[] = [PURPOSE.arrivals, PURPOSE.services].map((p) =>
    seededRandom(derivedSeed(seed, p)),
  );
  let time = 0;
  return rows.map((row) => {
    time += -Math.log(1 - gaps.uniform()) / ARRIVALS_PER_S;
    return { row, time, effort: Math.exp(SERVICE_LOG_SD * services.normal() - SERVICE_LOG_SD ** 2 / 2) };
  });
}

export const latency: Experiment = {
  name: 'latency',
  title: 'Under a time limit (simulated latencies)',
  protocol:
    'The data record no latencies: **all times here are simulated**. Queries arrive as a Poisson stream of 100 ' +
    `per 10 s; an answer later than ${LIMIT_S} s scores 0, is still paid for, and is not rated. Simulated service ` +
    `times are log-normal (sd of the logarithm ${SERVICE_LOG_SD}) around a mean per model, from ` +
    `${SERVICE_S.least} s for the cheapest by list price to ${SERVICE_S.most} s for the most expensive. Each ` +
    `model has slots for ${100 * SERVED_SHARE} % of the stream; queries beyond that wait in order of arrival. The ` +
    'policy knows a fifth of the queries beforehand and learns online, each answer graded when it arrives; waits ' +
    "and penalties are computed by the gateway's own code, with its default settings, from requests in flight and " +
    'measured times. At one weight (ν = 0.1).',
  reading:
    'Shows whether the penalty keeps queues short enough for the limit, and what the detours cost in quality and ' +
    'money. Does not show real latencies, nor providers that slow down under load or refuse it; other slots and ' +
    'service times would give other figures.',
  lead: { figure: UTILITY, over: () => OFF },
  plot: { kind: 'per-hundred', label: '↑ mean simulated latency per 100 queries, s', scale: 1 },
  seeds: (asked) => Math.ceil(asked / 4),
  measure(data, seed) {
    return data.models.length < MIN_MODELS ? null : measureLatency(data, seed);
  },
};

export function measureLatency(data: OnlineData, seed: number): Measurement {
  const { train, test } = splitOf(data, seed, OFFLINE_SHARE);
  const scale = scaleOf(test);
  const arrivals = arrivalsOf(test, seed);
  const upstreams = simulatedUpstreams(new PolicyDriver(data, seed, scale.best).prices);
  const idle = upstreams.map((upstream) => ({ ...upstream, slots: Number.POSITIVE_INFINITY }));
  const routed = (at: readonly Upstream[], options: LatencyPenaltyOptions) => {
    const driver = new PolicyDriver(data, seed, scale.best);
    driver.teach(train);
    return simulate(arrivals, at, new PenalisedRouter(driver, data.models, at, options), scale);
  };
  const lots = seededRandom(derivedSeed(seed, PURPOSE.choices));
  const anyModel = () => Math.floor(lots.uniform() * data.models.length);
  const runs: Record<string, Served[]> = {
    [ON]: routed(upstreams, PENALTY),
    [OFF]: routed(upstreams, { ...PENALTY, beta: 0 }),
    [IDLE]: routed(idle, { ...PENALTY, beta: 0 }),
    [BEST]: simulate(
      arrivals,
      upstreams,
      fixedRouter(() => scale.best),
      scale,
    ),
    [RANDOM]: simulate(arrivals, upstreams, fixedRouter(anyModel), scale),
  };
  const entries = Object.entries(runs);
  return {
    figures: Object.fromEntries(entries.map(([way, served]) => [way, timedFigures(served, scale)])),
    // The best model's own queue would dwarf the others, so it is not plotted.
    curves: Object.fromEntries(
      entries
        .filter(([way]) => way !== BEST)
        .map(([way, served]) => [way, perHundred(served.map(({ latencyS }) => latencyS))]),
    ),
  };
}

function timedFigures(served: readonly Served[], scale: Scale): Record<string, number> {
  const latencies = served.map(({ latencyS }) => latencyS).sort((a, b) => a - b);
  return {
    late: mean(latencies.map((latencyS) => Number(latencyS > LIMIT_S))),
    ...figuresOf(served, scale),
    'mean simulated wait, s': mean(served.map(({ waitS }) => waitS)),
    '95th percentile of simulated latency, s': latencies[Math.floor(0.95 * latencies.length)],
  };
}
