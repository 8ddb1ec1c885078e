import type { LinearPolicy } from './linear-policy.ts';

/** Each brings the expectation closer by what is left of the arm's own ratings: far below what a rating tells. */
const ROUNDS = 3;

/**
 * The prior mean, length d, that an arm whose ratings have drifted begins anew from: once its earlier ratings are
 * tempered, it is expected to be as it was, for all kinds of queries, but its level is as uncertain as a launched arm's.
 * What its ratings have taught of the coefficients that all arms share goes with them, so that it is not simply what lies
 * above those now.
 * @param remains share of what each of its ratings counted, in (0, 1]
 */
export function priorAnew(policy: LinearPolicy, arm: string, remains: number): Float64Array {
  const expected = policy.coefficients(arm);
  const trial = policy.copy();
  trial.temper(arm, remains);
  const prior = policy.priorLike(arm);
  for (let round = 0; round < ROUNDS; round++) {
    trial.beginFrom(arm, prior.slice());
    const lacking = trial.coefficients(arm);
    for (let i = 0; i < prior.length; i++) prior[i] += expected[i] - lacking[i];
  }
  return prior;
}
