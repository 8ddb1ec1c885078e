/** The bounds of ν, the price of money. */
const NU = { least: 1e-4, most: 50 };
/** η: how fast ln ν adapts. */
const RATE = 0.1;
/** H: the unspent part of past targets is to be spent over about this many requests. */
const SURPLUS_HORIZON = 200;
/**
 * At most this many requests' targets are carried over; otherwise a long cheap period would be followed by a spending
 * spree.
 */
const MAX_SURPLUS = 100;

/** Whether ν is at a bound, where steps have been cut off. */
export function isAtBound(nu: number): boolean {
  return nu <= NU.least || nu >= NU.most;
}

/** Whether S is at a bound. */
export function isFull(surplus: number): boolean {
  return Math.abs(surplus) >= MAX_SURPLUS;
}

/** w = 1 / (1 + ν) */
export function weightOfNu(nu: number): number {
  return 1 / (1 + nu);
}

/**
 * ν = (1 − w) / w, within the bounds.
 * @param weight w in [0, 1]
 */
export function nuOfWeight(weight: number): number {
  return clampNu((1 - weight) / weight);
}

/**
 * One step of the dual variable that holds spending at a target: ln ν += η (c / B − 1 − S / H). Without S, moving ν
 * away from its start would leave an amount permanently unspent or overspent: Σ (c / B − 1) = (ln ν − ln ν_start) / η.
 * @param costUsd c, what the request cost
 * @param targetUsd B, what a request may cost on average, > 0
 * @param surplus S, the unspent part of the targets of all requests so far, in units of the target
 */
export function nextNu(nu: number, costUsd: number, targetUsd: number, surplus: number): number {
  return clampNu(nu * Math.exp(RATE * (costUsd / targetUsd - 1 - surplus / SURPLUS_HORIZON)));
}

/**
 * The correction at the end of a request whose step used the predicted cost, with S = 0: ln ν += η (d / B − S / H).
 * @param surpriseUsd d, the real cost minus the predicted one
 * @param targetUsd B, > 0
 * @param surplus S after the request; 0 for a request that is taken back
 */
export function correctedNu(nu: number, surpriseUsd: number, targetUsd: number, surplus: number): number {
  return clampNu(nu * Math.exp(RATE * (surpriseUsd / targetUsd - surplus / SURPLUS_HORIZON)));
}

/**
 * S after a request.
 * @param surplus S before the request; the other parameters as in `nextNu`
 */
export function nextSurplus(surplus: number, costUsd: number, targetUsd: number): number {
  return clampSurplus(surplus + 1 - costUsd / targetUsd);
}

/** S once the real cost replaces the predicted one. Parameters as in `correctedNu`. */
export function correctedSurplus(surplus: number, surpriseUsd: number, targetUsd: number): number {
  return clampSurplus(surplus - surpriseUsd / targetUsd);
}

function clampSurplus(surplus: number): number {
  return Math.min(MAX_SURPLUS, Math.max(-MAX_SURPLUS, surplus));
}

function clampNu(nu: number): number {
  return Math.min(NU.most, Math.max(NU.least, nu));
}
