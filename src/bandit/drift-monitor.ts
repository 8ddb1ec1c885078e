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

/** How far an arm's ratings have drifted from their predictions. */
export interface ArmDrift {
  /** The two CUSUM sums, in standard deviations: better than predicted, and worse. */
  better: number;
  worse: number;
  /**
   * Sequence number of the first decision rated since each sum was last 0: decisions before it were rated as predicted.
   */
  betterSince: number;
  worseSince: number;
  /** The alarm, from the time its sum passes the threshold until the sum is back at 0; null otherwise. */
  alarm: DriftAlarm | null;
}

export interface DriftAlarm {
  direction: 'better' | 'worse';
  /** The sum when it passed the threshold. */
  statistic: number;
  /** Number of the observation at which it passed the threshold. */
  at: number;
  /**
   * Number of the first decision whose ratings are off: the sum's last zero, which is CUSUM's estimate of the change
   * point.
   */
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
    // Take the earliest decision among those that raise the sum: ratings may come in batches, the newest first.
    drift.betterSince = drift.better === 0 ? decidedAt : Math.min(drift.betterSince, decidedAt);
    drift.worseSince = drift.worse === 0 ? decidedAt : Math.min(drift.worseSince, decidedAt);
    // The slack is weighted too, or ratings of little weight would be discounted by more than they count.
    const [kBetter, kWorse] = [others, -others].map((mean) => slack + Math.min(slack, Math.max(0, mean)));
    drift.better = Math.max(0, drift.better + weight * (residual - kBetter));
    drift.worse = Math.max(0, drift.worse - weight * (residual + kWorse));
    // This happens when an old log is read again: an alarm whose sum is back at 0 is stale. Acting on it would discard
    // everything learned since.
    if (drift.alarm && drift[drift.alarm.direction] === 0) drift.alarm = null;
    const direction = drift.better >= drift.worse ? 'better' : 'worse';
    const changedAt = direction === 'better' ? drift.betterSince : drift.worseSince;
    if (drift[direction] > threshold) drift.alarm ??= { direction, statistic: drift[direction], at, changedAt };
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
      drift = { better: 0, worse: 0, betterSince: 0, worseSince: 0, alarm: null };
      this.#arms.set(arm, drift);
    }
    return drift;
  }
}

/**
 * Whether the alarm has gone unanswered for too long.
 * @param at number of the last event
 */
export function isTooOld(alarm: DriftAlarm | null, at: number): boolean {
  return alarm !== null && at - alarm.at > MAX_UNANSWERED;
}
