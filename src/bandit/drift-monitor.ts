import { DRIFT_RESIDUALS } from './defaults.ts';

export interface DriftOptions {
  /** k: the deviation of a residual, in standard deviations, that does not count yet. */
  slack: number;
  /** h: the sum above which the alarm is raised. */
  threshold: number;
}

/**
 * An alarm expires after this many events. An alarm on a rating that has just arrived soon gets an event in the log,
 * which restarts the arm's sums. An alarm raised while an old log is replayed under settings other than those it was
 * written with gets no such event, and acting on it later would discard what has been learned since.
 */
const MAX_UNANSWERED = 5000;

/** A change of a sum, the number of the decision whose rating caused it, and the weight of the rating. */
type Step = [decidedAt: number, change: number, weight: number];

/** Longer runs are rare: with the default slack, a sum falls by 0.15 with each rating that is as predicted. */
const MAX_STEPS = 500;

/** How far an arm's ratings have drifted from their predictions. */
export interface ArmDrift {
  /** The two CUSUM sums, in standard deviations: better than predicted, and worse. */
  better: number;
  worse: number;
  /** What has changed each sum since it was last 0, in the order of arrival; the newest `MAX_STEPS`. */
  betterSteps: Step[];
  worseSteps: Step[];
  /** The alarm, from the time its sum passes the threshold until the sum is back at 0; null otherwise. */
  alarm: DriftAlarm | null;
}

export interface DriftAlarm {
  direction: 'better' | 'worse';
  /** The sum when it passed the threshold. */
  statistic: number;
  /** Number of the observation at which it passed the threshold. */
  at: number;
  /** Number of the first decision whose ratings are off (`changePoint`). */
  changedAt: number;
}

/** Exponentially fading sum and count of the arm's residuals; they fade with every residual of any arm. */
interface RecentResiduals {
  sum: number;
  count: number;
}

export interface DriftMonitorState {
  arms: Record<string, ArmDrift>;
  recent: Record<string, RecentResiduals>;
}

/**
 * Two-sided CUSUM per arm on standardised residuals z (Page 1954): S⁺ ← max(0, S⁺ + z − k), S⁻ ← max(0, S⁻ − z − k),
 * alarm at h. Residuals are clipped, as in robust charts. A recent change that affects the other arms in the same way
 * is not drift of this arm: k grows by the other arms' mean residual where that has the same sign, but to no more than
 * 2k, because a few bad ratings of another arm must not hide an alarm. A rating of weight w changes the sums, and that
 * mean, by w times as much as a whole one. Residuals count in the order in which they arrive, and a rating that is
 * taken back stays counted.
 */
export class DriftMonitor {
  #arms = new Map<string, ArmDrift>();
  #recent = new Map<string, RecentResiduals>();

  /**
   * @param z (y − ŷ) / sd(y − ŷ) of a rating, predicted before the rating was learned
   * @param at number of the observation; must increase
   * @param weight how many ratings it stands for
   * @param decidedAt number of the decision that was rated
   */
  observe(arm: string, z: number, at: number, { slack, threshold }: DriftOptions, weight = 1, decidedAt = at): void {
    const residual = Math.max(-DRIFT_RESIDUALS.most, Math.min(DRIFT_RESIDUALS.most, z));
    const others = this.#meanOfOthers(arm);
    this.#remember(arm, residual, weight);
    if (isTooOld(this.alarmOf(arm), at)) this.#arms.delete(arm);
    const drift = this.#drift(arm);
    // The slack is weighted too, or ratings of little weight would be discounted by more than they count.
    const [kBetter, kWorse] = [others, -others].map((mean) => slack + Math.min(slack, Math.max(0, mean)));
    drift.better = step(drift.better, drift.betterSteps, [decidedAt, weight * (residual - kBetter), weight]);
    drift.worse = step(drift.worse, drift.worseSteps, [decidedAt, weight * (-residual - kWorse), weight]);
    // This happens when an old log is read again: an alarm whose sum is back at 0 is stale. Acting on it would discard
    // everything learned since.
    if (drift.alarm && drift[drift.alarm.direction] === 0) drift.alarm = null;
    const direction = drift.better >= drift.worse ? 'better' : 'worse';
    if (drift[direction] > threshold && !drift.alarm) {
      const changedAt = changePoint(direction === 'better' ? drift.betterSteps : drift.worseSteps, slack);
      drift.alarm = { direction, statistic: drift[direction], at, changedAt };
    }
  }

