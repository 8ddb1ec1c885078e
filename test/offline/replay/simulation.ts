import type { QualityGuard } from '../../../src/bandit/policy.ts';
import type { Arm } from '../../../src/domain/arm.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { GatewayEvent, StoredEvent } from '../../../src/domain/events.ts';
import type { ExplorationKind } from '../../../src/domain/exploration.ts';
import type { Reliability } from '../../../src/domain/reliability.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
import type { Period } from '../../../src/offline/log/decision-records.ts';
import { type ReplayedLog, type ReplayStart, replayLog } from '../../../src/offline/replay/replay-log.ts';
import { type ReplayReport, replayReport } from '../../../src/offline/replay/report.ts';
import type { TargetPolicy } from '../../../src/offline/replay/target-policy.ts';
import { Breakers } from '../../../src/routing/breaker.ts';
import { Load } from '../../../src/routing/load.ts';
import { priorQualities } from '../../../src/routing/priors.ts';
import { RateLimits } from '../../../src/routing/rate-limits.ts';
import { Router } from '../../../src/routing/router.ts';
import { Silence } from '../../../src/routing/silence.ts';
import { type Random, seededRandom } from '../../../src/util/random.ts';
import { completed, decided, rated } from '../../gateway/unit/support.ts';
import { armOf, profileOf } from '../../routing/support.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** A model of the simulated world. Contexts are [1, ±1], both equally likely. */
interface SimulatedArm {
  usd: number;
  /** P(thumb up | x) = q·x, clipped to [0, 1]. */
  quality: [number, number];
  /** Median number of output tokens. */
  tokens: number;
  /** Share of answers that are rated. */
  ratedShare: number;
}

const WORLD: Record<string, SimulatedArm> = {
  big: { usd: 4, quality: [0.9, 0.01], tokens: 300, ratedShare: 0.8 },
  mid: { usd: 2, quality: [0.85, 0.05], tokens: 250, ratedShare: 0.7 },
  small: { usd: 1, quality: [0.78, 0.1], tokens: 350, ratedShare: 0.5 },
};
const KINDS = [
  [1, 1],
  [1, -1],
];
/** Standard deviation of the logarithm of output tokens. */
const LENGTH_SD = 0.5;
const INPUT_TOKENS = 100;
/** Ratings arrive this many decisions later. */
const DELAY = 15;

export const ARMS: Arm[] = Object.entries(WORLD).map(([id, { usd }]) => armOf(id, { usd }));

export interface SimulationOptions {
  decisions: number;
  seed: number;
  weight: number;
  exploration?: ExplorationKind;
  target: TargetPolicy;
  /** The quality target of the gateway that wrote the log. */
  guard?: QualityGuard | null;
  /** A model that was launched before the first decision. */
  launched?: string | null;
  /** Error rates of the raters, known to the gateway; null if they make no errors. */
  reliability?: Reliability | null;
}

/** A log written by the production router and learner, and the true result of the target policy in that world. */
export interface Simulation {
  events: GatewayEvent[];
  /** Means over the decisions, in expectation over queries, choices and outcomes, given what was known at each. */
  truth: { quality: number; costUsd: number };
}

/** A learner like the gateway's, with the priors of the simulated config. */
export function startLearner({ featureMap, dimensions, target }: ReplayStart): LearnerState {
  const learner = new LearnerState(featureMap, dimensions);
  const arms = ARMS.filter(({ id }) => target.models?.includes(id) ?? true);
  learner.policy.setPriorQualities(
    priorQualities(arms.map((arm) => ({ ...arm, prior: target.priors?.[arm.id] ?? arm.prior }))),
  );
  return learner;
}

/** The report on a log of these events. */
export async function replaySimulated(
  events: readonly GatewayEvent[],
  target: TargetPolicy,
  period: Period = {},
): Promise<ReplayReport> {
  return replayReport(await replayed(events, target, period), target, period);
}

export async function replayed(
  events: readonly GatewayEvent[],
  target: TargetPolicy,
  period: Period = {},
): Promise<ReplayedLog> {
  const store = new FakeStore();
  await store.append(events);
  return replayLog(store, period, target, startLearner);
}

