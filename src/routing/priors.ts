import { PRIOR_QUALITY } from '../bandit/defaults.ts';
import { tierPriors } from '../bandit/tier-priors.ts';
import { type Arm, blendedPrice, type Tier } from '../domain/arm.ts';

type PricedArm = Pick<Arm, 'id' | 'price' | 'prior'>;

/**
 * Prices below this many USD per million tokens count as equal, because the price 0 of free models has no logarithm.
 */
const PRICE_FLOOR = 0.01;
/** A standard deviation of log prices below this is a rounding error between equal prices. */
const EQUAL_PRICES_SD = 1e-9;
/**
 * One of K models can lie √(K − 1) standard deviations from the mean: one that is dearer than ten others would exceed
 * quality 1.
 */
const MAX_SDS = 3;

/**
 * Prior mean quality of each arm: what its `prior` says, or else what its list price suggests relative to the others.
 */
export function priorQualities(arms: readonly PricedArm[]): Map<string, number> {
  const logPrices = arms.map((arm) => Math.log(Math.max(PRICE_FLOOR, blendedPrice(arm.price))));
  const mean = logPrices.reduce((sum, value) => sum + value, 0) / arms.length;
  const sd = Math.sqrt(logPrices.reduce((sum, value) => sum + (value - mean) ** 2, 0) / arms.length);
  const levels = new Map(
    arms.map((arm, i) => {
      const exact = sd > EQUAL_PRICES_SD ? (logPrices[i] - mean) / sd : 0;
      const z = Math.min(MAX_SDS, Math.max(-MAX_SDS, exact));
      return [arm.id, ownLevel(arm) ?? PRIOR_QUALITY.level + PRIOR_QUALITY.perLogPriceSd * z];
    }),
  );
  return new Map(arms.map((arm) => [arm.id, levels.get(likened(arm, arms).id) as number]));
}

/**
 * Prior mean slopes of the arms that belong to a tier, or are likened to an arm that does.
 * @param slopes by tier; each has length d, and its first element is 0
 */
export function priorSlopes(
  arms: readonly PricedArm[],
  slopes: ReadonlyMap<Tier, Float64Array>,
): Map<string, Float64Array> {
  return new Map(
    arms.flatMap((arm): [string, Float64Array][] => {
      const { prior } = likened(arm, arms);
      const ofTier = typeof prior === 'string' ? slopes.get(prior) : undefined;
      return ofTier ? [[arm.id, ofTier]] : [];
    }),
  );
}

/** The arms whose prior is another arm's. The likeness is itself a guess, so less is known about them. */
export function likenedArms(arms: readonly PricedArm[]): Set<string> {
  return new Set(arms.filter((arm) => likened(arm, arms) !== arm).map(({ id }) => id));
}

/**
 * Follows a chain of `like`s and returns the arm at its end; if the chain is circular or leads to an unknown arm, the
 * last arm before that.
 */
function likened(arm: PricedArm, arms: readonly PricedArm[]): PricedArm {
  const seen = new Set<PricedArm>();
  let current: PricedArm | undefined = arm;
  let last = arm;
  while (current && !seen.has(current)) {
    last = current;
    seen.add(last);
    const { prior }: PricedArm = last;
    const like = typeof prior === 'object' && prior && 'like' in prior ? prior.like : null;
    current = arms.find(({ id }) => id === like);
  }
  return last;
}

function ownLevel({ prior }: PricedArm): number | null {
  if (typeof prior === 'string') return tierPriors().tiers[prior].quality;
  return prior && 'quality' in prior ? prior.quality : null;
}
