import type { FeedbackRequest } from '../domain/selection.ts';
import type { Random } from '../util/random.ts';

/** By the config in force. */
export interface AskingRates {
  /** Share of all answers that are audited. */
  audit: number;
}

/** Chooses the answers whose rating is asked for. */
export class FeedbackRequests {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @returns undefined where the config asks for nothing */
  of({ audit }: AskingRates): FeedbackRequest | undefined {
    if (audit === 0) return undefined;
    return { audit: this.#random.uniform() < audit, auditProbability: audit };
  }
}
