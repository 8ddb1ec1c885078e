export interface DriftOptions {
  /** k: what each residual may lie off, in standard deviations, without counting. */
  slack: number;
  /** h: the sum at which the alarm is raised. */
  threshold: number;
}

/** How far an arm's ratings have drifted from what was predicted of them. */
export interface ArmDrift {
  /** The two sums of the CUSUM, in standard deviations: better than predicted, and worse. */
  better: number;
  worse: number;
  /** What passed the threshold, until its sum is back at 0; null while nothing has. */
  alarm: DriftAlarm | null;
}

export interface DriftAlarm {
  direction: 'better' | 'worse';
  /** The sum when it passed. */
  statistic: number;
  /** Number of the observation that did it. */
  at: number;
}

export type DriftMonitorState = Record<string, ArmDrift>;

/**
 * Two-sided CUSUM per arm on standardised residuals z (Page 1954): S⁺ ← max(0, S⁺ + z − k), S⁻ ← max(0, S⁻ − z − k),
 * alarm at h. Residuals are counted in the order in which they come: a rating that is taken back stays counted.
 */
export class DriftMonitor {
  #arms = new Map<string, ArmDrift>();

  /** @param z (y − ŷ) / sd(y − ŷ) of a rating, predicted before it was learned @param at a number that rises */
  observe(arm: string, z: number, at: number, { slack, threshold }: DriftOptions): void {
    const drift = this.#drift(arm);
    drift.better = Math.max(0, drift.better + z - slack);
    drift.worse = Math.max(0, drift.worse - z - slack);
    // Of a past that is read again: whoever hears of it only now would let go of all that was learned since.
    if (drift.alarm && drift[drift.alarm.direction] === 0) drift.alarm = null;
    const direction = drift.better >= drift.worse ? 'better' : 'worse';
    if (drift[direction] > threshold) drift.alarm ??= { direction, statistic: drift[direction], at };
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

  reset(arm: string): void {
    this.#arms.delete(arm);
  }

  state(): DriftMonitorState {
    return Object.fromEntries(this.#arms);
  }

  restore(state: DriftMonitorState): void {
    this.#arms = new Map(Object.entries(state));
  }

  #drift(arm: string): ArmDrift {
    let drift = this.#arms.get(arm);
    if (!drift) {
      drift = { better: 0, worse: 0, alarm: null };
      this.#arms.set(arm, drift);
    }
    return drift;
  }
}