export function simulate(options: SimulationOptions): Simulation {
  const { decisions, seed, weight, exploration = 'thompson', target } = options;
  const { guard = null, launched = null, reliability = null } = options;
  const random = seededRandom(seed);
  const targetIds = target.models ?? ARMS.map(({ id }) => id);
  const logging = new SimulatedGateway({}, ARMS, exploration, guard, random);
  const targetArms = ARMS.filter(({ id }) => targetIds.includes(id));
  // Weight and exploration do not affect what is learned.
  const sameLearner = !target.priors && !target.models;
  const learner = sameLearner ? logging.learner : undefined;
  const asked = new SimulatedGateway(
    target,
    targetArms,
    target.exploration ?? exploration,
    target.quality === 'off' ? null : (target.quality ?? guard),
    seededRandom(1),
    learner,
  );
  const events: GatewayEvent[] = [];
  const write = (event: GatewayEvent) => {
    events.push(event);
    logging.fold({ ...event, sequence: events.length });
    if (!sameLearner) asked.fold({ ...event, sequence: events.length });
  };
  if (launched !== null) {
    const event = { type: 'launched', decisionId: null, time: 0, model: launched, like: null } as const;
    write({ ...event, featureMap: 'map-1', priorMean: [0.85, 0] });
  }
  const truth = { quality: 0, costUsd: 0 };
  const late: GatewayEvent[][] = Array.from({ length: DELAY }, () => []);
  for (let i = 0; i < decisions; i++) {
    for (const kind of KINDS) {
      for (const { arm, propensity } of asked.decide(kind, target.weight ?? weight).arms) {
        const share = (propensity ?? 0) / KINDS.length / decisions;
        truth.quality += share * meanQuality(arm, kind);
        truth.costUsd += share * meanCost(arm);
      }
    }
    const id = `dec-${i}`;
    const kind = KINDS[Math.floor(random.uniform() * KINDS.length)];
    const decision = logging.decide(kind, weight);
    write(decided(id, decision, kind));
    const outputTokens = WORLD[decision.arm].tokens * Math.exp(LENGTH_SD * random.normal());
    const usage = { inputTokens: INPUT_TOKENS, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens };
    write(completed(id, { arm: decision.arm, usage, costUsd: costOf(decision.arm, outputTokens) }));
    const score = Number(random.uniform() < thumbUp(meanQuality(decision.arm, kind), reliability));
    const isRated = random.uniform() < WORLD[decision.arm].ratedShare;
    late.push(isRated ? [{ ...rated(id, `fb-${i}`, score), reliability }] : []);
    for (const event of late.shift() ?? []) write(event);
  }
  for (const event of late.flat()) write(event);
  return { events, truth };
}

/** The production router over the production learner. */
class SimulatedGateway {
  readonly learner: LearnerState;
  readonly #router: Router;
  readonly #histories = new Map<string, StoredEvent[]>();

  constructor(
    target: TargetPolicy,
    arms: Arm[],
    exploration: 'thompson' | 'ucb' | 'none',
    guard: QualityGuard | null,
    random: Random,
    learner?: LearnerState,
  ) {
    this.learner =
      learner ??
      startLearner({
        featureMap: 'map-1',
        dimensions: 2,
        modelChanges: new Map(),
        decisions: new Set(),
        target,
      });
    const clock = new ManualClock();
    this.#router = new Router(
      {
        arms,
        reference: 'big',
        exploration,
        latency: { budgetS: 30, beta: 0.25, gamma: 4, xi: 1, cap: 10 },
        launch: { tries: 30, budgetUsd: 1 },
        patienceS: 5,
        guard,
        budget: null,
      },
      () => this.learner,
      {
        load: new Load(),
        breakers: new Breakers(clock, { failures: 5, cooldownMs: 1000 }),
        rateLimits: new RateLimits(clock),
        silence: new Silence(clock),
      },
      random,
    );
  }

  decide(values: number[], weight: number): Decision {
    return this.#router.decide({
      context: { featureMap: 'map-1', values: Float32Array.from(values) },
      profile: profileOf(),
      tag: null,
      requested: null,
      allowed: null,
      stayWith: null,
      now: 0,
      weight,
      weightFrom: 'config',
    });
  }

  fold(event: StoredEvent): void {
    const history = this.#histories.get(event.decisionId ?? '') ?? [];
    this.learner.fold(event, history);
    this.#histories.set(event.decisionId ?? '', [...history, event]);
  }
}

function meanQuality(arm: string, kind: readonly number[]): number {
  const mean = WORLD[arm].quality.reduce((sum, coefficient, i) => sum + coefficient * kind[i], 0);
  return Math.min(1, Math.max(0, mean));
}

function thumbUp(quality: number, reliability: Reliability | null): number {
  if (!reliability) return quality;
  const { truePositive, falsePositive } = reliability;
  return falsePositive + (truePositive - falsePositive) * quality;
}

function costOf(arm: string, outputTokens: number): number {
  return ((INPUT_TOKENS + outputTokens) * WORLD[arm].usd) / 1e6;
}

/** The mean of a log-normal distribution is e^(σ²/2) times its median. */
function meanCost(arm: string): number {
  return costOf(arm, WORLD[arm].tokens * Math.exp(LENGTH_SD ** 2 / 2));
}
