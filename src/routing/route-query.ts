import type { Policy } from '../bandit/policy.ts';
import type { Arm } from '../domain/arm.ts';
import type { Context, RequestProfile } from '../domain/context.ts';
import type { ChosenBy, Decision } from '../domain/decision.ts';
import type { KeyBudget } from './affordable.ts';
import type { ArmStatistics } from './arm-statistics.ts';
import type { AwaitedRatings } from './awaited-ratings.ts';
import type { Breakers } from './breaker.ts';
import type { CountedInput } from './eligibility.ts';
import type { Launches } from './launches.ts';
import type { Load } from './load.ts';
import type { RateLimits } from './rate-limits.ts';
import type { RoutingBudgetLedger } from './routing-budget-ledger.ts';
import type { Silence } from './silence.ts';

/** What the router knows about the arms. Shared with the learner, which keeps it up to date. */
export interface RoutingKnowledge {
  policy: Policy & { ratingsOf(arm: string): number; expectedOutputTokens(arm: string, x: Float64Array): number };
  statistics: ArmStatistics;
  launches: Launches;
  awaitedRatings: AwaitedRatings;
  routingSpend: RoutingBudgetLedger;
}

/** The arm that answered before, and the reason why it should answer again. */
export interface StayWith {
  arm: string;
  as: Extract<ChosenBy, 'session' | 'tool_calls'>;
}

export interface RouteQuery {
  context: Context;
  profile: RequestProfile;
  /** The kind of query; null when the embedder failed. It only explains the decision and does not influence it. */
  tag: string | null;
  /** The arm that the client named, or null to choose. */
  requested: Arm | null;
  allowed: ReadonlySet<string> | null;
  /** What is left of the key's budget; absent or null: no budget. */
  keyBudget?: KeyBudget | null;
  /** The arm that should keep answering if it can; null if any arm may. */
  stayWith: StayWith | null;
  /**
   * Per upstream of an arm (`upstreamOf`): the input tokens that its prompt cache will probably supply; absent: none.
   */
  cachedTokens?: ReadonlyMap<string, number>;
  /**
   * Input tokens that the reference's prompt cache would supply if the reference had answered the conversation so far;
   * absent: none.
   */
  heldByReference?: number;
  /** By the arm's upstream: the earlier request that it counted; absent: none. */
  countedInput?: ReadonlyMap<string, CountedInput>;
  weight: number;
  weightFrom: Decision['weightFrom'];
  budgetWeight?: Decision['budgetWeight'];
  /** Milliseconds since the epoch. */
  now: number;
}

/** The current condition of the arms, as observed by the calls of this process only. */
export interface ArmConditions {
  load: Load;
  breakers: Breakers;
  rateLimits: RateLimits;
  silence: Silence;
}
