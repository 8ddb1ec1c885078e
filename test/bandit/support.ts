import type { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import type { DecisionInput, Observation, Offer, Policy } from '../../src/bandit/policy.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';

export interface OfferSpec {
  arm: string;
  /** USD per million output tokens. */
  price: number;
  penalty?: number;
  /** USD for the input. */
  inputUsd?: number;
}

export function offer({ arm, price, penalty = 0, inputUsd = 0 }: OfferSpec): Offer {
  return { arm, penalty, cost: (tokens) => inputUsd + (tokens * price) / 1e6 };
}

/** With a reference arm called `ref`, about whose cost nothing is known but its cost here. */
export function inputOf(fields: Partial<DecisionInput> & Pick<DecisionInput, 'offers' | 'context'>): DecisionInput {
  return {
    weight: 0.5,
    reference: 'ref',
    referenceCost: (here) => here ?? 0,
    exploration: 'none',
    random: seededRandom(1),
    ...fields,
  };
}

export function randomContext(dimensions: number, random: Random): Float64Array {
  return Float64Array.from({ length: dimensions }, (_, i) => (i === 0 ? 1 : random.normal()));
}

/** Ratings and lengths of the given arms, in random order. */
export function randomObservations(
  arms: readonly string[],
  dimensions: number,
  count: number,
  random: Random,
): Observation[] {
  return Array.from({ length: count }, () => {
    const arm = arms[Math.floor(random.uniform() * arms.length)];
    const context = randomContext(dimensions, random);
    return random.uniform() < 0.5
      ? { kind: 'quality', arm, context, reward: random.uniform(), weight: 1 }
      : {
          kind: 'length',
          arm,
          context,
          outputTokens: Math.ceil(900 * random.uniform()),
          predictedTokens: 300,
          weight: 1,
        };
  });
}

/** What the policy predicts for each arm, without exploration. */
export function predictions(policy: Policy, arms: readonly string[], context: Float64Array) {
  const offers = arms.map((arm) => offer({ arm, price: 1 }));
  return policy
    .decide(inputOf({ offers, context }))
    .assessments.map(({ quality, qualitySd, outputTokens }) => ({ quality, qualitySd, outputTokens }));
}

/** Puts a non-finite number into the live models, bypassing all checks. */
export function spoilModels(policy: LinearPolicy): void {
  for (const candidate of policy.state().quality.candidates) candidate.shared.fill(Number.NaN);
}
