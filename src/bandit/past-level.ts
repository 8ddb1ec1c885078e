import { addOuterProduct, addScaled, type Vector } from '../util/linear-algebra.ts';
import { type ArmSums, addObservation, clearSums, scaleSums } from './arm-sums.ts';
import { PAST_LEVEL_PRECISION } from './defaults.ts';

/**
 * Observations of an arm from before an alarm of drift, back to the alarm before it. What they are worth differs from
 * what the arm is worth now by an unknown constant η ~ N(0, σ²/κ), κ = `PAST_LEVEL_PRECISION`: they tell on which queries
 * the arm is better, and hardly how good it is.
 */
export interface PastLevel {
  /** u = Σ w x */
  inputs: Vector;
  /** s = Σ w y */
  response: number;
}

/**
 * Sums of an arm whose level may have changed. η is integrated out of them (Lindley & Smith 1972, by Sherman–Morrison):
 * per past level A ← A − u uᵀ / (κ + u₀), b ← b − s u / (κ + u₀), Σ w y² ← Σ w y² − s² / (κ + u₀). `weight` counts all
 * observations, A₀₀ what the level of now rests on.
 */
export interface SumsWithPast extends ArmSums {
  /** The oldest first. */
  past: PastLevel[];
}

/** Of more alarms the oldest share one unknown constant: what is left of their observations is next to nothing. */
const MAX_PAST_LEVELS = 8;

/** All observations so far are of another level than those to come. @param remains what each counts from now on, in (0, 1] */
export function resetLevel(sums: SumsWithPast, remains: number): void {
  withLevelsKnown(sums, () => {
    scale(sums, remains);
    sums.past.push(present(sums));
    if (sums.past.length > MAX_PAST_LEVELS) mergeOldest(sums.past);
  });
}

/** As if each observation had had so many times its weight. @param factor > 0 */
export function scaleWithPast(sums: SumsWithPast, factor: number): void {
  withLevelsKnown(sums, () => scale(sums, factor));
}

/** As without any observation, nor any alarm. */
export function clearWithPast(sums: SumsWithPast): void {
  clearSums(sums);
  sums.past = [];
}

/** What taking back all observations of an arm may leave of their number. */
const ROUNDING = 1e-9;

/** How many observations, by weight, the level of now rests on: all of them, but for alarms. */
export function levelWeight({ precision }: ArmSums): number {
  return precision[0] > ROUNDING ? precision[0] : 0;
}

/** Whether the sums hold a past level that this observation belongs to. @param alarmsSince as in `observePast` */
export function isPast({ past }: SumsWithPast, alarmsSince: number): boolean {
  return alarmsSince > 0 && past.length > 0;
}

/** Takes in an observation of so many alarms ago, or with a negative weight takes it back. @param alarmsSince at least 1 */
export function observePast(sums: SumsWithPast, x: Vector, y: number, weight: number, alarmsSince: number): void {
  const past = sums.past[Math.max(0, sums.past.length - alarmsSince)];
  withLevelsKnown(sums, () => {
    addObservation(sums, x, y, weight);
    addScaled(past.inputs, x, weight);
    past.response += weight * y;
  });
}

/** Runs `change` on the sums as they are when every η is known to be 0. */
function withLevelsKnown(sums: SumsWithPast, change: () => void): void {
  for (const past of sums.past) integrateOut(sums, past, -1);
  change();
  for (const past of sums.past) integrateOut(sums, past, 1);
}

/** @param sign −1 to undo it */
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

/** What was observed since the last alarm. By x₀ = 1, the first row of A is Σ w x, and the first element of b Σ w y. */
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
