import { DRIFT_RESIDUALS } from './defaults.ts';

export interface DriftOptions {
  /** k: what each residual may lie off, in standard deviations, without counting. */
  slack: number;
  /** h: the sum at which the alarm is raised. */
  threshold: number;
}

/**
 * Events after which an alarm is none any more. One that is raised as its rating comes has an event in the log soon, which
 * begins the arm's sums anew; one that is raised as an old log is read again, under other settings than in its time, has none,
 * and would discard what has been learned since.
 */
const MAX_UNANSWERED = 5000;

/** How far an arm's ratings have drifted from what was predicted of them. */
export interface ArmDrift {
  /** The two sums of the CUSUM, in standard deviations: better than predicted, and worse. */
  better: number;
  worse: number;
  /** Number of the first decision whose rating has come since each sum was 0: what was decided before was as predicted. */
  betterSince: number;
  worseSince: number;
  /** What passed the threshold, until its sum is back at 0; null while nothing has. */
  alarm: DriftAlarm | null;
}

export interface DriftAlarm {
  direction: 'better' | 'worse';
  /** The sum when it passed. */
  statistic: number;
  /** Number of the observation that did it. */
  at: number;
  /** Number of the decision from which on the ratings are off: the sum's last zero, CUSUM's estimate of the change. */
  changedAt: number;
}

/** The arm's last residuals, of all arms' last ones: each counts less the more have come since. */
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
 * alarm at h. Residuals are bounded, as in robust charts. What lately befell the other arms alike is no drift of this
 * one: by their mean residual, as far as it goes the same way, k is more, twice as much at most: a few bad ratings of
 * another arm must not hide an alarm. Residuals are counted in the order in which they come: a rating that is taken
 * back stays counted.
 */
export class DriftMonitor {
  #arms = new Map<string, ArmDrift>();
  #recent = new Map<string, RecentResiduals>();

  /**
   * @param z (y − ŷ) / sd(y − ŷ) of a rating, predicted before it was learned @param at a number that rises
   * @param weight how many ratings it stands for @param decidedAt number of the decision that was rated
   */
  observe(arm: string, z: number, at: number, { slack, threshold }: DriftOptions, weight = 1, decidedAt = at): void {
    const residual = weight * Math.max(-DRIFT_RESIDUALS.most, Math.min(DRIFT_RESIDUALS.most, z));
    const others = this.#meanOfOthers(arm);
    this.#remember(arm, residual);
    if (isTooOld(this.alarmOf(arm), at)) this.#arms.delete(arm);
    const drift = this.#drift(arm);
    // The first of those that raise it, by decision: ratings may come in batches, the newest first.
    drift.betterSince = drift.better === 0 ? decidedAt : Math.min(drift.betterSince, decidedAt);
    drift.worseSince = drift.worse === 0 ? decidedAt : Math.min(drift.worseSince, decidedAt);
    drift.better = Math.max(0, drift.better + residual - slack - Math.min(slack, Math.max(0, others)));
    drift.worse = Math.max(0, drift.worse - residual - slack - Math.min(slack, Math.max(0, -others)));
    // While an old log is read again: an alarm whose sum is back at 0 is stale, and would discard all that was learned
    // since.
    if (drift.alarm && drift[drift.alarm.direction] === 0) drift.alarm = null;
    const direction = drift.better >= drift.worse ? 'better' : 'worse';
    const changedAt = direction === 'better' ? drift.betterSince : drift.worseSince;
    if (drift[direction] > threshold) drift.alarm ??= { direction, statistic: drift[direction], at, changedAt };
  }

  /** The alarm that stands, or null. */
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

  /** What was predicted of the arm so far is not what will be. */
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
    // In the order of ids: the order of insertion does not survive a restart, and the sum depends on it to the bit.
    for (const other of [...this.#recent.keys()].sort()) {
      const recent = this.#recent.get(other) as RecentResiduals;
      if (other === arm) continue;
      sum += recent.sum;
      count += recent.count;
    }
    return sum / count;
  }

  #remember(arm: string, residual: number): void {
    const fading = 1 - 1 / DRIFT_RESIDUALS.memory;
    for (const recent of this.#recent.values()) {
      recent.sum *= fading;
      recent.count *= fading;
    }
    const { sum, count } = this.#recent.get(arm) ?? { sum: 0, count: 0 };
    this.#recent.set(arm, { sum: sum + residual, count: count + 1 });
  }

  #drift(arm: string): ArmDrift {
    let drift = this.#arms.get(arm);
    if (!drift) {
      drift = { better: 0, worse: 0, betterSince: 0, worseSince: 0, alarm: null };
      this.#arms.set(arm, drift);
    }
    return drift;
  }
}

/** Whether nobody has answered the alarm in its time. @param at number of the last event */
export function isTooOld(alarm: DriftAlarm | null, at: number): boolean {
  return alarm !== null && at - alarm.at > MAX_UNANSWERED;
}
