import type { ExplorationKind, OfferAssessment, Policy } from '../../bandit/policy.ts';
import type { Prior } from '../../domain/arm.ts';
import type { DecidedEvent } from '../../domain/events.ts';
import { seededRandom } from '../../util/random.ts';

/** The settings that the log is asked about. What is absent stays as each decision had it. */
export interface TargetPolicy {
  /** In place of every decision's own weight, wherever that came from; 0..1. */
  weight?: number;
  exploration?: ExplorationKind;
  /** The only models to choose from. */
  models?: readonly string[];
  /** By model id, in place of the config's. */
  priors?: Readonly<Record<string, Prior>>;
}

/** Propensities are exact, and only the choice, which is not looked at, depends on the draw. */
const RANDOM = seededRandom(0);

/**
 * How probable each model is under the target policy in a logged situation: the same candidates, waits, predicted
 * costs and unit of cost as the decision had. Lengths are learned alike under every target, so the logged costs are its own.
 * @param x the decision's context, length d
 * @returns what `policy` thinks of each candidate; empty when no model of the target could serve
 * @throws Error when `policy` cannot tell
 */
export function targetAssessments(
  { decision }: DecidedEvent,
  x: Float64Array,
  policy: Policy,
  target: TargetPolicy,
): OfferAssessment[] {
  const offers = decision.arms.flatMap(({ arm, excluded, costUsd, penalty }) =>
    excluded !== null || costUsd === null || (target.models && !target.models.includes(arm))
      ? []
      : [{ arm, cost: () => costUsd, penalty: penalty ?? 0 }],
  );
  if (offers.length === 0) return [];
  return policy.decide({
    context: x,
    offers,
    weight: target.weight ?? decision.weight,
    reference: decision.reference,
    referenceCost: () => decision.referenceMeanCostUsd,
    exploration: target.exploration ?? explorationOf(decision.exploration),
    random: RANDOM,
  }).assessments;
}

function explorationOf(name: string): ExplorationKind {
  if (name === 'thompson' || name === 'ucb' || name === 'none') return name;
  throw new Error(`The log knows an exploration that this version does not: ${name}.`);
}
