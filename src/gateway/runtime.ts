import { type Arm, upstreamOf } from '../domain/arm.ts';
import type { Provider } from '../providers/provider.ts';
import type { Router } from '../routing/router.ts';
import type { RoutingBudgetTarget } from '../routing/routing-budget-ledger.ts';
import type { Stickiness } from './conversations.ts';
import type { AskingRates } from './feedback-requests.ts';
import type { ImplicitSettings } from './implicit-signals.ts';

/** Limits of one gateway key. */
export interface KeyLimits {
  name: string;
  /** An admin may use /admin and /metrics, and sees every key's decisions. */
  role: 'user' | 'admin';
  weight: { min: number; max: number };
  /** Arm ids, or null for all. */
  models: ReadonlySet<string> | null;
  /** Chat requests and tokens per minute; null: no limit. */
  rpm: number | null;
  tpm: number | null;
  /** USD per UTC day or month; null: no limit. `strict`: no output length is assumed where the client gives none. */
  budget: { usd: number; per: 'day' | 'month'; strict?: boolean } | null;
}

export interface Resilience {
  /** Number of retries of one arm after a failure that may pass. */
  retries: number;
  /** The longest `retry-after` to wait for; if the upstream asks for more, another arm is asked at once. */
  maxRetryAfterMs: number;
}

/** What another name of a model stands for. */
export interface Alias {
  /** `auto`, `auto:…` or an arm's id. */
  model: string;
  /** Ids of the arms that may answer, for a `model` that is routed; null for all. */
  among: ReadonlySet<string> | null;
}

/**
 * Everything that is derived from the config file and changes with it, as one immutable value. A request takes the
 * value that is current when it arrives and keeps it to the end.
 */
export interface Runtime {
  arms: readonly Arm[];
  providers: ReadonlyMap<string, Provider>;
  router: Router;
  reference: string;
  /**
   * The weight of requests that specify none, unless a budget determines it; the budget's weight starts from this one.
   */
  defaultWeight: number;
  budget: RoutingBudgetTarget | null;
  namedWeights: ReadonlyMap<string, number>;
  /** What other model names stand for. The name `*` covers all unknown ones. */
  aliases: ReadonlyMap<string, Alias>;
  resilience: Resilience;
  /**
   * `named`: for conversations that the client names by `x-session-id`. `recognised`: for those recognised by their
   * messages.
   */
  stickiness: { named: Stickiness; recognised: Stickiness };
  asking: AskingRates;
  implicit: ImplicitSettings;
}

/** Whether the arm has the same upstream now as before: the same model, provider and provider settings. */
export function isSameUpstream(arm: Arm, before: Runtime, now: Runtime): boolean {
  if (before === now) return true;
  const isSameArm = (other: Arm) => other.id === arm.id && upstreamOf(other) === upstreamOf(arm);
  return before.providers.get(arm.provider) === now.providers.get(arm.provider) && now.arms.some(isSameArm);
}
