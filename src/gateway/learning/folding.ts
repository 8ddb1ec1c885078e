import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StoredEvent } from '../../domain/events.ts';
import type { Clock } from '../../util/clock.ts';
import { messageOf } from '../../util/message-of.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { LearnerState } from './learner-state.ts';
import { type LogTail, recentDecisions } from './log-tail.ts';

/**
 * After folding for this long, the learner yields to the event loop. A time limit rather than a number of events, or
 * the learner would fall behind under load.
 */
const MS_PER_TURN = 3;

export interface FoldingParts {
  tail: LogTail;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
}

/** A learner state that advances along the log, with the decisions that it has encountered recently. */
export class Folding {
  readonly state: LearnerState;
  readonly #recent = recentDecisions();
  readonly #parts: FoldingParts;
  #missing = 0;

  constructor(state: LearnerState, parts: FoldingParts) {
    this.state = state;
    this.#parts = parts;
  }

  /**
   * Folds the next events, yielding to the event loop in between. Skips events that cannot be learned from, and logs
   * them.
   * @param happensNow true if the events are current rather than read back from the past, so that their decisions may
   * still be rated
   * @param folded called with each event once its effects are in the state
   */
  async takeIn(
    events: readonly StoredEvent[],
    happensNow: boolean,
    folded: (event: StoredEvent) => void,
  ): Promise<void> {
    const { clock } = this.#parts;
    let turnBegan = clock.monotonic();
    for (const event of events) {
      await this.#fold(event, happensNow);
      folded(event);
      if (clock.monotonic() - turnBegan < MS_PER_TURN) continue;
      await nextTurn();
      turnBegan = clock.monotonic();
    }
  }

  /** The number of events found missing from the log since the last call. */
  takeMissing(): number {
    const missing = this.#missing;
    this.#missing = 0;
    return missing;
  }

  async #fold(event: StoredEvent, happensNow: boolean): Promise<void> {
    const { tail, metrics, log } = this.#parts;
    const history = await tail.historyOf(event, this.#recent);
    this.#missing += event.sequence - this.state.sequence - 1;
    try {
      this.state.fold(event, history);
    } catch (error) {
      metrics.learnerSkipped.inc();
      log.warn(
        { sequence: event.sequence, decision: event.decisionId, reason: messageOf(error) },
        'An event could not be learned from and was skipped.',
      );
    }
    if (event.decisionId === null) return;
    // A decision is needed again soon, when it ends, and once more if it is rated. For current events, a rating looks
    // the decision up in the store: objects that live for some seconds and then die are the most expensive garbage.
    // While a long log is being read, such look-ups would slow the reading down.
    if (happensNow && event.type === 'completed') this.#recent.delete(event.decisionId);
    else this.#recent.set(event.decisionId, [...history, event]);
  }
}
