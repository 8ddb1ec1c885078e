import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { Folding } from './folding.ts';
import type { LearnerState } from './learner-state.ts';

/** Tells operators what could not be learned from the log, or could be learned only in part. */
export class FoldingReport {
  readonly #log: Logger;
  readonly #metrics: Metrics;

  constructor({ log, metrics }: { log: Logger; metrics: Metrics }) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Reports events that were deleted from the log before they could be folded, each only once. */
  missing(folding: Folding): void {
    const events = folding.takeMissing();
    if (events === 0) return;
    this.#log.warn(
      { events },
      'The learner was rebuilt from a log whose oldest events were deleted (storage.keep_days), and no snapshot includes them: what they taught is lost.',
    );
  }

  /** Reports what is kept of decisions made with another feature map. */
  carriedOver({ foreign }: LearnerState): void {
    const told = foreign.describe();
    if (told) this.#log.info(told);
  }

  foreignContexts({ foreign }: LearnerState): void {
    for (const kept of ['structure', 'intercept'] as const) {
      this.#metrics.foreignContexts.set({ kept }, foreign.total(kept));
    }
  }
}
