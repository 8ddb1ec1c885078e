import type { Arm } from '../../domain/arm.ts';
import type { LaunchedEvent } from '../../domain/events.ts';
import { bestByUtility } from '../../routing/best-by-utility.ts';
import type { LearnerState } from './learner-state.ts';

export interface NewcomerParts {
  arms: readonly Arm[];
  reference: string;
  /** The configured weight, on which utility depends. */
  weight: number;
  featureMap: string;
  /** Milliseconds since the epoch. */
  now: number;
}

/** Input tokens per output token in a typical chat, as in the blended price. */
const INPUT_PER_OUTPUT = 3;

/**
 * Returns a launch event for every arm that no decision and no warm start has known yet, once other arms have learned
 * from ratings. Its prior is what the config gives; otherwise what is known about the arm that the config likens it to;
 * otherwise the level of the arm with the highest utility.
 */
export function launchesDue(state: LearnerState, parts: NewcomerParts): LaunchedEvent[] {
  const known = parts.arms.filter(({ id }) => isKnown(id, state));
  if (!known.some(({ id }) => state.policy.ratingsOf(id) > 0)) return [];
  return parts.arms
    .filter(({ id }) => !isKnown(id, state))
    .map((arm) => ({
      type: 'launched',
      decisionId: null,
      time: parts.now,
      model: arm.id,
      featureMap: parts.featureMap,
      ...priorOf(arm, known, state, parts),
    }));
}

/** Where a launch starts from. */
type LaunchPrior = Pick<LaunchedEvent, 'like' | 'priorMean'>;

function priorOf(arm: Arm, known: readonly Arm[], state: LearnerState, parts: NewcomerParts): LaunchPrior {
  const configured = configuredPrior(arm, state);
  if (configured) return configured;
  const like = bestByUtilityOf(known, state, parts);
  return { like, priorMean: [...state.policy.priorAsGood(like)] };
}

/**
 * What the arm's own `prior` setting says about its launch. The model that it is likened to may have been retired by
 * now.
 * @returns null when it says nothing, or names a model that no decision has known
 */
export function configuredPrior({ id, prior }: Pick<Arm, 'id' | 'prior'>, state: LearnerState): LaunchPrior | null {
  if (prior === null) return null;
  const like = typeof prior === 'object' && 'like' in prior ? prior.like : null;
  if (like === null) return { like, priorMean: [...state.policy.priorSet(id)] };
  return isKnown(like, state) ? { like, priorMean: [...state.policy.priorLike(like)] } : null;
}

/** An arm is known from a decision, from its launch, or from the ratings of a warm start. */
function isKnown(id: string, { known, launches, policy }: LearnerState): boolean {
  return known.has(id) || launches.progressOf(id) !== null || policy.ratingsOf(id) > 0;
}

function bestByUtilityOf(known: readonly Arm[], { policy, statistics }: LearnerState, parts: NewcomerParts): string {
  const reference = parts.arms.find(({ id }) => id === parts.reference) as Arm;
  return bestByUtility(policy, {
    offers: known.map(({ id, price }) => ({
      arm: id,
      cost: (tokens) => (tokens * (INPUT_PER_OUTPUT * price.input + price.output)) / 1e6,
      penalty: 0,
    })),
    weight: parts.weight,
    reference: parts.reference,
    // Use the cost of the same chat. The mean cost of real chats, which may read far more or far less than this one,
    // would favour either the expensive or the cheap arms.
    referenceCost: (here) => here ?? statistics.referenceCost(reference, null),
  });
}
