import type { Decision } from '../domain/decision.ts';
import type { FeedbackRequest } from '../domain/selection.ts';
import { logRatingValue } from '../routing/rating-value.ts';
import { AdaptiveThreshold } from '../util/adaptive-threshold.ts';
import type { Random } from '../util/random.ts';

/** By the config in force. */
export interface AskingRates {
  /** Share of all answers that are audited. */
  audit: number;
  /** Share of the routed answers whose rating would teach most. */
  ask: number;
}

/** Chooses the answers whose rating is asked for: by lot, and where a rating would teach most. In one process. */
export class FeedbackRequests {
  readonly #random: Random;
  readonly #threshold: AdaptiveThreshold;

  constructor(random: Random, threshold = new AdaptiveThreshold()) {
    this.#random = random;
    this.#threshold = threshold;
  }

  /** Either is settled without the other. @returns undefined where the config asks for nothing */
  of(decision: Decision, { audit, ask }: AskingRates): FeedbackRequest | undefined {
    if (audit === 0 && ask === 0) return undefined;
    const value = ask > 0 ? logRatingValue(decision) : null;
    return {
      audit: audit > 0 && this.#random.uniform() < audit,
      auditProbability: audit,
      teaches: value !== null && this.#threshold.takes(value, ask),
    };
  }
}
