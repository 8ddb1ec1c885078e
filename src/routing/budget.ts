/** The price of money ν moves between these. */
const NU = { least: 1e-4, most: 50 };
/** η: how fast ln ν follows. */
const RATE = 0.1;

/** w = 1 / (1 + ν) */
export function weightOfNu(nu: number): number {
  return 1 / (1 + nu);
}

/** ν = (1 − w) / w, within the bounds. @param weight w in [0, 1] */
export function nuOfWeight(weight: number): number {
  return clampNu((1 - weight) / weight);
}

/**
 * One step of the dual variable that holds spending at a target: ln ν += η (c / B − 1).
 * @param costUsd c, what the request cost @param targetUsd B, what a request may cost on average, > 0
 */
export function nextNu(nu: number, costUsd: number, targetUsd: number): number {
  return clampNu(nu * Math.exp(RATE * (costUsd / targetUsd - 1)));
}

function clampNu(nu: number): number {
  return Math.min(NU.most, Math.max(NU.least, nu));
}
