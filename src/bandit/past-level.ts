import { addOuterProduct, addScaled, type Vector } from '../util/linear-algebra.ts';
import { type ArmSums, addObservation, scaleSums } from './arm-sums.ts';
import { PAST_LEVEL_PRECISION } from './defaults.ts';

/**
 * Observations of an arm from one period between two consecutive drift alarms, or before the first. Their level differs
 * from the arm's current level by an unknown constant η ~ N(0, σ²/κ), κ = `PAST_LEVEL_PRECISION`: they show on which
 * queries the arm is better, but hardly anything about how good it is.
 */
export interface PastLevel {
  /** u = Σ w x */
  inputs: Vector;
  /** s = Σ w y */
  response: number;
}

/**
 * Sums of an arm whose level may have changed, with every η integrated out (Lindley & Smith 1972, by Sherman–Morrison).
 * Each past level changes A ← A − u uᵀ / (κ + u₀), b ← b − s u / (κ + u₀), Σ w y² ← Σ w y² − s² / (κ + u₀). `weight`
 * counts all observations; A₀₀ counts those that the current level rests on.
 */
export interface SumsWithPast extends ArmSums {
  /** Oldest first. */
  past: PastLevel[];
}

/**
 * After more alarms than this, the oldest levels share one unknown constant, because hardly anything is left of them.
 */
const MAX_PAST_LEVELS = 8;

/**
 * Marks all observations so far as belonging to a different level than future ones.
 * @param remains the weight that each of them keeps, in (0, 1]
 */
export function resetLevel(sums: SumsWithPast, remains: number): void {
  withLevelsKnown(sums, () => {
    scale(sums, remains);
    sums.past.push(present(sums));
    if (sums.past.length > MAX_PAST_LEVELS) mergeOldest(sums.past);
  });
}

/**
 * Multiplies the weight of every observation.
 * @param factor > 0
 */
export function scaleWithPast(sums: SumsWithPast, factor: number): void {
  withLevelsKnown(sums, () => scale(sums, factor));
}

/** Bound on the rounding error that remains in the count after all observations of an arm have been taken back. */
const ROUNDING = 1e-9;

/** How many observations, by weight, the current level rests on: all of them, unless there were alarms. */
export function levelWeight({ precision }: ArmSums): number {
  return precision[0] > ROUNDING ? precision[0] : 0;
}

/**
 * Whether the sums hold a past level that this observation belongs to.
 * @param alarmsSince as in `observePast`
 */
export function isPast({ past }: SumsWithPast, alarmsSince: number): boolean {
  return alarmsSince > 0 && past.length > 0;
}

/**
 * Adds an observation from before the last `alarmsSince` alarms; a negative weight takes it back.
 * @param alarmsSince at least 1
 */
export function observePast(sums: SumsWithPast, x: Vector, y: number, weight: number, alarmsSince: number): void {
  const past = sums.past[Math.max(0, sums.past.length - alarmsSince)];
  withLevelsKnown(sums, () => {
    addObservation(sums, x, y, weight);
    addScaled(past.inputs, x, weight);
    past.response += weight * y;
  });
}

/** Runs `change` on the sums as they would be if every η were known to be 0. */
function withLevelsKnown(sums: SumsWithPast, change: () => void): void {
  for (const past of sums.past) integrateOut(sums, past, -1);
  change();
  for (const past of sums.past) integrateOut(sums, past, 1);
}

/**
 * @param sign −1 to undo it
 */
function integrateOut(sums: SumsWithPast, { inputs, response }: PastLevel, sign: 1 | -1): void {
  const factor = -sign / (PAST_LEVEL_PRECISION + inputs[0]);
  addOuterProduct(sums.precision, inputs, factor);
  addScaled(sums.response, inputs, factor * response);
  sums.squares += factor * response * response;
}

function scale(sums: SumsWithPast, factor: number): void {
  scaleSums(sums, factor);
  for (const past of sums.past) {
    for (let i = 0; i < past.inputs.length; i++) past.inputs[i] *= factor;
    past.response *= factor;
  }
}

/**
 * What was observed since the last alarm. Because x₀ = 1, the first row of A is Σ w x, and the first element of b is
 * Σ w y.
 */
function present({ precision, response, past }: SumsWithPast): PastLevel {
  const inputs = Float64Array.from(precision.subarray(0, response.length));
  let total = response[0];
  for (const earlier of past) {
    addScaled(inputs, earlier.inputs, -1);
    total -= earlier.response;
  }
  return { inputs, response: total };
}

function mergeOldest(past: PastLevel[]): void {
  const [oldest] = past.splice(0, 1);
  addScaled(past[0].inputs, oldest.inputs, 1);
  past[0].response += oldest.response;
}
