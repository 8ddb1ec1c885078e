import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StoredEvent } from '../../domain/events.ts';
import type { Clock } from '../../util/clock.ts';
import { messageOf } from '../../util/message-of.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { LearnerState } from './learner-state.ts';
import { type LogTail, recentDecisions } from './log-tail.ts';

/** Folding this long, the learner lets the event loop have its turn. By time, or it would fall behind under load. */
const MS_PER_TURN = 3;

export interface FoldingParts {
  tail: LogTail;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
}

/** A state on its way along the log, with the decisions that it has met of late. */
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
   * Takes in the events that come next, and lets the event loop have its turns. What cannot be learned is skipped, and told.
   * @param happensNow they are not of a past that is being read: who rates such decisions does so later
   * @param folded told of each event once its effects are in the state
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

  /** How many events were found to be gone from the log since this was last asked. */
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
        'An event could not be learned from and is skipped.',
      );
    }
    if (event.decisionId === null) return;
    // A decision is needed again at its end, soon, and when it is rated, if it is. Of what happens now ratings look it up:
    // what lives for some seconds and then dies is the dearest kind of garbage. Reading a long log they would wait.
    if (happensNow && event.type === 'completed') this.#recent.delete(event.decisionId);
    else this.#recent.set(event.decisionId, [...history, event]);
  }
}