  /** The current alarm, or null. */
  alarmOf(arm: string): DriftAlarm | null {
    return this.#arms.get(arm)?.alarm ?? null;
  }

  /** Arms with an alarm. */
  get alarmed(): string[] {
    return [...this.#arms].filter(([, { alarm }]) => alarm).map(([arm]) => arm);
  }

  /** The larger of the two sums. */
  statisticOf(arm: string): number {
    const { better, worse } = this.#drift(arm);
    return Math.max(better, worse);
  }

  /** Forgets the arm, because its previous predictions say nothing about future ones. */
  reset(arm: string): void {
    this.#arms.delete(arm);
    this.#recent.delete(arm);
  }

  state(): DriftMonitorState {
    return { arms: Object.fromEntries(this.#arms), recent: Object.fromEntries(this.#recent) };
  }

  restore({ arms, recent }: DriftMonitorState): void {
    this.#arms = new Map(Object.entries(arms));
    this.#recent = new Map(Object.entries(recent));
  }

  #meanOfOthers(arm: string): number {
    let [sum, count] = [0, DRIFT_RESIDUALS.priorCount];
    // In order of ids, because the exact sum depends on the order, and insertion order does not survive a restart.
    for (const other of [...this.#recent.keys()].sort()) {
      const recent = this.#recent.get(other) as RecentResiduals;
      if (other === arm) continue;
      sum += recent.sum;
      count += recent.count;
    }
    return sum / count;
  }

  #remember(arm: string, residual: number, weight: number): void {
    const fading = 1 - 1 / DRIFT_RESIDUALS.memory;
    for (const recent of this.#recent.values()) {
      recent.sum *= fading;
      recent.count *= fading;
    }
    const { sum, count } = this.#recent.get(arm) ?? { sum: 0, count: 0 };
    this.#recent.set(arm, { sum: sum + weight * residual, count: count + weight });
  }

  #drift(arm: string): ArmDrift {
    let drift = this.#arms.get(arm);
    if (!drift) {
      drift = { better: 0, worse: 0, betterSteps: [], worseSteps: [], alarm: null };
      this.#arms.set(arm, drift);
    }
    return drift;
  }
}

/** @returns the sum after the step, which is added to `steps` unless the sum is 0 */
function step(sum: number, steps: Step[], next: Step): number {
  const changed = Math.max(0, sum + next[1]);
  if (changed === 0) steps.length = 0;
  else steps.push(next);
  if (steps.length > MAX_STEPS) steps.shift();
  return changed;
}

/**
 * Number of the decision from which on ratings are off (maximum likelihood): that for which the steps of this and all
 * later decisions add up to the most, first with the slack that they contain, then with half of the deviation found if
 * that is more. If ratings are late, many of those that arrived since the sum was last 0 are of older decisions, but
 * these, good and bad, do not add up.
 */
function changePoint(steps: readonly Step[], slack: number): number {
  const newestFirst = [...steps].sort(([a], [b]) => b - a);
  const { mean } = mostOff(newestFirst, 0);
  return mostOff(newestFirst, Math.max(0, (mean - slack) / 2)).since;
}

/** @returns `mean`: of the steps found, net of all slack */
function mostOff(newestFirst: readonly Step[], furtherSlack: number): { since: number; mean: number } {
  let [sum, weights, most] = [0, 0, 0];
  let found = { since: 0, mean: 0 };
  for (const [decidedAt, change, weight] of newestFirst) {
    sum += change - weight * furtherSlack;
    weights += weight;
    if (sum < most) continue;
    most = sum;
    found = { since: decidedAt, mean: sum / weights };
  }
  return found;
}

/**
 * Whether the alarm has gone unanswered for too long.
 * @param at number of the last event
 */
export function isTooOld(alarm: DriftAlarm | null, at: number): boolean {
  return alarm !== null && at - alarm.at > MAX_UNANSWERED;
}
