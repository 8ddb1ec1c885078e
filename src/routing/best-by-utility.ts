import type { DecisionInput, Policy } from '../bandit/policy.ts';
import { seededRandom } from '../util/random.ts';

type Question = Pick<DecisionInput, 'offers' | 'weight' | 'reference' | 'referenceCost'>;

/** The arm of the best utility for an average query (every feature at its mean), by what is predicted now. */
export function bestByUtility(policy: Policy & { dimensions: number }, question: Question): string {
  const context = new Float64Array(policy.dimensions);
  context[0] = 1;
  // Nothing is drawn without exploration.
  const made = policy.decide({ ...question, context, exploration: 'none', random: seededRandom(0) });
  return made.assessments[made.chosen].arm;
}
