import type { Offer, OfferAssessment, Policy, QualityGuard } from '../../bandit/policy.ts';
import type { Prior } from '../../domain/arm.ts';
import type { ArmExplanation, Decision } from '../../domain/decision.ts';
import type { DecidedEvent } from '../../domain/events.ts';
import { type ExplorationKind, isExplorationKind } from '../../domain/exploration.ts';
import { launchOf } from '../../routing/router.ts';
import { seededRandom } from '../../util/random.ts';

/** The settings to evaluate on the log. Absent ones stay as they were in each decision. */
export interface TargetPolicy {
  /** Replaces every decision's own weight, whatever its source; 0..1. */
  weight?: number;
  /** Replaces `routing.weight` where a decision had it; 0..1. */
  default_weight?: number;
  exploration?: ExplorationKind;
  /** The quality target. */
  quality?: QualityGuard | 'off';
  /** The only models to choose from. */
  models?: readonly string[];
  /** By model id; replaces the config's priors. */
  priors?: Readonly<Record<string, Prior>>;
}

/** Any seed will do: propensities are exact, and only the choice, which is not used, depends on the draw. */
const RANDOM = seededRandom(0);

/**
 * How probable each model is under the target policy in a logged situation, with the candidates, waits, predicted
 * costs, launches, awaited ratings and cost unit of the decision. Lengths are learned in the same way under every
 * target, so the logged costs are the target's own. Models that a quality target excluded are judged again.
 * @param x the decision's context, length d
 * @returns the assessments of `policy` for each candidate; empty when no model of the target could serve
 * @throws Error when `policy` fails, or when neither target nor log names an exploration that this version knows
 */
export function targetAssessments(
  { decision }: DecidedEvent,
  x: Float64Array,
  policy: Policy,
  target: TargetPolicy,
): OfferAssessment[] {
  const offers = decision.arms.flatMap((explained) => {
    const { arm, costUsd, penalty, awaited } = explained;
    if (!couldServe(explained) || costUsd === null || (target.models && !target.models.includes(arm))) return [];
    const known = target.priors ? undefined : knownOf(explained);
    return [{ arm, cost: () => costUsd, penalty: penalty ?? 0, launch: launchOf(explained), awaited, known }];
  });
  if (offers.length === 0) return [];
  return policy.decide({
    context: x,
    offers,
    weight: targetWeight(decision, target),
    reference: decision.reference,
    referenceCost: () => decision.referenceMeanCostUsd,
    exploration: target.exploration ?? explorationOf(decision.exploration),
    guard: guardOf(decision, target),
    random: RANDOM,
  }).assessments;
}

/** Why a decision was not drawn with the propensities that it records. */
export type NotDrawn = 'named' | 'conversation' | 'learner_failed' | 'unknown_propensity';

/**
 * For launches by earlier versions, the log does not show when a forced try could choose a model.
 * @returns null when it was drawn
 */
export function whyNotDrawn({ chosenBy, propensity, arms }: Decision): NotDrawn | null {
  if (chosenBy === 'request') return 'named';
  if (chosenBy === 'session' || chosenBy === 'tool_calls') return 'conversation';
  if (chosenBy === 'reference') return 'learner_failed';
  const isKnown = propensity > 0 && (chosenBy !== 'launch' || arms.some((arm) => launchOf(arm)));
  return isKnown ? null : 'unknown_propensity';
}

/**
 * The prediction that the decision was made with. Only other priors need the replayed learner's: it may have learned
 * from a rating that the gateway had not learned yet, and it starts from today's priors and the oldest decision left.
 */
function knownOf({ quality, qualitySd, ratings }: ArmExplanation): Offer['known'] {
  return quality === null || qualitySd === null ? undefined : { quality, qualitySd, ratings };
}

/** The weight that the target gives to the logged request, 0..1. */
export function targetWeight(decision: Decision, { weight, default_weight }: TargetPolicy): number {
  const own = hasOwnWeight(decision) ? decision.weight : (default_weight ?? decision.weight);
  return weight ?? own;
}

/** Whether the client, the key's bounds or a budget determined the weight, and not `routing.weight`. */
export function hasOwnWeight({ weightFrom }: Decision): boolean {
  return weightFrom !== 'config';
}

function couldServe({ excluded, keptOut }: ArmExplanation): boolean {
  return excluded === null || keptOut === 'quality';
}

function guardOf({ guard = null }: Decision, { quality }: TargetPolicy): QualityGuard | null {
  if (quality === undefined) return guard;
  return quality === 'off' ? null : quality;
}

function explorationOf(name: string): ExplorationKind {
  if (isExplorationKind(name)) return name;
  throw new Error(`The log uses an exploration that this version does not know: ${name}.`);
}
