import type { DecisionInput, Policy } from '../bandit/policy.ts';
import { seededRandom } from '../util/random.ts';

type Question = Pick<DecisionInput, 'offers' | 'weight' | 'reference' | 'referenceCost'>;

/**
 * Returns the arm with the highest utility for an average query (every feature at its mean), by the current
 * predictions.
 */
export function bestByUtility(policy: Policy & { dimensions: number }, question: Question): string {
  const context = new Float64Array(policy.dimensions);
  context[0] = 1;
  // Without exploration nothing is drawn, so the seed does not matter.
  const made = policy.decide({ ...question, context, exploration: 'none', random: seededRandom(0) });
  return made.assessments[made.chosen].arm;
}
