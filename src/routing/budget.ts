/** The price of money ν moves between these. */
const NU = { least: 1e-4, most: 50 };
/** η: how fast ln ν follows. */
const RATE = 0.1;
/** H: what was not spent of the target is to be spent in about so many requests. */
const SURPLUS_HORIZON = 200;
/** No more than so many requests' targets are carried on, or a long cheap time would be followed by a spree. */
const MAX_SURPLUS = 100;

/** Whether ν stands at a bound, where steps were swallowed. */
export function isAtBound(nu: number): boolean {
  return nu <= NU.least || nu >= NU.most;
}

/** Whether S stands at a bound. */
export function isFull(surplus: number): boolean {
  return Math.abs(surplus) >= MAX_SURPLUS;
}

/** w = 1 / (1 + ν) */
export function weightOfNu(nu: number): number {
  return 1 / (1 + nu);
}

/** ν = (1 − w) / w, within the bounds. @param weight w in [0, 1] */
export function nuOfWeight(weight: number): number {
  return clampNu((1 - weight) / weight);
}

/**
 * One step of the dual variable that holds spending at a target: ln ν += η (c / B − 1 − S / H). Without S, what ν moves from
 * its start stays unspent, or is spent too much, for good: Σ (c / B − 1) = (ln ν − ln ν_start) / η.
 * @param costUsd c, what the request cost @param targetUsd B, what a request may cost on average, > 0
 * @param surplus S, what the requests so far have left of their targets, in targets
 */
export function nextNu(nu: number, costUsd: number, targetUsd: number, surplus: number): number {
  return clampNu(nu * Math.exp(RATE * (costUsd / targetUsd - 1 - surplus / SURPLUS_HORIZON)));
}

/**
 * The end of a request whose step was taken by what was predicted, with S = 0: ln ν += η (d / B − S / H).
 * @param surpriseUsd d, what it cost more @param targetUsd B, > 0 @param surplus S after it; 0 for one that is taken back
 */
export function correctedNu(nu: number, surpriseUsd: number, targetUsd: number, surplus: number): number {
  return clampNu(nu * Math.exp(RATE * (surpriseUsd / targetUsd - surplus / SURPLUS_HORIZON)));
}

/** S after a request. @param surplus before it; the rest as in `nextNu` */
export function nextSurplus(surplus: number, costUsd: number, targetUsd: number): number {
  return clampSurplus(surplus + 1 - costUsd / targetUsd);
}

/** S where it was reckoned with a prediction. As `correctedNu`. */
export function correctedSurplus(surplus: number, surpriseUsd: number, targetUsd: number): number {
  return clampSurplus(surplus - surpriseUsd / targetUsd);
}

function clampSurplus(surplus: number): number {
  return Math.min(MAX_SURPLUS, Math.max(-MAX_SURPLUS, surplus));
}

function clampNu(nu: number): number {
  return Math.min(NU.most, Math.max(NU.least, nu));
}
