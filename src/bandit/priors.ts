import { type Arm, blendedPrice } from '../domain/arm.ts';
import { PRIOR_QUALITY, TIER_QUALITY } from './defaults.ts';

type PricedArm = Pick<Arm, 'id' | 'price' | 'prior'>;

/** USD per million tokens below which prices count as equal: free models have no logarithm. */
const PRICE_FLOOR = 0.01;

/** Prior mean quality of each arm: what its `prior` says, else what its list price suggests among the others. */
export function priorQualities(arms: readonly PricedArm[]): Map<string, number> {
  const logPrices = arms.map((arm) => Math.log(Math.max(PRICE_FLOOR, blendedPrice(arm.price))));
  const mean = logPrices.reduce((sum, value) => sum + value, 0) / arms.length;
  const sd = Math.sqrt(logPrices.reduce((sum, value) => sum + (value - mean) ** 2, 0) / arms.length);
  const levels = new Map(
    arms.map((arm, i) => {
      const byPrice = PRIOR_QUALITY.level + PRIOR_QUALITY.perLogPriceSd * (sd > 0 ? (logPrices[i] - mean) / sd : 0);
      return [arm.id, ownLevel(arm) ?? byPrice];
    }),
  );
  for (const { id, prior } of arms) {
    const like = typeof prior === 'object' && prior && 'like' in prior ? levels.get(prior.like) : undefined;
    if (like !== undefined) levels.set(id, like);
  }
  return levels;
}

function ownLevel({ prior }: PricedArm): number | null {
  if (typeof prior === 'string') return TIER_QUALITY[prior];
  return prior && 'quality' in prior ? prior.quality : null;
}
